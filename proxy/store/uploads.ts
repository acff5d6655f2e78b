/** Upload sessions: files in one folder that grow by what clients send, and outlive a restart. */
import { createHash, randomUUID, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { algorithmOf, digestOf, type Algorithm, type Digest } from '../../shared/oci/digest.ts';
import { contentSize, isOwnFolder, openContent, readChunks } from './content-file.ts';
import { makeOwnFolder } from './durable-write.ts';
import { StoreError, isAbsent, systemCode } from './store-error.ts';

const oldestMs = 24 * 60 * 60 * 1000;
const mostHashesKept = 10_000;
const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** the files of sessions, and those of writes on their way (`durable-write.ts`) */
const leftoverPattern =
	/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(?:[0-9a-f]{16}\.upload|tmp)$/;

/** The hash of all that a session holds, so that finishing does not read it again. */
interface Progress {
	readonly hash: Hash;
	sizeBytes: number;
}

export interface AppendOptions {
	/** where the client believes the session to be; 416 where it is elsewhere */
	readonly startBytes?: number | undefined;
	/** how much the client said it would send */
	readonly lengthBytes?: number | undefined;
}

export interface FinishOptions extends AppendOptions {
	readonly digest: Digest;
	/** the last of the content, where the request that finishes has some */
	readonly chunks?: AsyncIterable<Uint8Array> | undefined;
	/** takes the finished file away, under its name in the repository */
	readonly adopt: (file: string) => Promise<void>;
}

export class Uploads {
	readonly #folder: string;
	readonly #progress = new Map<string, Progress>();
	readonly #busy = new Set<string>();

	constructor(folder: string) {
		this.#folder = folder;
	}

	/**
	 * Removes sessions and temporary files that nobody touched for a day, and nothing else.
	 * `now` in milliseconds since 1970.
	 * @throws StoreError `layoutDamaged` where the folder is none of the store's own
	 */
	async removeOld(now: number): Promise<void> {
		await makeOwnFolder(this.#folder);
		for (const name of await readdir(this.#folder)) {
			if (!leftoverPattern.test(name)) continue;
			const path = join(this.#folder, name);
			const found = await lstat(path).catch(() => undefined);
			if (found?.isFile() && now - found.mtimeMs > oldestMs) await rm(path, { force: true });
		}
	}

	/**
	 * Starts a session that only this repository can continue; gives its id.
	 * @throws StoreError `layoutDamaged` where the folder is none of the store's own
	 */
	async start(repository: string): Promise<string> {
		await makeOwnFolder(this.#folder);
		const id = randomUUID();
		const handle = await open(this.#path(repository, id), 'wx', 0o644);
		await handle.close();
		return id;
	}

	/** How many bytes have arrived. @throws StoreError `uploadUnknown` */
	async sizeBytes(repository: string, id: string): Promise<number> {
		const size = await contentSize(this.#path(repository, id));
		if (size === undefined) throw unknownUpload(id);
		return size;
	}

	/**
	 * Appends what arrives, as fast as the disk takes it; gives the size of the session in bytes.
	 * What came before the connection broke stays, to be resumed.
	 * @throws StoreError `uploadUnknown`, `uploadBusy`, `rangeInvalid`, `sizeInvalid`, `uploadCutShort`, `uploadStalled`
	 */
	async append(
		repository: string,
		id: string,
		chunks: AsyncIterable<Uint8Array>,
		options: AppendOptions = {},
	): Promise<number> {
		const path = this.#path(repository, id);
		return await this.#alone(path, () => this.#append(path, id, chunks, options));
	}

	/**
	 * Holds the content against its digest and hands the file over. After a wrong digest the session is gone.
	 * @throws StoreError as `append`, and `digestMismatch`
	 */
	async finish(repository: string, id: string, options: FinishOptions): Promise<void> {
		const path = this.#path(repository, id);
		await this.#alone(path, async () => {
			if (options.chunks) await this.#append(path, id, options.chunks, options);
			else await this.sizeBytes(repository, id);
			const actual = await this.#digest(path, algorithmOf(options.digest));
			if (actual !== options.digest) {
				await this.#forget(path);
				throw new StoreError(
					'digestMismatch',
					`The upload has the digest ${actual}, not ${options.digest}. It was thrown away.`,
					{ details: [options.digest] },
				);
			}
			const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
			await handle.sync().finally(() => handle.close());
			await options.adopt(path);
			this.#progress.delete(path);
		});
	}

	/** @throws StoreError `uploadUnknown`, `uploadBusy` */
	async cancel(repository: string, id: string): Promise<void> {
		const path = this.#path(repository, id);
		await this.sizeBytes(repository, id);
		await this.#alone(path, () => this.#forget(path));
	}

	/** The name holds the repository, so that no other can continue the session, also after a restart. */
	#path(repository: string, id: string): string {
		if (!idPattern.test(id)) throw unknownUpload(id);
		const owner = createHash('sha256').update(repository).digest('hex').slice(0, 16);
		return join(this.#folder, `${id}.${owner}.upload`);
	}

	async #alone<T>(path: string, action: () => Promise<T>): Promise<T> {
		if (this.#busy.has(path)) {
			throw new StoreError('uploadBusy', 'Another request is still sending to this upload.');
		}
		this.#busy.add(path);
		try {
			return await action();
		} finally {
			this.#busy.delete(path);
		}
	}

	async #forget(path: string): Promise<void> {
		this.#progress.delete(path);
		await rm(path, { force: true });
	}

	async #append(
		path: string,
		id: string,
		chunks: AsyncIterable<Uint8Array>,
		{ startBytes, lengthBytes }: AppendOptions,
	): Promise<number> {
		const handle = await openForAppend(path, id);
		try {
			const { size } = await handle.stat();
			if (startBytes !== undefined && startBytes !== size) {
				throw new StoreError(
					'rangeInvalid',
					`The upload has ${size} bytes, and the chunk would start at ${startBytes}.`,
					{ headers: { Range: receivedRange(size) } },
				);
			}
			const progress = this.#takeProgress(path, size);
			const sizeBytes = await receive(handle, size, chunks, progress?.hash);
			if (lengthBytes !== undefined && sizeBytes - size !== lengthBytes) {
				await handle.truncate(size);
				throw new StoreError(
					'sizeInvalid',
					`The chunk has ${sizeBytes - size} bytes, and ${lengthBytes} were announced.`,
				);
			}
			if (progress) this.#keepProgress(path, { hash: progress.hash, sizeBytes });
			return sizeBytes;
		} finally {
			await handle.close();
		}
	}

	/** Taken out while bytes arrive: after a failure the hash and the file no longer agree. */
	#takeProgress(path: string, sizeBytes: number): Progress | undefined {
		const known = this.#progress.get(path);
		this.#progress.delete(path);
		if (sizeBytes === 0) return { hash: createHash('sha256'), sizeBytes };
		return known?.sizeBytes === sizeBytes ? known : undefined;
	}

	#keepProgress(path: string, progress: Progress): void {
		this.#progress.set(path, progress);
		const [oldest] = this.#progress.keys();
		if (this.#progress.size > mostHashesKept && oldest) this.#progress.delete(oldest);
	}

	async #digest(path: string, algorithm: Algorithm): Promise<Digest> {
		const progress = this.#progress.get(path);
		const file = await openContent(path);
		if (!file) throw new StoreError('uploadUnknown', 'The upload is gone.');
		try {
			if (algorithm === 'sha256' && progress?.sizeBytes === file.sizeBytes) {
				return digestOf(algorithm, progress.hash.copy().digest());
			}
			const hash = createHash(algorithm);
			for await (const chunk of readChunks(file)) hash.update(chunk);
			return digestOf(algorithm, hash.digest());
		} finally {
			await file.handle.close();
		}
	}
}

