/** What the browser keeps of registries: documents by digest for ever, and when each was last seen where. */
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Digest } from '../../shared/oci/digest.ts';

export interface KeptDocument {
	readonly digest: Digest;
	readonly mediaType: string;
	readonly bytes: Uint8Array;
	/** in milliseconds since 1970; refreshed once a day at most */
	readonly usedAt: number;
}

/** A document was in a repository at a time. */
export interface Sighting {
	/** `registry/repository@digest` */
	readonly reference: string;
	readonly checkedAt: number;
}

interface Schema extends DBSchema {
	documents: { key: string; value: KeptDocument; indexes: { usedAt: number } };
	sightings: { key: string; value: Sighting };
}

const name = 'espalier';
const version = 1;
const relaxed = { durability: 'relaxed' } as const;
const dayMs = 24 * 60 * 60 * 1000;

// Where site data is blocked, opening throws before there is a promise: async makes it one.
async function openDatabase(): Promise<IDBPDatabase<Schema>> {
	return openDB<Schema>(name, version, {
		upgrade(database) {
			database
				.createObjectStore('documents', { keyPath: 'digest' })
				.createIndex('usedAt', 'usedAt');
			database.createObjectStore('sightings', { keyPath: 'reference' });
		},
	});
}

function isQuotaExceeded(error: unknown): boolean {
	return error instanceof DOMException && error.name === 'QuotaExceededError';
}

/**
 * Every method works without a database too (private windows, full disks, an older page holding it open):
 * nothing is found, nothing is kept.
 */
export class Database {
	#opened: Promise<IDBPDatabase<Schema> | undefined> | undefined;

	#open(): Promise<IDBPDatabase<Schema> | undefined> {
		this.#opened ??= openDatabase().catch(() => undefined);
		return this.#opened;
	}

	/** What is kept of these references, in their order: a document only where it was seen in that very repository. */
	async find(
		wanted: readonly { readonly reference: string; readonly digest: Digest }[],
	): Promise<
		readonly ({ readonly document: KeptDocument; readonly checkedAt: number } | undefined)[]
	> {
		const database = await this.#open();
		if (!database) return wanted.map(() => undefined);
		const transaction = database.transaction(['documents', 'sightings']);
		const documents = transaction.objectStore('documents');
		const sightings = transaction.objectStore('sightings');
		return Promise.all(
			wanted.map(async ({ reference, digest }) => {
				const sighting = await sightings.get(reference);
				const document = sighting && (await documents.get(digest));
				return document && { document, checkedAt: sighting.checkedAt };
			}),
		);
	}

	/** Keeps documents; where space is short, those unused for longest go first. */
	async keep(documents: readonly KeptDocument[], sightings: readonly Sighting[]): Promise<void> {
		const database = await this.#open();
		if (!database) return;
		const write = async () => {
			const transaction = database.transaction(['documents', 'sightings'], 'readwrite', relaxed);
			for (const document of documents) void transaction.objectStore('documents').put(document);
			for (const sighting of sightings) void transaction.objectStore('sightings').put(sighting);
			await transaction.done;
		};
		try {
			await write();
		} catch (error) {
			if (!isQuotaExceeded(error)) return;
			await this.#dropOldest(database, documents.length + 500);
			await write().catch(() => undefined);
		}
	}

	/** Marks documents as used, so that they stay when others go. */
	async touch(documents: readonly KeptDocument[], now: number): Promise<void> {
		const stale = documents.filter(({ usedAt }) => now - usedAt > dayMs);
		if (stale.length > 0) {
			await this.keep(
				stale.map((document) => ({ ...document, usedAt: now })),
				[],
			);
		}
	}

	async #dropOldest(database: IDBPDatabase<Schema>, count: number): Promise<void> {
		const transaction = database.transaction('documents', 'readwrite', relaxed);
		let cursor = await transaction.store.index('usedAt').openCursor();
		for (let dropped = 0; cursor && dropped < count; dropped += 1) {
			await cursor.delete();
			cursor = await cursor.continue();
		}
		await transaction.done;
	}

	async count(): Promise<number> {
		const database = await this.#open();
		return (await database?.count('documents')) ?? 0;
	}

	/** Forgets everything. */
	async clear(): Promise<void> {
		const database = await this.#open();
		database?.close();
		this.#opened = undefined;
		if (database) await deleteDB(name);
	}
}
