/** What the browser keeps: documents by digest for ever, when each was last seen where, and runs of plans. */
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Digest } from '../../shared/oci/digest.ts';
import { capabilityFactSchema, type CapabilityFact } from '../../shared/registry/capabilities.ts';
import { namedMirrorsSchema, type NamedMirrors } from '../../shared/registry/mirror-rules.ts';

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

/** A plan whose run was begun here, and is not known to have come to its end. */
export interface KeptRun {
	/** the plan's id */
	readonly id: Digest;
	/** what it publishes, for people */
	readonly title: string;
	/** the plan as a file */
	readonly text: string;
	/** in milliseconds since 1970 */
	readonly startedAt: number;
}

export interface KeptReceipt {
	/** the plan's id */
	readonly plan: Digest;
	readonly title: string;
	/** the receipt as a file */
	readonly text: string;
	/** in milliseconds since 1970 */
	readonly finishedAt: number;
}

/** What was seen of a registry while writing to it. */
export interface KeptFact {
	/** what it is about: a newer one takes its place */
	readonly key: string;
	readonly fact: CapabilityFact;
}

/** A registry that the user named, or let a link read from. */
export interface KeptRegistry {
	/** as references write it */
	readonly registry: string;
}

interface Schema extends DBSchema {
	documents: { key: string; value: KeptDocument; indexes: { usedAt: number } };
	sightings: { key: string; value: Sighting };
	runs: { key: string; value: KeptRun };
	receipts: { key: number; value: KeptReceipt };
	mirrors: { key: string; value: NamedMirrors };
	facts: { key: string; value: KeptFact };
	registries: { key: string; value: KeptRegistry };
}

const name = 'espalier';
const version = 5;
const relaxed = { durability: 'relaxed' } as const;
const dayMs = 24 * 60 * 60 * 1000;

/** Every version adds to the one before it; what is kept stays. */
function upgrade(database: IDBPDatabase<Schema>, from: number): void {
	if (from < 1) {
		database.createObjectStore('documents', { keyPath: 'digest' }).createIndex('usedAt', 'usedAt');
		database.createObjectStore('sightings', { keyPath: 'reference' });
	}
	if (from < 2) {
		database.createObjectStore('runs', { keyPath: 'id' });
		database.createObjectStore('receipts', { keyPath: 'finishedAt' });
	}
	if (from < 3) database.createObjectStore('mirrors', { keyPath: 'name' });
	if (from < 4) database.createObjectStore('facts', { keyPath: 'key' });
	if (from < 5) database.createObjectStore('registries', { keyPath: 'registry' });
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
		this.#opened ??= this.#connect().catch(() => undefined);
		return this.#opened;
	}

	// Where site data is blocked, opening throws before there is a promise: async makes it one.
	async #connect(): Promise<IDBPDatabase<Schema> | undefined> {
		const forget = () => (this.#opened = undefined);
		return new Promise((resolve, reject) => {
			openDB<Schema>(name, version, {
				upgrade,
				// A page of an older version has it open: until that is closed, nothing is kept.
				blocked: () => resolve(undefined),
				blocking(_from, _to, { target }) {
					// A newer page, or one that forgets everything, waits for this one to let go.
					(target as IDBDatabase).close();
					forget();
				},
				terminated: forget,
			}).then((database) => {
				this.#opened = Promise.resolve(database);
				resolve(database);
			}, reject);
		});
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

	async keepRun(run: KeptRun): Promise<void> {
		const database = await this.#open();
		await database?.put('runs', run).catch(() => undefined);
	}

	async forgetRun(id: Digest): Promise<void> {
		const database = await this.#open();
		await database?.delete('runs', id).catch(() => undefined);
	}

	/** Newest first. */
	async runs(): Promise<readonly KeptRun[]> {
		const database = await this.#open();
		const all = (await database?.getAll('runs').catch(() => undefined)) ?? [];
		return all.toSorted((a, b) => b.startedAt - a.startedAt);
	}

	/** Keeps a receipt, and of all of them the newest `most`. */
	async keepReceipt(receipt: KeptReceipt, most: number): Promise<void> {
		const database = await this.#open();
		if (!database) return;
		try {
			await database.put('receipts', receipt);
			const times = await database.getAllKeys('receipts');
			for (const old of times.slice(0, -most)) await database.delete('receipts', old);
		} catch {
			// It can still be downloaded.
		}
	}

	/** Newest first. */
	async receipts(): Promise<readonly KeptReceipt[]> {
		const database = await this.#open();
		const all = (await database?.getAll('receipts').catch(() => undefined)) ?? [];
		return all.toReversed();
	}

	async keepMirrors(mirrors: NamedMirrors): Promise<void> {
		const database = await this.#open();
		await database?.put('mirrors', mirrors).catch(() => undefined);
	}

	/** Those of another version of the page are left out where it would not read them so. */
	async mirrors(): Promise<readonly NamedMirrors[]> {
		const database = await this.#open();
		const all = (await database?.getAll('mirrors').catch(() => undefined)) ?? [];
		return all.flatMap((kept) => namedMirrorsSchema.safeParse(kept).data ?? []);
	}

	async keepFacts(facts: readonly KeptFact[]): Promise<void> {
		const database = await this.#open();
		for (const fact of facts) await database?.put('facts', fact).catch(() => undefined);
	}

	/** Those that this version of the page does not understand are left out. */
	async facts(): Promise<readonly CapabilityFact[]> {
		const database = await this.#open();
		const all = (await database?.getAll('facts').catch(() => undefined)) ?? [];
		return all.flatMap(({ fact }) => capabilityFactSchema.safeParse(fact).data ?? []);
	}

	async keepRegistries(registries: readonly string[]): Promise<void> {
		const database = await this.#open();
		if (!database) return;
		const kept = registries.map((registry) => database.put('registries', { registry }));
		await Promise.all(kept).catch(() => undefined);
	}

	async registries(): Promise<readonly string[]> {
		const database = await this.#open();
		const all = (await database?.getAll('registries').catch(() => undefined)) ?? [];
		return all.map(({ registry }) => registry);
	}

	/** Forgets everything. */
	async clear(): Promise<void> {
		const database = await this.#open();
		database?.close();
		this.#opened = undefined;
		if (database) await deleteDB(name);
	}
}
