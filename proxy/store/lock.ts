/**
 * One at a time, across processes: a file made with O_EXCL.
 * Most are held for the few milliseconds of one read-modify-write, so waiting is polling.
 */
import { randomUUID } from 'node:crypto';
import { constants, readFileSync, readlinkSync } from 'node:fs';
import { open, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod';
import { StoreError, isAbsent, systemCode } from './store-error.ts';

const ownerSchema = z.object({
	id: z.string(),
	pid: z.number().int(),
	host: z.string(),
	/** where its number means something: a container has numbers of its own */
	space: z.string().optional(),
});

export type LockOwner = z.infer<typeof ownerSchema>;

export interface LockOptions {
	/** A lock older than this is taken over whoever holds it; its holder notices before it commits. */
	readonly staleAfterMs?: number;
	/**
	 * It may be held for hours: its holder gives a sign of life every ten seconds.
	 * It is taken over only where its owner is known to be gone.
	 */
	readonly isLasting?: boolean;
	/** How long to wait for the lock before giving up. */
	readonly patienceMs?: number;
}

export interface HeldLock {
	/** @throws StoreError `locked` where another process took the lock over meanwhile */
	readonly confirm: () => Promise<void>;
}

const defaultStaleAfterMs = 30_000;
/** A lock that names no owner: its maker is about to write it, or was killed just then. */
const namelessStaleAfterMs = 5_000;
const defaultPatienceMs = 60_000;
/** A lasting lock is as old as its holder's last sign of life. */
const heartbeatMs = 10_000;
/** Without one for so long, the holder is gone where its number alone cannot tell. */
const silentAfterMs = 60_000;

interface LockFile {
	readonly text: string;
	readonly mtimeMs: number;
}

interface FoundLock {
	/** identifies this very lock: its content, or its age where it cannot be read */
	readonly identity: string;
	readonly ageMs: number;
	readonly owner: LockOwner | undefined;
}

function parseOwner(text: string): FoundLock['owner'] {
	try {
		return ownerSchema.safeParse(JSON.parse(text)).data;
	} catch {
		return undefined;
	}
}

// A FIFO in the place of a lock must not make us wait for its writer.
const safely = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws StoreError `layoutDamaged` where it is anything but a regular file */
async function readLock(path: string): Promise<LockFile | undefined> {
	try {
		const handle = await open(path, safely);
		try {
			const found = await handle.stat();
			if (!found.isFile()) throw notALock(path);
			return { text: await handle.readFile('utf8'), mtimeMs: found.mtimeMs };
		} finally {
			await handle.close();
		}
	} catch (error) {
		if (isAbsent(error)) return undefined;
		throw systemCode(error) === 'ELOOP' ? notALock(path, error) : error;
	}
}

function notALock(path: string, cause?: unknown): StoreError {
	const reason = `${path} is not a regular file, so it cannot be a lock; nothing is written.`;
	return new StoreError('layoutDamaged', reason, { cause });
}

/** @throws StoreError `layoutDamaged` */
async function inspect(path: string): Promise<FoundLock | undefined> {
	const file = await readLock(path);
	if (!file) return undefined;
	const { text, mtimeMs } = file;
	return {
		identity: `${mtimeMs} ${text}`,
		ageMs: Date.now() - mtimeMs,
		owner: parseOwner(text),
	};
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return systemCode(error) !== 'ESRCH';
	}
}

/** Of the locks that this process holds. */
const ownIds = new Set<string>();

function readOwnSpace(): string | undefined {
	try {
		const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
		return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
	} catch {
		// Only Linux has them.
		return undefined;
	}
}

const ownSpace = readOwnSpace();

/**
 * A container's process has the number of one in another container, and of the one before it: often 1. Host names
 * may be the same too, so the owner of such a lock is known by its signs of life alone.
 */
