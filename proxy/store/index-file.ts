/** One `index.json`: read whenever asked, rewritten under the lock, many edits in one write. */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../../shared/oci/digest.ts';
import { readContent } from './content-file.ts';
import { writeDurably } from './durable-write.ts';
import { emptyLayoutIndex, layoutIndexSchema, type LayoutIndex } from './layout-index.ts';
import { withLock, type LockOptions } from './lock.ts';
import { StoreError } from './store-error.ts';

const mostIndexBytes = 64 * 1024 * 1024;

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
	readonly index: LayoutIndex;
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
		const bytes = await readContent(this.#path, mostIndexBytes);
		if (bytes === undefined) return undefined;
		const text = bytes === 'too-large' ? '' : new TextDecoder().decode(bytes);
		if (this.#loaded?.text !== text) this.#loaded = { text, index: this.#parse(text) };
		return this.#loaded.index;
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

	#parse(text: string): LayoutIndex {
		try {
			return layoutIndexSchema.parse(JSON.parse(text));
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
