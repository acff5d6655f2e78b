/** Reading content from disk: never through a symbolic link, never all of a blob at once (D21). */
import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAbsent, systemCode } from './store-error.ts';

// A FIFO put in a blob's place must not make us wait for its writer.
const safely = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const bytesPerRead = 256 * 1024;

export interface ContentFile {
	readonly handle: FileHandle;
	readonly sizeBytes: number;
}

/** False where a symbolic link stands anywhere in the absolute path, or nothing is there. */
export async function isOwnFolder(folder: string): Promise<boolean> {
	try {
		return (await realpath(folder)) === folder;
	} catch (error) {
		if (isAbsent(error) || systemCode(error) === 'ELOOP') return false;
		throw error;
	}
}

/**
 * Opens a regular file; undefined where there is none, also where the path leads through a symbolic link.
 * The caller closes the handle.
 */
export async function openContent(path: string): Promise<ContentFile | undefined> {
	let handle: FileHandle | undefined;
	try {
		if (!(await isOwnFolder(dirname(path)))) return undefined;
		handle = await open(path, safely);
		const found = await handle.stat();
		if (found.isFile()) return { handle, sizeBytes: found.size };
	} catch (error) {
		await handle?.close();
		if (isAbsent(error) || systemCode(error) === 'ELOOP') return undefined;
		throw error;
	}
	await handle.close();
	return undefined;
}

/** The size of a file that `openContent` would open, in bytes. */
export async function contentSize(path: string): Promise<number | undefined> {
	const file = await openContent(path);
	await file?.handle.close();
	return file?.sizeBytes;
}

/** All of a small file; `too-large` where it has more than `mostBytes`. */
export async function readContent(
	path: string,
	mostBytes: number,
): Promise<Uint8Array | 'too-large' | undefined> {
	const file = await openContent(path);
	if (!file) return undefined;
	try {
		if (file.sizeBytes > mostBytes) return 'too-large';
		return await readAll(file);
	} finally {
		await file.handle.close();
	}
}

/** All of a small open file. Does not close it. */
export async function readAll({ handle }: ContentFile): Promise<Uint8Array> {
	const bytes = await handle.readFile();
	return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of an open file from `start` up to but not including `end`. Does not close it. */
export async function* readChunks(
	file: ContentFile,
	start = 0,
	end = file.sizeBytes,
): AsyncGenerator<Uint8Array> {
	for (let position = start; position < end;) {
		const buffer = new Uint8Array(Math.min(bytesPerRead, end - position));
		const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, position);
		if (bytesRead === 0) return;
		position += bytesRead;
		yield buffer.subarray(0, bytesRead);
	}
}

/** An open file as a response body: read as fast as it is taken, closed at its end or when nobody wants it. */
export function contentStream(
	file: ContentFile,
	start: number,
	end: number,
): ReadableStream<Uint8Array> {
	const chunks = readChunks(file, start, end);
	let leftBytes = end - start;
	return new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				try {
					const next = await chunks.next();
					if (!next.done) {
						leftBytes -= next.value.length;
						controller.enqueue(next.value);
						return;
					}
					if (leftBytes > 0) throw new Error('the file became shorter while it was read');
				} catch (error) {
					await file.handle.close();
					throw error;
				}
				await file.handle.close();
				controller.close();
			},
			async cancel() {
				await file.handle.close();
			},
		},
		{ highWaterMark: 0 },
	);
}
