/** The `blobs` folder of a layout: one file a digest. */
import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { algorithmOf, encodedOf, type Digest } from '../../shared/oci/digest.ts';
import {
	contentSize,
	isOwnFolder,
	openContent,
	readContent,
	type ContentFile,
} from './content-file.ts';
import { makeOwnFolder, moveDurably, syncFolder, writeDurably } from './durable-write.ts';
import { systemCode } from './store-error.ts';

export class BlobFolder {
	readonly #folder: string;
	readonly #scratch: string;

	constructor(folder: string, scratch: string) {
		this.#folder = folder;
		this.#scratch = scratch;
	}

	/** In bytes; undefined where it is not there. */
	size(digest: Digest): Promise<number | undefined> {
		return contentSize(this.#path(digest));
	}

	/** The caller closes the handle. */
	open(digest: Digest): Promise<ContentFile | undefined> {
		return openContent(this.#path(digest));
	}

	read(digest: Digest, mostBytes: number): Promise<Uint8Array | 'too-large' | undefined> {
		return readContent(this.#path(digest), mostBytes);
	}

	/** Writes a small blob. Leaves a sound file alone, and replaces a damaged one. */
	async write(digest: Digest, bytes: Uint8Array): Promise<void> {
		const path = this.#path(digest);
		const present = await readContent(path, bytes.length);
		if (present instanceof Uint8Array && Buffer.compare(present, bytes) === 0) return;
		await makeOwnFolder(dirname(path));
		await writeDurably(path, bytes, this.#scratch);
	}

	/** Takes a file whose bytes have this digest and are on disk; the file is moved. */
	async adopt(digest: Digest, file: string): Promise<void> {
		await makeOwnFolder(dirname(this.#path(digest)));
		await moveDurably(file, this.#path(digest));
	}

	/** Takes a blob of another folder: a hard link, or a copy where the disk has no links. */
	async link(digest: Digest, source: BlobFolder): Promise<void> {
		const from = source.#path(digest);
		const to = this.#path(digest);
		await makeOwnFolder(dirname(to));
		try {
			await link(from, to);
			await syncFolder(dirname(to));
		} catch (error) {
			if (systemCode(error) !== 'EEXIST') await this.#copy(from, to);
		}
	}

	/** What `open` would not find stays: it is not this folder's. */
	async remove(digest: Digest): Promise<void> {
		const path = this.#path(digest);
		if (await isOwnFolder(dirname(path))) await rm(path, { force: true });
	}

	/** The digest is checked by its type: nothing else can become part of a path. */
	#path(digest: Digest): string {
		return join(this.#folder, algorithmOf(digest), encodedOf(digest));
	}

	async #copy(from: string, to: string): Promise<void> {
		const temporary = join(this.#scratch, `${randomUUID()}.tmp`);
		try {
			await copyFile(from, temporary, constants.COPYFILE_FICLONE);
			const handle = await open(temporary, 'r+');
			await handle.sync().finally(() => handle.close());
			await moveDurably(temporary, to);
		} finally {
			await rm(temporary, { force: true });
		}
	}
}
