import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withRunLock } from '../../../proxy/cli/run-lock.ts';
import { StoreError } from '../../../proxy/store/store-error.ts';
import { encodedOf } from '../../../shared/oci/digest.ts';
import { hashOf } from '../../support/fake-registries.ts';

const id = hashOf('sha256', new Uint8Array([1]));
const other = hashOf('sha256', new Uint8Array([2]));
let folder: string;
let runs: string;

describe.skipIf(process.platform !== 'linux')('the lock of a run', () => {
	beforeEach(async () => {
		folder = mkdtempSync(join(tmpdir(), 'espalier-lock-'));
		vi.stubEnv('XDG_DATA_HOME', folder);
		runs = join(folder, 'espalier', 'runs');
		await withRunLock(id, async () => undefined);
	});
	afterEach(() => {
		vi.unstubAllEnvs();
		rmSync(folder, { recursive: true });
	});
	const lock = () => join(runs, `${encodedOf(id)}.lock`);
	const leave = (owner: object) => writeFileSync(lock(), JSON.stringify({ id: 'x', ...owner }));
	const long = new Date(0);

	it('is named after the plan, and gone afterwards', async () => {
		const seen = await withRunLock(id, async () => readdirSync(runs));
		expect(seen).toEqual([`${encodedOf(id)}.lock`]);
		expect(readdirSync(runs)).toEqual([]);
	});

	it('keeps a second run of the same plan out, and names the process; other plans run', async () => {
		await withRunLock(id, async () => {
			await expect(withRunLock(id, async () => undefined)).rejects.toMatchObject({
				problem: {
					code: 'already-running',
					reason: `Process ${process.pid} on ${hostname()} is running this plan: it holds ${lock()}.`,
				},
			});
			expect(await withRunLock(other, async () => 'ran')).toBe('ran');
		});
	});

	it('is not taken over for its age while its process lives', async () => {
		leave({ pid: process.ppid, host: hostname() });
		utimesSync(lock(), long, long);
		const before = readFileSync(lock(), 'utf8');
		await expect(withRunLock(id, async () => undefined)).rejects.toThrow('already-running');
		expect(readFileSync(lock(), 'utf8')).toBe(before);
	});

	it('is not taken over from another machine, of which nothing is known', async () => {
		leave({ pid: 1, host: 'elsewhere' });
		utimesSync(lock(), long, long);
		await expect(withRunLock(id, async () => undefined)).rejects.toThrow(
			'Process 1 on elsewhere is running this plan',
		);
	});

	it('is taken over at once where its process is gone', async () => {
		const child = promisify(execFile)(process.execPath, ['-e', '']);
		await child;
		leave({ pid: child.child.pid, host: hostname() });
		expect(await withRunLock(id, async () => 'ran')).toBe('ran');
		expect(readdirSync(runs)).toEqual([]);
	});

	it('is taken over where nobody signed it in time', async () => {
		writeFileSync(lock(), '');
		await expect(withRunLock(id, async () => undefined)).rejects.toThrow('Another process');
		utimesSync(lock(), long, long);
		expect(await withRunLock(id, async () => 'ran')).toBe('ran');
	});

	it('is free again after a failure, which is passed on as it is', async () => {
		const locked = new StoreError('locked', 'a lock of something else');
		await expect(withRunLock(id, () => Promise.reject(locked))).rejects.toBe(locked);
		expect(readdirSync(runs)).toEqual([]);
	});
});
