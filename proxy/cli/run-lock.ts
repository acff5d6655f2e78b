/** One run of a plan at a time among this user's processes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodedOf, type Digest } from '../../shared/oci/digest.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { dataDirectory, ownSurroundings } from '../server/data-directory.ts';
import { lockOwner, withLock } from '../store/lock.ts';
import { StoreError } from '../store/store-error.ts';

async function alreadyRunning(path: string, cause: unknown): Promise<ProblemError> {
	const owner = await lockOwner(path).catch(() => undefined);
	const who = owner ? `Process ${owner.pid} on ${owner.host}` : 'Another process';
	const reason = `${who} is running this plan: it holds ${path}.`;
	return new ProblemError({ code: 'already-running', origin: 'proxy', reason }, { cause });
}

/**
 * Runs `action` while no other process does so for the same plan. However long it takes, nobody takes over
 * while this process lives; where it died, the next one may.
 * @throws ProblemError `already-running` that names the process
 */
export async function withRunLock<T>(planId: Digest, action: () => Promise<T>): Promise<T> {
	const folder = join(dataDirectory(ownSurroundings()), 'runs');
	await mkdir(folder, { recursive: true, mode: 0o700 });
	const path = join(folder, `${encodedOf(planId)}.lock`);
	// What the action throws is its own affair, also where it is another lock that it could not get.
	let outcome: Promise<T> | undefined;
	const begin = async () => {
		outcome = action();
		await outcome.catch(() => undefined);
	};
	try {
		await withLock(path, begin, { isLasting: true, patienceMs: 0 });
	} catch (error) {
		const isTaken = error instanceof StoreError && error.kind === 'locked';
		throw isTaken ? await alreadyRunning(path, error) : error;
	}
	if (!outcome) throw new RangeError('the lock was held for nothing');
	return outcome;
}
