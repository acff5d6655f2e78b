import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { withLock } from '../../../proxy/store/lock.ts';
import { Store } from '../../../proxy/store/store.ts';
import { temporaryFolder } from './fixture.ts';
import { indexOf } from './images.ts';

const run = promisify(execFile);
const writer = fileURLToPath(new URL('writer-process.ts', import.meta.url));

function write(root: string, prefix: string, count: number) {
	return run(process.execPath, ['--import', 'tsx', writer, root, prefix, `${count}`]);
}

/** The id of a process that has just ended. */
async function deadProcess(): Promise<number> {
	const child = run(process.execPath, ['-e', '']);
	await child;
	return child.child.pid!;
}

const impatient = { patienceMs: 0 };
const succeed = async () => 'done';

describe('two processes that write to one repository', () => {
	it('lose nothing, and a reader never meets a torn index', async () => {
		const root = await temporaryFolder();
		const store = await Store.open(root);
		const { bytes } = indexOf([]);
		await store.repository('demo').putManifest(bytes, { tag: 'first' });
		const written = new AbortController();
		const reading = (async () => {
			while (!written.signal.aborted) {
				JSON.parse(await readFile(join(root, 'demo', 'index.json'), 'utf8'));
			}
		})();
		const own = Array.from({ length: 25 }, (_, number) =>
			store.repository('demo').putManifest(bytes, { tag: `own-${number}` }),
		);
		await Promise.all([write(root, 'one', 25), write(root, 'two', 25), ...own]);
		written.abort();
		await reading;
		const tags = await store.repository('demo').tags();
		expect(tags).toHaveLength(76);
		expect(await readdir(join(root, 'demo'))).not.toContain('.lock');
	}, 60_000);
});

it.skipIf(process.platform === 'win32')(
	'others cannot write into the folders of a store, whatever the mask',
	async () => {
		const root = join(await temporaryFolder(), 'store');
		const before = process.umask(0);
		try {
			const store = await Store.open(root);
			await store.repository('team/demo').putManifest(indexOf([]).bytes, { tag: 'first' });
		} finally {
			process.umask(before);
		}
		const folders = ['', '.uploads', 'team', 'team/demo', 'team/demo/blobs/sha256'];
		const modes = folders.map(async (name) =>
			((await stat(join(root, name))).mode & 0o777).toString(8),
		);
		expect(await Promise.all(modes)).toEqual(['700', '755', '755', '755', '755']);
	},
);

