import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { printPlan } from '../../../shared/plan/plan-file.ts';
import { stepsOf } from '../../../shared/plan/plan.ts';
import { parseReceipt } from '../../../shared/plan/receipt.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { makeHome, type Home } from '../../support/espalier-process.ts';
import {
	startFront,
	type Front,
	type FrontAnswer,
	type FrontRequest,
} from '../../support/front.ts';
import { pushHeavyRelease } from '../../support/heavy-release.ts';
import { componentCount, pushSmallRelease, smallVersion } from '../../support/small-release.ts';
import {
	describeWithRegistries,
	expectTags,
	openRegistries,
	patienceMs,
	planFor,
	tagAt,
	tagsNow,
	targetRepository,
} from './publishing.ts';

const main = fileURLToPath(new URL('../../../proxy/main.ts', import.meta.url));

const isPut = ({ method }: FrontRequest): boolean => method === 'PUT';
const ofBlobs = ({ path }: FrontRequest): boolean => path.includes('/blobs/uploads/');

/** The digest of a blob whose upload is at its end. */
function blobIn({ path }: FrontRequest): string {
	return new URL(path, 'http://any').searchParams.get('digest') ?? '';
}

/** The command, from the sources, in a process of its own. */
function startRun(home: Home, plan: string) {
	const args = ['--import', 'tsx', main, 'run', plan, '--receipt', join(home.folder, 'receipt')];
	const child = spawn(process.execPath, args, { env: home.env });
	const printed = { stderr: '', peakKiB: 0 };
	child.stderr.on('data', (chunk: Buffer) => {
		printed.stderr += chunk.toString();
	});
	child.stdout.resume();
	return { child, printed, ended: once(child, 'close') };
}

/** Lets a number of writes through and holds all others; resolves when the registry has answered those. */
function letThrough(front: Front, writes: number): Promise<void> {
	return new Promise((resolve) => {
		let begun = 0;
		const before = front.answered.length;
		front.meddle = (request) => {
			if (!isPut(request)) return undefined;
			begun += 1;
			if (begun <= writes) return undefined;
			if (front.answered.slice(before).filter(isPut).length >= writes) resolve();
			return new Promise(() => undefined);
		};
	});
}

describeWithRegistries('a run whose process is killed', () => {
	const running: (() => unknown)[] = [];
	afterEach(async () => {
		for (const stop of running.splice(0).toReversed()) await stop();
	});

	it(
		'again and again, further on each time, is finished by the next; nothing whole is sent twice',
		async () => {
			const [source, target] = await Promise.all([
				startDockerRegistry({ inMemory: true }),
				startDockerRegistry({ inMemory: true }),
			]);
			const [front, home] = [await startFront(target.host), await makeHome()];
			for (const part of [source, target, front]) running.push(() => part.stop());
			running.push(() => home.remove());
			const release = await pushSmallRelease({ host: source.host, layerBytes: 40_000 });
			const plan = await planFor(await openRegistries(), release.reference, front);
			const file = join(home.folder, 'plan.json');
			writeFileSync(file, printPlan(plan));
			const published = `${target.host}/${targetRepository}:${smallVersion}`;
			const blobs = stepsOf(plan, 'blob').length + stepsOf(plan, 'upload').length;
			const manifests = stepsOf(plan, 'manifest').length;

			// Among the blobs, among the manifests, and with nothing left but the tag of the release.
			for (const writes of [5, blobs - 10, 10, manifests - 5 + componentCount]) {
				const reached = letThrough(front, writes);
				const { child, ended, printed } = startRun(home, file);
				const early = ended.then(() => {
					throw new Error(`it ended by itself: ${printed.stderr}`);
				});
				await Promise.race([reached, early]);
				early.catch(() => undefined);
				child.kill('SIGKILL');
				await ended;
				expect(await tagAt(published)).toBeUndefined();
			}

			expect((await tagsNow(plan)).size).toBe(componentCount);

			const releaseTags: (string | undefined)[] = [];
			front.meddle = async (request) => {
				if (isPut(request)) releaseTags.push(await tagAt(published));
				return undefined;
			};
			const { ended, printed } = startRun(home, file);
			expect(await ended, printed.stderr).toEqual([0, null]);
			// It was looked for before every write: the last of them is its own.
			expect(releaseTags.length).toBeGreaterThan(0);
			expect(new Set(releaseTags)).toEqual(new Set([undefined]));
			expect(front.answered.filter(isPut).at(-1)?.path).toBe(
				`/v2/${targetRepository}/manifests/${smallVersion}`,
			);
			await expectTags(plan);

			const completed = front.answered.filter(
				(answer: FrontAnswer) => isPut(answer) && ofBlobs(answer) && answer.status === 201,
			);
			expect(new Set(completed.map(blobIn)).size).toBe(completed.length);
			expect(completed).toHaveLength(blobs);
			expect(parseReceipt(readFileSync(join(home.folder, 'receipt'), 'utf8')).plan).toBe(plan.id);
			expect(readdirSync(join(home.folder, 'espalier/runs'))).toEqual([]);
		},
		patienceMs,
	);
});

const hasProc = existsSync('/proc/self/status');

describeWithRegistries('the process of a run of 256 MiB', () => {
	const MiB = 1024 * 1024;

	it.skipIf(!hasProc)(
		'never has more than 200 MiB in memory',
		async () => {
			const [source, target] = await Promise.all([startDockerRegistry(), startDockerRegistry()]);
			const home = await makeHome();
			try {
				const heavy = { host: source.host, layers: 8, layerBytes: 32 * MiB };
				const reference = await pushHeavyRelease(heavy);
				const plan = await planFor(await openRegistries(), reference, target);
				const file = join(home.folder, 'plan.json');
				writeFileSync(file, printPlan(plan));
				const { child, ended, printed } = startRun(home, file);
				let peakKiB = 0;
				const watch = setInterval(() => {
					const status = existsSync(`/proc/${child.pid}/status`)
						? readFileSync(`/proc/${child.pid}/status`, 'utf8')
						: '';
					peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0));
				}, 20);
				const exit = await ended;
				clearInterval(watch);
				expect(exit, printed.stderr).toEqual([0, null]);
				const receipt = parseReceipt(readFileSync(join(home.folder, 'receipt'), 'utf8'));
				expect(receipt.blobs.copied.bytes).toBeGreaterThan(256 * MiB);
				expect(peakKiB / 1024).toBeGreaterThan(30);
				expect(peakKiB / 1024).toBeLessThan(200);
			} finally {
				await Promise.all([source.stop(), target.stop(), home.remove()]);
			}
		},
		patienceMs,
	);
});