function isGone({ id, pid, host, space = ownSpace }: LockOwner, ageMs: number): boolean {
	if (host !== hostname() || ownIds.has(id)) return false;
	const isComparable = pid !== process.pid && space === ownSpace;
	return isComparable ? !isAlive(pid) : ageMs > silentAfterMs;
}

function isStale(found: FoundLock, { staleAfterMs, isLasting }: LockOptions): boolean {
	const { owner, ageMs } = found;
	if (owner === undefined) return ageMs > namelessStaleAfterMs;
	if (isGone(owner, ageMs)) return true;
	return !isLasting && ageMs > (staleAfterMs ?? defaultStaleAfterMs);
}

/**
 * Who holds the lock, as far as that can be read. @throws StoreError `layoutDamaged` where something else has
 * its name
 */
export async function lockOwner(path: string): Promise<LockOwner | undefined> {
	return (await inspect(path))?.owner;
}

/**
 * Removes a lock whose owner is gone. Of several processes that judged the same lock, the one that
 * makes the marker removes it, after looking again: a lock taken since is never removed.
 */
async function breakLock(path: string, found: FoundLock): Promise<void> {
	const marker = `${path}.break`;
	try {
		await writeFile(marker, '', { flag: 'wx' });
	} catch (error) {
		if (systemCode(error) !== 'EEXIST') throw error;
		const left = await inspect(marker);
		if (left && left.ageMs > namelessStaleAfterMs) await rm(marker, { force: true });
		return;
	}
	try {
		const now = await inspect(path);
		if (now?.identity === found.identity) await rm(path, { force: true });
	} finally {
		await rm(marker, { force: true });
	}
}

async function tryCreate(path: string, content: string): Promise<boolean> {
	try {
		const handle = await open(path, 'wx', 0o644);
		try {
			await handle.writeFile(content);
		} finally {
			await handle.close();
		}
		return true;
	} catch (error) {
		if (systemCode(error) === 'EEXIST') return false;
		throw error;
	}
}

async function acquire(path: string, content: string, options: LockOptions): Promise<void> {
	const givenUpAt = performance.now() + (options.patienceMs ?? defaultPatienceMs);
	for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 50)) {
		if (await tryCreate(path, content)) return;
		const found = await inspect(path);
		if (found && isStale(found, options)) await breakLock(path, found);
		else if (performance.now() > givenUpAt) {
			throw new StoreError('locked', `Another process holds the lock ${path}.`);
		}
		await wait(pauseMs * (0.5 + Math.random()));
	}
}

/** Gives signs of life until the function that it returns is called. */
function beat(path: string, isOurs: () => Promise<boolean>): () => void {
	const timer = setInterval(() => {
		const now = new Date();
		// Where it cannot be written any more, its holder learns of that elsewhere.
		void isOurs()
			.then((ours) => (ours ? utimes(path, now, now) : undefined))
			.catch(() => undefined);
	}, heartbeatMs);
	timer.unref();
	return () => {
		clearInterval(timer);
	};
}

/**
 * Runs `action` while no other process or instance does so with the same lock file.
 * @throws StoreError `locked` where the lock does not come free in time, `layoutDamaged` where something
 * else has its name
 */
export async function withLock<T>(
	path: string,
	action: (lock: HeldLock) => Promise<T>,
	options: LockOptions = {},
): Promise<T> {
	const id = randomUUID();
	const owner: LockOwner = { id, pid: process.pid, host: hostname(), space: ownSpace };
	const content = JSON.stringify(owner);
	const isOurs = async () => (await readLock(path).catch(() => undefined))?.text === content;
	const confirm = async () => {
		if (!(await isOurs())) throw new StoreError('locked', `The lock ${path} was taken over.`);
	};
	await acquire(path, content, options);
	ownIds.add(id);
	const stopBeating = options.isLasting ? beat(path, isOurs) : undefined;
	try {
		return await action({ confirm });
	} finally {
		stopBeating?.();
		ownIds.delete(id);
		if (await isOurs()) await rm(path, { force: true });
	}
}
