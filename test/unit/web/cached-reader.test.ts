import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest, type DigestReference } from '../../../shared/oci/reference.ts';
import { limits } from '../../../shared/registry/limits.ts';
import type { CallOptions, DocumentRequest } from '../../../shared/registry/registries.ts';
import { CachedReader } from '../../../web/cache/cached-reader.ts';
import { Database, type KeptDocument } from '../../../web/cache/database.ts';
import { contentOf } from '../../support/release-maker.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';

const here = { registry: 'quay.io', repository: 'a/b' };
const elsewhere = { registry: 'quay.io', repository: 'a/mirror' };
const manifest = contentOf(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] });
const dayMs = 24 * 60 * 60 * 1000;

let database: Database;
let registries: FakeRegistries;
let now: number;
let keeps: boolean;
let writing: Promise<unknown>[];
let reader: CachedReader;

beforeEach(() => {
	database = new Database();
	registries = new FakeRegistries();
	now = 5_000_000;
	keeps = true;
	writing = [];
	const keep = database.keep.bind(database);
	vi.spyOn(database, 'keep').mockImplementation((...given) => {
		const written = keep(...given);
		writing.push(written);
		return written;
	});
	reader = new CachedReader(registries, {
		database,
		now: () => now,
		keeps: () => keeps,
		later: (work) => work(),
	});
});
afterEach(async () => {
	await Promise.all(writing);
	await database.clear();
});

/** The statuses of all results, once the cache has written what it wants to. */
async function read(
	requests: readonly DocumentRequest[],
	options?: CallOptions,
): Promise<readonly { ok: boolean; checkedAt?: number }[]> {
	const results = [];
	for await (const result of reader.readManifests(requests, options)) results.push(result);
	await Promise.all(writing);
	return results;
}

async function blobText(reference: DigestReference): Promise<string> {
	const parts: Uint8Array[] = [];
	for await (const chunk of (await reader.readBlob({ reference })).chunks) parts.push(chunk);
	await Promise.all(writing);
	return Buffer.concat(parts).toString();
}