describe('withLock', () => {
	it('lets one in at a time', async () => {
		const path = join(await temporaryFolder(), '.lock');
		let inside = 0;
		let most = 0;
		await Promise.all(
			Array.from({ length: 8 }, () =>
				withLock(path, async () => {
					most = Math.max(most, ++inside);
					await readFile(path);
					inside--;
				}),
			),
		);
		expect(most).toBe(1);
	});

	it('takes over the lock of a process that is gone', async () => {
		const path = join(await temporaryFolder(), '.lock');
		const owner = { id: 'x', pid: await deadProcess(), host: hostname() };
		await writeFile(path, JSON.stringify(owner));
		expect(await withLock(path, succeed, { patienceMs: 1000 })).toBe('done');
	});

	it.each(['', 'not JSON', '{"id":"x","pid":1,"host":"elsewhere"}'])(
		'takes over a lock with %j only when it is old',
		async (content) => {
			const path = join(await temporaryFolder(), '.lock');
			await writeFile(path, content);
			await expect(withLock(path, succeed, impatient)).rejects.toMatchObject({ kind: 'locked' });
			await utimes(path, new Date(0), new Date(0));
			expect(await withLock(path, succeed, { patienceMs: 1000 })).toBe('done');
		},
	);

	it.each(['', 'not JSON', '{"id":"x"'])(
		'takes over a lock with %j that names nobody some seconds after it was made',
		async (content) => {
			const path = join(await temporaryFolder(), '.lock');
			await writeFile(path, content);
			const sixSecondsAgo = new Date(Date.now() - 6_000);
			await utimes(path, sixSecondsAgo, sixSecondsAgo);
			expect(await withLock(path, succeed, { patienceMs: 1000 })).toBe('done');
		},
	);

	it.each([
		['of its own number, as containers have it', process.pid, undefined],
		['of a number that it does not know, in another container', 4_194_303, 'another space'],
	])(
		'takes over a lasting lock %s, only without a sign of life for a minute',
		async (_, pid, space) => {
			const path = join(await temporaryFolder(), '.lock');
			const content = JSON.stringify({ id: 'x', pid, host: hostname(), space });
			await writeFile(path, content);
			const age = async (ms: number) => utimes(path, new Date(), new Date(Date.now() - ms));
			const lasting = { patienceMs: 0, isLasting: true };
			await age(50_000);
			await expect(withLock(path, succeed, lasting)).rejects.toMatchObject({ kind: 'locked' });
			expect(await readFile(path, 'utf8')).toBe(content);
			await age(70_000);
			expect(await withLock(path, succeed, { ...lasting, patienceMs: 1000 })).toBe('done');
		},
	);

	it('gives signs of life of a lasting lock, and never of another’s', async () => {
		const path = join(await temporaryFolder(), '.lock');
		const old = async () => utimes(path, new Date(0), new Date(0));
		const ageMs = async () => Date.now() - (await stat(path)).mtimeMs;
		vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
		onTestFinished(() => void vi.useRealTimers());
		const hold = async () => {
			await old();
			vi.advanceTimersByTime(10_000);
			await expect.poll(ageMs).toBeLessThan(10_000);
			await writeFile(path, 'somebody else');
			await old();
			vi.advanceTimersByTime(10_000);
			await readFile(path);
			return ageMs();
		};
		expect(await withLock(path, hold, { isLasting: true })).toBeGreaterThan(10_000);
		expect(vi.getTimerCount()).toBe(0);
	});

	it('waits for a process that lives', async () => {
		const path = join(await temporaryFolder(), '.lock');
		const content = JSON.stringify({ id: 'x', pid: process.pid, host: hostname() });
		await writeFile(path, content);
		await expect(withLock(path, succeed, impatient)).rejects.toMatchObject({ kind: 'locked' });
		expect(await readFile(path, 'utf8')).toBe(content);
	});

	it('gets past the marker of a process that died while it took a lock over', async () => {
		const path = join(await temporaryFolder(), '.lock');
		for (const name of [path, `${path}.break`]) {
			await writeFile(name, '');
			await utimes(name, new Date(0), new Date(0));
		}
		expect(await withLock(path, succeed, { patienceMs: 1000 })).toBe('done');
	});

	it('tells its holder when somebody took it over, and leaves the new lock alone', async () => {
		const path = join(await temporaryFolder(), '.lock');
		const action = withLock(path, async ({ confirm }) => {
			await confirm();
			await writeFile(path, 'somebody else');
			await confirm();
		});
		await expect(action).rejects.toMatchObject({ kind: 'locked' });
		expect(await readFile(path, 'utf8')).toBe('somebody else');
	});

	it.skipIf(process.platform === 'win32').each([
		['a pipe', (path: string) => run('mkfifo', [path])],
		['a folder', (path: string) => mkdir(path)],
		['a symbolic link', (path: string) => symlink('/dev/zero', path)],
		['a symbolic link that leads nowhere', (path: string) => symlink('nowhere', path)],
	])('refuses at once where the lock is %s', async (_, make) => {
		const path = join(await temporaryFolder(), '.lock');
		await make(path);
		await expect(withLock(path, succeed)).rejects.toMatchObject({ kind: 'layoutDamaged' });
	});

	it.skipIf(process.platform === 'win32')(
		'is not held up by a pipe that took its place meanwhile',
		async () => {
			const path = join(await temporaryFolder(), '.lock');
			const action = withLock(path, async ({ confirm }) => {
				await rm(path);
				await run('mkfifo', [path]);
				await confirm();
			});
			await expect(action).rejects.toMatchObject({ kind: 'locked' });
		},
	);

	it('is free again after a failure', async () => {
		const path = join(await temporaryFolder(), '.lock');
		const fail = withLock(path, () => Promise.reject(new Error('a failure')));
		await expect(fail).rejects.toThrow('a failure');
		expect(await withLock(path, succeed, impatient)).toBe('done');
	});
});
