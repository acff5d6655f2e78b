/** One `index.json`: read whenever asked, rewritten under the lock, many edits in one write. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../shared/oci/digest.ts';
import { openContent, readAll, type ContentFile } from './content-file.ts';
import { writeDurably } from './durable-write.ts';
import {
	emptyLayoutIndex,
	layoutEntriesSchema,
	layoutIndexSchema,
	type LayoutEntry,
	type LayoutIndex,
} from './layout-index.ts';
import { withLock, type LockOptions } from './lock.ts';
import { StoreError } from './store-error.ts';

const mostIndexBytes = 64 * 1024 * 1024;
/** Ten thousand tags at once would hold up every other request. */
const entriesPerTurn = 500;
/** File times are coarse: what was changed a moment ago may change once more without another time. */
const settledAfterMs = 100;

/** Gives the index as it should be; throwing refuses this edit alone. */
export type IndexEdit = (index: LayoutIndex) => LayoutIndex | Promise<LayoutIndex>;

interface WaitingEdit {
	readonly edit: IndexEdit;
	readonly removing: Digest | undefined;
	readonly resolve: () => void;
	readonly reject: (reason: unknown) => void;
}

interface LoadedIndex {
	readonly text: string;
	readonly index: Promise<LayoutIndex>;
	/** what the file had then, where it says that nothing was changed since */
	readonly stamp: string | undefined;
}

export interface IndexFileOptions {
	/** where temporary files go: the same file system */
	readonly scratch: string;
	readonly lock?: LockOptions | undefined;
	/** Run once on the outcome of all edits of a write. */
	readonly settle: (index: LayoutIndex, removing: Digest | undefined) => Promise<LayoutIndex>;
	/** Run under the lock, after an edit with `removing` was written. */
	readonly remove: (digest: Digest) => Promise<void>;
}

export class IndexFile {
	readonly #path: string;
	readonly #lockPath: string;
	readonly #options: IndexFileOptions;
	#waiting: WaitingEdit[] = [];
	#isDraining = false;
	#loaded: LoadedIndex | undefined;

	constructor(folder: string, options: IndexFileOptions) {
		this.#path = join(folder, 'index.json');
		this.#lockPath = join(folder, '.lock');
		this.#options = options;
	}

	/**
	 * As it is on disk now, or undefined where there is none.
	 * @throws StoreError `layoutDamaged`
	 */
	async read(): Promise<LayoutIndex | undefined> {
		const file = await openContent(this.#path);
		if (!file) return undefined;
		try {
			return await this.#load(file);
		} finally {
			await file.handle.close();
		}
	}

	/**
	 * Applies an edit and waits until it is on disk. Edits that wait at the same time are written together,
	 * in their order; one that removes a file is written on its own.
	 */
	edit(edit: IndexEdit, removing?: Digest): Promise<void> {
		return new Promise((resolve, reject) => {
			this.#waiting.push({ edit, removing, resolve, reject });
			if (!this.#isDraining) void this.#drain();
		});
	}

	async #load(file: ContentFile): Promise<LayoutIndex> {
		const stamp = await stampOf(file);
		if (stamp !== undefined && stamp === this.#loaded?.stamp) return await this.#loaded.index;
		const bytes = file.sizeBytes > mostIndexBytes ? undefined : await readAll(file);
		const text = bytes ? new TextDecoder().decode(bytes) : '';
		const index = this.#loaded?.text === text ? this.#loaded.index : this.#parse(text);
		this.#loaded = { text, index, stamp };
		return await index;
	}

	async #parse(text: string): Promise<LayoutIndex> {
		try {
			const { manifests, ...rest } = layoutIndexSchema.parse(JSON.parse(text));
			const entries: LayoutEntry[] = [];
			for (let start = 0; start < manifests.length; start += entriesPerTurn) {
				if (start > 0 || manifests.length > entriesPerTurn) await nextTurn();
				const some = manifests.slice(start, start + entriesPerTurn);
				entries.push(...layoutEntriesSchema.parse(some));
			}
			return { ...rest, manifests: entries };
		} catch (cause) {
			throw new StoreError(
				'layoutDamaged',
				`${this.#path} is not the index of an OCI image layout; nothing is written to it.`,
				{ cause },
			);
		}
	}

	async #drain(): Promise<void> {
		this.#isDraining = true;
		// Edits that were asked for in the same turn go into the first write.
		await nextTurn();
		while (this.#waiting.length > 0) {
			const batch = this.#nextBatch();
			try {
				for (const { resolve } of await this.#commit(batch)) resolve();
			} catch (error) {
				for (const { reject } of batch) reject(error);
			}
		}
		this.#isDraining = false;
	}

	#nextBatch(): WaitingEdit[] {
		const firstRemoval = this.#waiting.findIndex(({ removing }) => removing !== undefined);
		if (firstRemoval < 0) return this.#waiting.splice(0);
		return this.#waiting.splice(0, Math.max(firstRemoval, 1));
	}

	/** Gives the edits that were written; those that threw are rejected already. */
	async #commit(batch: readonly WaitingEdit[]): Promise<readonly WaitingEdit[]> {
		const removing = batch[0]?.removing;
		return await withLock(
			this.#lockPath,
			async (lock) => {
				const before = await this.read();
				const { index, accepted } = await applyAll(batch, before ?? emptyLayoutIndex());
				if (accepted.length === 0) return accepted;
				const after = await this.#options.settle(index, removing);
				if (after !== before) {
					const bytes = new TextEncoder().encode(`${JSON.stringify(after)}\n`);
					await writeDurably(this.#path, bytes, this.#options.scratch, lock.confirm);
				}
				if (removing !== undefined) await this.#options.remove(removing);
				return accepted;
			},
			this.#options.lock,
		);
	}
}

/** Writing it replaces the file, and other tools may write into it: one of these numbers is another then. */
async function stampOf({ handle }: ContentFile): Promise<string | undefined> {
	const { ino, size, mtimeNs, ctimeNs, ctimeMs } = await handle.stat({ bigint: true });
	if (Date.now() - Number(ctimeMs) < settledAfterMs) return undefined;
	return [ino, size, mtimeNs, ctimeNs].join(' ');
}

async function applyAll(batch: readonly WaitingEdit[], start: LayoutIndex) {
	const accepted: WaitingEdit[] = [];
	let index = start;
	for (const waiting of batch) {
		try {
			index = await waiting.edit(index);
			accepted.push(waiting);
		} catch (error) {
			waiting.reject(error);
		}
	}
	return { index, accepted };
}