describe('the page’s memory', () => {
	it('asks the registry once for a document by digest, and says when it was last seen there', async () => {
		const reference = registries.putManifest(here, manifest);
		const [first] = await read([{ reference }]);
		now += 1000;
		registries.now += 500;
		const [second] = await read([{ reference }]);
		expect(registries.asked).toHaveLength(1);
		expect(second).toMatchObject(first!);
		expect(second).toMatchObject({ ok: true, checkedAt: 1_000_000 });
	});

	it('keeps what was read by tag under its digest, and asks for the tag every time', async () => {
		const reference = registries.putManifest(here, manifest, 'v1');
		const byTag = { reference: { ...here, tag: 'v1' } };
		await read([byTag]);
		await read([byTag]);
		expect(registries.asked).toEqual(['quay.io/a/b:v1', 'quay.io/a/b:v1']);
		await read([{ reference: { ...reference, tag: 'v1' } }]);
		expect(registries.asked).toHaveLength(2);
	});

	it('knows a document only in the repository where it was seen', async () => {
		await read([{ reference: registries.putManifest(here, manifest) }]);
		const [result] = await read([{ reference: byDigest(elsewhere, manifest.digest) }]);
		expect(result).toMatchObject({ ok: false, problem: { code: 'repository-unknown' } });
	});

	it('asks all the same when it is told to, and notes the new time', async () => {
		const reference = registries.putManifest(here, manifest);
		await read([{ reference }]);
		registries.now += 7;
		await read([{ reference }], { fresh: true });
		expect(registries.asked).toHaveLength(2);
		expect(await read([{ reference }])).toMatchObject([{ checkedAt: 1_000_007 }]);
	});

	it('asks for who is about to write, whatever it keeps', async () => {
		const reference = registries.putManifest(here, manifest);
		await read([{ reference }]);
		expect(await read([{ reference, forWriting: true }])).toMatchObject([{ ok: true }]);
		expect(registries.asked).toHaveLength(2);
		registries.remove(reference);
		expect(await read([{ reference, forWriting: true }])).toMatchObject([{ ok: false }]);
	});

	it('does not keep failures', async () => {
		const reference = byDigest(here, manifest.digest);
		expect(await read([{ reference }])).toMatchObject([{ ok: false }]);
		registries.putManifest(here, manifest);
		expect(await read([{ reference }])).toMatchObject([{ ok: true }]);
	});

	it('neither keeps nor finds anything while the user does not want it', async () => {
		const reference = registries.putManifest(here, manifest);
		keeps = false;
		await read([{ reference }]);
		expect(await database.count()).toBe(0);
		keeps = true;
		await read([{ reference }]);
		keeps = false;
		await read([{ reference }]);
		expect(registries.asked).toHaveLength(3);
	});

	it('does not write what it is told to forget before it has written it', async () => {
		const later: (() => void)[] = [];
		const patient = new CachedReader(registries, {
			database,
			now: () => now,
			keeps: () => keeps,
			later: (work) => void later.push(work),
		});
		const reference = registries.putManifest(here, manifest);
		for await (const _ of patient.readManifests([{ reference }]));
		keeps = false;
		for (const work of later) work();
		await Promise.all(writing);
		expect(await database.count()).toBe(0);
	});

	it('keeps blobs of moderate size, once they arrived whole', async () => {
		const reference = registries.putBlob(here, new TextEncoder().encode('a payload layer'));
		expect(await blobText(reference)).toBe('a payload layer');
		expect(await blobText(reference)).toBe('a payload layer');
		expect(registries.asked).toHaveLength(1);
	});

	it('keeps no blob that was damaged or left in the middle', async () => {
		const damaged = registries.putBlob(here, new TextEncoder().encode('will be damaged'));
		registries.corrupt(damaged, new Uint8Array(15));
		await expect(blobText(damaged)).rejects.toThrow(/digest-mismatch/);
		const left = registries.putBlob(here, new TextEncoder().encode('read to the middle'));
		for await (const _ of (await reader.readBlob({ reference: left })).chunks) break;
		await Promise.all(writing);
		expect(await database.count()).toBe(0);
	});

	it('passes large blobs on without keeping them', async () => {
		const reference = registries.putBlob(here, new Uint8Array(limits.documentBytes + 1));
		await blobText(reference);
		expect(await database.count()).toBe(0);
	});

	it('works where there is no database', async () => {
		vi.stubGlobal('indexedDB', {
			open: () => {
				throw new DOMException('not here', 'SecurityError');
			},
		});
		try {
			const reference = registries.putManifest(here, manifest);
			expect(await read([{ reference }])).toMatchObject([{ ok: true }]);
			expect(await database.count()).toBe(0);
			await database.clear();
		} finally {
			vi.unstubAllGlobals();
		}
	});
});

describe('the database', () => {
	function kept(number: number, usedAt: number): KeptDocument {
		const bytes = new TextEncoder().encode(`document ${number}`);
		return { digest: hashOf('sha256', bytes), mediaType: 'text/plain', bytes, usedAt };
	}
	const name = ({ digest }: KeptDocument) => `quay.io/a/b@${digest}`;
	const sighting = (document: KeptDocument) => ({ reference: name(document), checkedAt: 1 });
	const find = async (documents: readonly KeptDocument[]) =>
		(
			await database.find(documents.map((document) => ({ ...document, reference: name(document) })))
		).map((found) => found !== undefined);

	it('drops what was not used for longest when space is short, and keeps the new', async () => {
		const old = Array.from({ length: 600 }, (_, at) => kept(at, 1000 - at));
		await database.keep(old, old.map(sighting));
		const added = kept(1000, 5000);
		const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementationOnce(() => {
			throw new DOMException('full', 'QuotaExceededError');
		});
		await database.keep([added], [sighting(added)]);
		put.mockRestore();
		expect(await database.count()).toBe(100);
		expect(await find([added, old[0]!, old[98]!, old[99]!, old[599]!])).toEqual([
			true,
			true,
			true,
			false,
			false,
		]);
	});

	it('keeps what is used from being dropped, with one write a day', async () => {
		const document = kept(1, now);
		await database.keep([document], [sighting(document)]);
		await database.touch([document], now + dayMs);
		await database.touch([document], now + dayMs + 1);
		const opened = await openDB('espalier');
		expect(await opened.get('documents', document.digest)).toMatchObject({
			usedAt: now + dayMs + 1,
		});
		opened.close();
		expect(writing).toHaveLength(2);
	});

	it('forgets everything, and works on', async () => {
		const document = kept(1, now);
		await database.keep([document], [sighting(document)]);
		await database.clear();
		expect(await find([document])).toEqual([false]);
		await database.keep([document], [sighting(document)]);
		expect(await find([document])).toEqual([true]);
	});
});
