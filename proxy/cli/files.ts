/** Files that a command is given: read within bounds, written whole or not at all. */
import { randomUUID } from 'node:crypto';
import { open, rename, rm, stat, access, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../store/store-error.ts';
import { UsageError } from './usage.ts';

const failures: Readonly<Record<string, string>> = {
	ENOENT: 'it is not there',
	ENOTDIR: 'a part of its path is no folder',
	EISDIR: 'it is a folder',
	EACCES: 'that is not permitted',
	EPERM: 'that is not permitted',
	EROFS: 'the file system is read-only',
	ENOSPC: 'there is no room left',
	ELOOP: 'its symbolic links lead in a circle',
	ENAMETOOLONG: 'its name is too long',
};

function cannot(verb: 'read' | 'written', path: string, error: unknown): UsageError {
	const code = systemCode(error) ?? '';
	const why = failures[code] ?? (error instanceof Error ? error.message : String(error));
	return new UsageError(`The file “${path}” cannot be ${verb}: ${why}.`, { cause: error });
}

/** Pipes have no size beforehand, so the bytes are counted as they come. */
async function readBounded(handle: FileHandle, mostBytes: number): Promise<Buffer | undefined> {
	const chunks: Buffer[] = [];
	const found = await handle.stat();
	if (found.isFile() && found.size > mostBytes) return undefined;
	let size = 0;
	for await (const chunk of handle.createReadStream({ autoClose: false })) {
		// Without an encoding a file is read as buffers; its type does not say so.
		const bytes = chunk as Buffer;
		size += bytes.length;
		if (size > mostBytes) return undefined;
		chunks.push(bytes);
	}
	return Buffer.concat(chunks);
}

/** @throws UsageError that says why it cannot be read */
export async function readBytesFile(path: string, mostBytes: number): Promise<Uint8Array> {
	let bytes: Buffer | undefined;
	try {
		const handle = await open(path, 'r');
		try {
			bytes = await readBounded(handle, mostBytes);
		} finally {
			await handle.close();
		}
	} catch (error) {
		throw cannot('read', path, error);
	}
	if (bytes) return bytes;
	throw new UsageError(`The file “${path}” cannot be read: it is larger than ${mostBytes} bytes.`);
}

/** @throws UsageError that says why it cannot be read */
export async function readTextFile(path: string, mostBytes: number): Promise<string> {
	return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await readBytesFile(path, mostBytes));
}

/** True for what is not to be replaced by a file: a terminal, a pipe, /dev/null. */
async function isDevice(path: string): Promise<boolean> {
	try {
		const found = await stat(path);
		if (found.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
		return !found.isFile();
	} catch (error) {
		if (systemCode(error) === 'ENOENT') return false;
		throw error;
	}
}

/** Finds out before the work is done whether its result could be written there. @throws UsageError */
export async function checkWritable(path: string): Promise<void> {
	try {
		if (!(await isDevice(path))) await access(dirname(path), constants.W_OK);
	} catch (error) {
		throw cannot('written', path, error);
	}
}

async function writeAndRename(path: string, text: string): Promise<void> {
	const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
	try {
		const handle = await open(temporary, 'wx', 0o644);
		try {
			await handle.writeFile(text);
			await handle.sync();
		} finally {
			await handle.close();
		}
		await rename(temporary, path);
	} catch (error) {
		await rm(temporary, { force: true });
		throw error;
	}
}

async function writeToDevice(path: string, text: string): Promise<void> {
	const handle = await open(path, 'w');
	try {
		await handle.writeFile(text);
	} finally {
		await handle.close();
	}
}

/** Writes it in one step: nobody ever meets half of it. @throws UsageError that says why it cannot be written */
export async function writeTextFile(path: string, text: string): Promise<void> {
	try {
		await ((await isDevice(path)) ? writeToDevice(path, text) : writeAndRename(path, text));
	} catch (error) {
		throw cannot('written', path, error);
	}
}
