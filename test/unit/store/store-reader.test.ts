import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StoreReader } from '../../../proxy/store/store-reader.ts';
import { encodedOf, type Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import type { DocumentResult } from '../../../shared/registry/registries.ts';
import { inPieces, putImage, temporaryStore } from './fixture.ts';
import { bytesOf, descriptor, digestFor, image, indexOf } from './images.ts';

const amd64 = image('amd64');
const both = indexOf([amd64, image('arm64')]);
const absent = digestFor(bytesOf('absent'));
const now = 1_700_000_000_000;

async function filled() {
	const store = await temporaryStore();
	await putImage(store, 'demo', amd64);
	await store.repository('demo').putManifest(both.bytes, { tag: 'latest', checkReferences: false });
	return { store, reader: new StoreReader(store, () => now) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const collected: T[] = [];
	for await (const item of items) collected.push(item);
	return collected;
}

const at = (digest: Digest, repository = 'demo', registry = 'store') => ({
	reference: { registry, repository, digest },
});

function outcome(result: DocumentResult): string {
	return result.ok ? result.document.mediaType : result.problem.code;
}

async function damage(root: string, digest: Digest) {
	await writeFile(join(root, 'demo', 'blobs', 'sha256', encodedOf(digest)), 'damaged');
}

async function codeOf(action: Promise<unknown>): Promise<string> {
	return await action.then(
		() => 'none',
		(error: unknown) => problemOf(error).code,
	);
}

describe('readManifests', () => {
	it('answers every request with its document or its own problem', async () => {
		const { store, reader } = await filled();
		const other = indexOf([], { extra: { annotations: { damaged: 'yes' } } });
		await store.repository('demo').putManifest(other.bytes);
		await damage(store.root, other.digest);
		const requests = [
			{ reference: { registry: 'store', repository: 'demo', tag: 'latest' } },
			{ reference: { registry: 'store', repository: 'demo' } },
			at(amd64.manifest.digest),
			at(absent),
			at(amd64.config.digest),
			{ reference: { registry: 'store', repository: 'demo', tag: 'absent' } },
			at(both.digest, 'nothing'),
			at(both.digest, 'a/../b'),
			at(both.digest, 'demo', 'quay.io'),
			at(other.digest),
		];
		const results = await all(reader.readManifests(requests));
		const byRequest = new Map(results.map((result) => [result.request, result]));
		expect(requests.map((request) => outcome(byRequest.get(request)!))).toEqual([
			mediaTypes.ociIndex,
			mediaTypes.ociIndex,
			mediaTypes.ociManifest,
			'manifest-unknown',
			'manifest-unknown',
			'manifest-unknown',
			'repository-unknown',
			'reference-invalid',
			'request-invalid',
			'digest-mismatch',
		]);
		expect(byRequest.get(requests[2]!)).toMatchObject({
			document: { bytes: amd64.manifest.bytes, digest: amd64.manifest.digest },
			checkedAt: now,
		});
	});

	it('reads more than it reads at once', async () => {
		const { reader } = await filled();
		const requests = Array.from({ length: 100 }, () => at(both.digest));
		expect(await all(reader.readManifests(requests))).toHaveLength(100);
	});

	it('stops when it is told to', async () => {
		const { reader } = await filled();
		const stop = new AbortController();
		const requests = Array.from({ length: 100 }, () => at(both.digest));
		const results = reader.readManifests(requests, { signal: stop.signal })[Symbol.asyncIterator]();
		expect((await results.next()).done).toBe(false);
		stop.abort();
		await expect(results.next()).rejects.toThrow(/abort/i);
	});
});

describe('readConfigs', () => {
	it('answers every request with its document or its own problem', async () => {
		const { store, reader } = await filled();
		const huge = new Uint8Array(9 * 1024 * 1024);
		await store.putBlob('demo', digestFor(huge), inPieces(huge, 1024 * 1024));
		const requests = [
			at(amd64.config.digest),
			at(absent),
			at(amd64.config.digest, 'nothing'),
			at(digestFor(huge)),
		];
		const results = await all(reader.readConfigs(requests));
		const codes = new Map(results.map((result) => [result.request, outcome(result)]));
		expect(requests.map((request) => codes.get(request))).toEqual([
			mediaTypes.octetStream,
			'blob-unknown',
			'repository-unknown',
			'too-large',
		]);
		await damage(store.root, amd64.config.digest);
		const [damaged] = await all(reader.readConfigs([at(amd64.config.digest)]));
		expect(outcome(damaged!)).toBe('digest-mismatch');
	});
});

describe('exists', () => {
	it('tells manifests from blobs', async () => {
		const { reader } = await filled();
		const requests = [
			{ ...at(amd64.manifest.digest), kind: 'manifest' as const },
			{ ...at(amd64.layer.digest), kind: 'blob' as const },
			{ ...at(amd64.layer.digest), kind: 'manifest' as const },
			{ ...at(absent), kind: 'manifest' as const },
			{ ...at(absent), kind: 'blob' as const },
			{ ...at(amd64.layer.digest, 'nothing'), kind: 'blob' as const },
		];
		const results = await all(reader.exists(requests));
		const found = new Map(results.map((result) => [result.request, result.ok && result.present]));
		expect(requests.map((request) => found.get(request))).toEqual([
			true,
			true,
			false,
			false,
			false,
			false,
		]);
	});

	it('gives a problem, not an answer, for what is damaged or no name', async () => {
		const { store, reader } = await filled();
		await damage(store.root, amd64.manifest.digest);
		const results = await all(
			reader.exists([
				{ ...at(amd64.manifest.digest), kind: 'manifest' },
				{ ...at(absent, 'blobs'), kind: 'blob' },
			]),
		);
		expect(results.map((result) => (result.ok ? 'ok' : result.problem.code)).sort()).toEqual([
			'digest-mismatch',
			'reference-invalid',
		]);
	});
});

describe('readBlob', () => {
	it('streams a blob in pieces', async () => {
		const { store, reader } = await filled();
		const bytes = new Uint8Array(1_000_000).map((_, index) => index % 251);
		await store.putBlob('demo', digestFor(bytes), inPieces(bytes, 65_536));
		const { sizeBytes, chunks } = await reader.readBlob(at(digestFor(bytes)));
		const pieces = await all(chunks);
		expect(sizeBytes).toBe(bytes.length);
		expect(pieces.length).toBeGreaterThan(2);
		expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0);
	});

	it('never gives the last piece of a damaged blob', async () => {
		const { store, reader } = await filled();
		await damage(store.root, amd64.layer.digest);
		const { chunks } = await reader.readBlob(at(amd64.layer.digest));
		const pieces: Uint8Array[] = [];
		const reading = (async () => {
			for await (const piece of chunks) pieces.push(piece);
		})();
		expect(await codeOf(reading)).toBe('digest-mismatch');
		expect(pieces).toEqual([]);
	});

	it('says what is not there', async () => {
		const { reader } = await filled();
		expect(await codeOf(reader.readBlob(at(absent)))).toBe('blob-unknown');
		expect(await codeOf(reader.readBlob(at(absent, 'nothing')))).toBe('repository-unknown');
		const aborted = { signal: AbortSignal.abort() };
		expect(await codeOf(reader.readBlob(at(absent), aborted))).toBe('cancelled');
	});
});

describe('listings', () => {
	it('give tags, referrers and repositories', async () => {
		const { store, reader } = await filled();
		const signature = image('signature', { extra: { subject: descriptor(both) } });
		await putImage(store, 'demo/nested', signature);
		const repository = { registry: 'store', repository: 'demo' };
		expect(await all(reader.tags(repository))).toEqual(['latest']);
		expect(await all(reader.repositories('store'))).toEqual(['demo', 'demo/nested']);
		const subject = at(both.digest, 'demo/nested').reference;
		expect(await all(reader.referrers(subject))).toMatchObject([
			{ digest: signature.manifest.digest },
		]);
	});

	it('fail for what is not there, or is not the store', async () => {
		const { reader } = await filled();
		const nothing = { registry: 'store', repository: 'nothing' };
		expect(await codeOf(all(reader.tags(nothing)))).toBe('repository-unknown');
		expect(await codeOf(all(reader.repositories('quay.io')))).toBe('request-invalid');
		expect(await all(reader.referrers({ ...nothing, digest: both.digest }))).toEqual([]);
	});
});
