/** The embedded registry on disk: a folder of repositories, each of them one OCI image layout. */
import { readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isRepositoryName } from '../../shared/oci/reference.ts';
import type { Digest } from '../../shared/oci/digest.ts';
import { makeFolder } from './durable-write.ts';
import { Layout } from './layout.ts';
import type { LockOptions } from './lock.ts';
import { checkRepositoryName, isReservedComponent } from './repository-name.ts';
import { isAbsent } from './store-error.ts';
import { Uploads } from './uploads.ts';

const mostLayoutsKept = 5_000;

export interface StoreOptions {
	readonly lock?: LockOptions;
}

export class Store {
	/** absolute, without symbolic links */
	readonly root: string;
	readonly uploads: Uploads;
	readonly #scratch: string;
	readonly #options: StoreOptions;
	readonly #layouts = new Map<string, Layout>();

	private constructor(root: string, options: StoreOptions) {
		this.root = root;
		this.#options = options;
		this.#scratch = join(root, '.uploads');
		this.uploads = new Uploads(this.#scratch);
	}

	/**
	 * Opens the store in a folder; removes uploads older than a day. Where the folder is missing, it is
	 * made for this user alone.
	 * @throws StoreError `layoutDamaged` where the folder of uploads is none of the store's own
	 */
	static async open(root: string, options: StoreOptions = {}): Promise<Store> {
		await makeFolder(resolve(root), 0o700);
		const store = new Store(await realpath(root), options);
		await store.uploads.removeOld(Date.now());
		return store;
	}

	/** A repository, whether or not it is there yet: writing makes it. @throws StoreError `nameInvalid` */
	repository(name: string): Layout {
		checkRepositoryName(name);
		const known = this.#layouts.get(name);
		if (known) return known;
		const layout = new Layout({
			folder: join(this.root, ...name.split('/')),
			name,
			scratch: this.#scratch,
			lock: this.#options.lock,
		});
		this.#layouts.set(name, layout);
		// A layout that is dropped while it writes does no harm: the lock is between instances too.
		const [oldest] = this.#layouts.keys();
		if (this.#layouts.size > mostLayoutsKept && oldest) this.#layouts.delete(oldest);
		return layout;
	}

	/** The names of all repositories, in lexical order. */
	async repositories(): Promise<string[]> {
		const names: string[] = [];
		const open = [''];
		for (let prefix = open.pop(); prefix !== undefined; prefix = open.pop()) {
			const folder = join(this.root, prefix);
			const found = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
				if (isAbsent(error)) return [];
				throw error;
			});
			const isLayout = found.some((entry) => entry.name === 'index.json' && entry.isFile());
			if (prefix !== '' && isLayout) names.push(prefix);
			for (const entry of found) {
				const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
				const isName = isRepositoryName(name) && !isReservedComponent(entry.name);
				if (entry.isDirectory() && isName) open.push(name);
			}
		}
		return names.sort();
	}

	/**
	 * Keeps a blob whose bytes are here already or on their way.
	 * @throws StoreError `nameInvalid`, `digestMismatch`, `uploadCutShort`
	 */
	async putBlob(name: string, digest: Digest, chunks: AsyncIterable<Uint8Array>): Promise<void> {
		const layout = this.repository(name);
		const id = await this.uploads.start(name);
		try {
			await this.uploads.finish(name, id, {
				digest,
				chunks,
				adopt: (file) => layout.adoptBlob(digest, file),
			});
		} catch (error) {
			await this.uploads.cancel(name, id).catch(() => undefined);
			throw error;
		}
	}

	/** Takes a blob over from another repository; false where that has none or is no repository. */
	async mountBlob(name: string, digest: Digest, from: string): Promise<boolean> {
		if (!isRepositoryName(from) || from.split('/').some(isReservedComponent)) return false;
		const source = this.repository(from);
		if ((await source.blobSize(digest)) === undefined) return false;
		await this.repository(name).mountBlob(digest, source);
		return true;
	}
}
