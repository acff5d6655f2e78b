/** Writing so that after a crash a file is there whole, or not at all. */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreError, isAbsent } from './store-error.ts';

/** Makes the names in a folder outlive a power failure. */
export async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder, 'r');
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}

/** Others never write there, also where the process's mask would let them. */
const usualMode = 0o755;

/**
 * Makes a folder and those above it, each of them durable and with that mode, less what the process's mask forbids. What is
 * there already keeps its own.
 */
export async function makeFolder(folder: string, mode = usualMode): Promise<void> {
	const first = await mkdir(folder, { recursive: true, mode });
	if (first === undefined) return;
	for (let made = folder; ; made = dirname(made)) {
		await syncFolder(dirname(made));
		if (made === first) return;
	}
}

/**
 * The same for a folder of the store, which must be where its path says.
 * @throws StoreError `layoutDamaged` where a symbolic link leads elsewhere, or the name is a file's
 */
export async function makeOwnFolder(folder: string): Promise<void> {
	const found = await lstat(folder).catch((error: unknown) => {
		if (isAbsent(error)) return undefined;
		throw error;
	});
	if (!found) await makeFolder(folder);
	const isFolder = !found || found.isDirectory();
	if (isFolder && (await realpath(folder)) === folder) return;
	throw new StoreError(
		'layoutDamaged',
		`${folder} must be a folder of the store itself, and is a file or leads elsewhere by a symbolic link.`,
	);
}

/** Gives a file whose content is already on disk its name, replacing what was there. */
export async function moveDurably(from: string, to: string): Promise<void> {
	await rename(from, to);
	await syncFolder(dirname(to));
}

/**
 * Writes a file under a temporary name in `scratch`, which must be on the same file system, and moves it.
 * @param beforeMove runs when all is on disk and nothing is visible yet; throwing there leaves things as they were
 */
export async function writeDurably(
	target: string,
	bytes: Uint8Array,
	scratch: string,
	beforeMove?: () => Promise<void>,
): Promise<void> {
	const temporary = join(scratch, `${randomUUID()}.tmp`);
	try {
		const handle = await open(temporary, 'wx', 0o644);
		try {
			await handle.writeFile(bytes);
			await handle.sync();
		} finally {
			await handle.close();
		}
		await beforeMove?.();
		await moveDurably(temporary, target);
	} catch (error) {
		await rm(temporary, { force: true });
		throw error;
	}
}