/** The `Range` header of a session that has so many bytes (distribution-spec, "Pushing a blob in chunks"). */
export function receivedRange(sizeBytes: number): string {
	return `0-${Math.max(sizeBytes - 1, 0)}`;
}

function unknownUpload(id: string): StoreError {
	return new StoreError('uploadUnknown', 'There is no such upload in this repository.', {
		details: [id],
	});
}

async function openForAppend(path: string, id: string): Promise<FileHandle> {
	if (!(await isOwnFolder(dirname(path)))) throw unknownUpload(id);
	try {
		return await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
	} catch (error) {
		if (isAbsent(error) || systemCode(error) === 'ELOOP') throw unknownUpload(id);
		throw error;
	}
}

/** One write may take only a part of a chunk. */
async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
	for (let done = 0; done < chunk.length;) {
		const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
		done += bytesWritten;
	}
}

/** Writes from `start` on, and gives the position after the last byte. */
async function receive(
	handle: FileHandle,
	start: number,
	chunks: AsyncIterable<Uint8Array>,
	hash: Hash | undefined,
): Promise<number> {
	let position = start;
	try {
		for await (const chunk of chunks) {
			hash?.update(chunk);
			await writeAll(handle, chunk, position);
			position += chunk.length;
		}
		return position;
	} catch (cause) {
		if (cause instanceof StoreError) throw cause;
		if (systemCode(cause) === 'ENOSPC') {
			throw new StoreError('full', 'There is no space left on the disk.', { cause });
		}
		throw new StoreError('uploadCutShort', 'The upload broke off; it can be continued.', { cause });
	}
}
