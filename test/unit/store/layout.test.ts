import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Store } from '../../../proxy/store/store.ts';
import { StoreError, type RefusalKind } from '../../../proxy/store/store-error.ts';
import { encodedOf, type Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { inPieces, listed, putImage, temporaryFolder, temporaryStore } from './fixture.ts';
import { blob, bytesOf, descriptor, digestFor, image, indexOf } from './images.ts';

const amd64 = image('amd64');
const arm64 = image('arm64');
const both = indexOf([amd64, arm64]);
const unchecked = { checkReferences: false };

async function refusalOf(action: Promise<unknown>): Promise<string> {
	const error: unknown = await action.then(
		() => 'nothing was refused',
		(reason: unknown) => reason,
	);
	return error instanceof StoreError ? error.kind : String(error);
}

function blobFile(store: Store, name: string, digest: Digest): string {
	return join(store.root, name, 'blobs', 'sha256', encodedOf(digest));
}

describe('what index.json lists', () => {
	it('has children until their index arrives, and from then on the index alone', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		await putImage(store, 'demo', arm64);
		expect(await listed(store, 'demo')).toEqual([
			`@${amd64.manifest.digest}`,
			`@${arm64.manifest.digest}`,
		]);
		await store.repository('demo').putManifest(both.bytes, { tag: 'v1' });
		expect(await listed(store, 'demo')).toEqual([`v1@${both.digest}`]);
	});

	it('does not list a child that is pushed again', async () => {
		const store = await temporaryStore();
		await store.repository('demo').putManifest(both.bytes, { tag: 'v1', ...unchecked });
		await putImage(store, 'demo', amd64);
		expect(await listed(store, 'demo')).toEqual([`v1@${both.digest}`]);
	});

	it('lists children again when the only index that needs them is deleted', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		await putImage(store, 'demo', arm64);
		await demo.putManifest(both.bytes, { tag: 'v1' });
		const half = indexOf([arm64]);
		await demo.putManifest(half.bytes, { tag: 'half' });
		await demo.deleteManifest(both.digest);
		expect(await listed(store, 'demo')).toEqual([
			`half@${half.digest}`,
			`@${amd64.manifest.digest}`,
		]);
	});

	it('follows indexes of indexes, and lists grandchildren when the one between goes', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		const inner = indexOf([amd64]);
		const outer = indexOf([{ manifest: inner }]);
		await demo.putManifest(inner.bytes);
		await demo.putManifest(outer.bytes, { tag: 'outer' });
		expect(await listed(store, 'demo')).toEqual([`outer@${outer.digest}`]);
		await demo.deleteManifest(inner.digest);
		expect(await listed(store, 'demo')).toEqual([
			`outer@${outer.digest}`,
			`@${amd64.manifest.digest}`,
		]);
	});

	it('keeps a manifest that describes another, though an index has it', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		const attestation = image('unknown', { extra: { subject: descriptor(amd64.manifest) } });
		await putImage(store, 'demo', amd64);
		await putImage(store, 'demo', attestation);
		const index = indexOf([amd64, attestation]);
		await demo.putManifest(index.bytes, { tag: 'v1' });
		expect(await listed(store, 'demo')).toEqual([
			`@${attestation.manifest.digest}`,
			`v1@${index.digest}`,
		]);
		expect(await demo.referrers(amd64.manifest.digest)).toMatchObject([
			{ digest: attestation.manifest.digest, artifactType: mediaTypes.ociConfig },
		]);
	});

	it('still lists a manifest whose last tag was moved or removed', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		await putImage(store, 'demo', arm64);
		await demo.putManifest(amd64.manifest.bytes, { tag: 'v1' });
		await demo.putManifest(arm64.manifest.bytes, { tag: 'v1' });
		await demo.deleteTag('v1');
		expect(new Set(await listed(store, 'demo'))).toEqual(
			new Set([`@${amd64.manifest.digest}`, `@${arm64.manifest.digest}`]),
		);
	});
});

describe('many edits at once', () => {
	it('are written together, and none is lost', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		const tags = Array.from({ length: 60 }, (_, number) => `t${number}`);
		let writes = 0;
		let before = '';
		const watching = new AbortController();
		const path = join(store.root, 'demo', 'index.json');
		const watched = (async () => {
			while (!watching.signal.aborted) {
				const text = await readFile(path, 'utf8');
				JSON.parse(text);
				if (text !== before) writes++;
				before = text;
			}
		})();
		await Promise.all(tags.map((tag) => demo.putManifest(amd64.manifest.bytes, { tag })));
		watching.abort();
		await watched;
		expect(await demo.tags()).toEqual([...tags].sort());
		expect(writes).toBeLessThan(tags.length / 2);
	});

	it('are refused one by one: of many that expect a tag to be absent, one sets it', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		const put = (tag: string) =>
			refusalOf(demo.putManifest(amd64.manifest.bytes, { tag, expect: 'absent' }));
		const results = await Promise.all([put('a'), put('a'), put('b'), put('a')]);
		expect(results.sort()).toEqual([
			'nothing was refused',
			'nothing was refused',
			'precondition',
			'precondition',
		]);
		expect(await demo.tags()).toEqual(['a', 'b']);
	});

	it('never lose a manifest that is deleted and pushed at the same time', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		const { digest, bytes } = amd64.manifest;
		for (let round = 0; round < 20; round++) {
			await demo.putManifest(bytes, { tag: 'v1' });
			await Promise.all([demo.deleteManifest(digest), demo.putManifest(bytes, { tag: 'v1' })]);
			const tags = await demo.tags();
			const readable = await refusalOf(demo.readManifest(digest));
			expect(readable).toBe(tags.length === 1 ? 'nothing was refused' : 'manifestUnknown');
		}
	});
});

describe('putManifest', () => {
	const cases: [string, Uint8Array, object, RefusalKind][] = [
		['more than 4 MiB', new Uint8Array(4 * 1024 * 1024 + 1), {}, 'manifestTooLarge'],
		['what is not JSON', bytesOf('no'), { mediaType: mediaTypes.ociIndex }, 'manifestInvalid'],
		[
			'a media type that the document contradicts',
			both.bytes,
			{ mediaType: mediaTypes.dockerList },
			'manifestInvalid',
		],
		[
			'a media type that only its header has',
			bytesOf({ schemaVersion: 2, manifests: [] }),
			{ mediaType: mediaTypes.dockerList },
			'manifestInvalid',
		],
		[
			'an index that is an image as well',
			bytesOf({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [], layers: [] }),
			{},
			'manifestInvalid',
		],
		['a type that it does not know', bytesOf({ mediaType: 'text/plain' }), {}, 'manifestInvalid'],
		['a schema 1 manifest', bytesOf({ schemaVersion: 1, fsLayers: [] }), {}, 'manifestInvalid'],
		[
			'an index with a malformed subject',
			bytesOf({
				schemaVersion: 2,
				mediaType: mediaTypes.ociIndex,
				manifests: [],
				subject: { digest: 'x' },
			}),
			{},
			'manifestInvalid',
		],
		['another digest', both.bytes, { digest: amd64.manifest.digest }, 'digestMismatch'],
		['a tag that is none', both.bytes, { tag: '../x' }, 'tagInvalid'],
		['missing blobs', amd64.manifest.bytes, {}, 'manifestBlobUnknown'],
		['missing children', both.bytes, {}, 'manifestBlobUnknown'],
	];
	it.each(cases)('refuses %s, and leaves nothing', async (_what, bytes, options, kind) => {
		const store = await temporaryStore();
		expect(await refusalOf(store.repository('demo').putManifest(bytes, options))).toBe(kind);
		expect(await store.repositories()).toEqual([]);
	});

	it('names every missing child', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		const foreign = { ...arm64.manifest, digest: 'blake3:00' as Digest };
		const index = indexOf([amd64, arm64, { manifest: foreign }]);
		await expect(store.repository('demo').putManifest(index.bytes)).rejects.toMatchObject({
			details: [arm64.manifest.digest, 'blake3:00'],
		});
	});

	it('wants a child to be a manifest, not just a blob', async () => {
		const store = await temporaryStore();
		const text = blob(mediaTypes.ociManifest, 'no manifest');
		await store.putBlob('demo', text.digest, inPieces(text.bytes));
		const index = indexOf([{ manifest: text }]);
		const put = store.repository('demo').putManifest(index.bytes);
		expect(await refusalOf(put)).toBe('manifestBlobUnknown');
	});

	it('takes a child that is no manifest by its own type as a blob', async () => {
		const store = await temporaryStore();
		const cache = blob('application/vnd.buildkit.cacheconfig.v0', '{}');
		await store.putBlob('demo', cache.digest, inPieces(cache.bytes));
		const index = indexOf([{ manifest: cache }]);
		await store.repository('demo').putManifest(index.bytes, { tag: 'cache' });
		expect(await store.repository('demo').tags()).toEqual(['cache']);
	});

	it('does not ask for layers that stay at their URLs', async () => {
		const store = await temporaryStore();
		const layer = {
			mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
			digest: digestFor(bytesOf('elsewhere')),
			size: 9,
			urls: ['https://example.test/layer'],
		};
		const windows = image('amd64', { extra: { layers: [layer] } });
		await putImage(store, 'demo', windows);
		expect(await store.repository('demo').readManifest(windows.manifest.digest)).toMatchObject({
			mediaType: mediaTypes.ociManifest,
		});
	});

	it('keeps a broken index where it is told not to look', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await demo.putManifest(both.bytes, { tag: 'broken', ...unchecked });
		expect(await demo.resolve('broken')).toBe(both.digest);
		expect(await refusalOf(demo.readManifest(amd64.manifest.digest))).toBe('manifestUnknown');
	});

	it('keeps manifests under sha512 as well', async () => {
		const store = await temporaryStore();
		const digest = digestFor(both.bytes, 'sha512');
		await store.repository('demo').putManifest(both.bytes, { digest, ...unchecked });
		expect((await store.repository('demo').readManifest(digest)).digest).toBe(digest);
		expect(await readdir(join(store.root, 'demo', 'blobs'))).toEqual(['sha512']);
	});

	it('leaves no temporary file behind', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		expect(await readdir(join(store.root, '.uploads'))).toEqual([]);
		expect((await readdir(join(store.root, 'demo'))).sort()).toEqual([
			'blobs',
			'index.json',
			'oci-layout',
		]);
	});

	it('replaces a damaged file by the sound one', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		await writeFile(blobFile(store, 'demo', amd64.manifest.digest), 'damaged');
		await demo.putManifest(amd64.manifest.bytes);
		expect((await demo.readManifest(amd64.manifest.digest)).bytes).toEqual(amd64.manifest.bytes);
	});
});

describe('what is damaged on disk', () => {
	it('is not served: a manifest with other bytes', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		await writeFile(blobFile(store, 'demo', amd64.manifest.digest), arm64.manifest.bytes);
		const error: unknown = await store
			.repository('demo')
			.readManifest(amd64.manifest.digest)
			.catch((reason: unknown) => reason);
		expect(problemOf(error).code).toBe('digest-mismatch');
	});

	it.each(['', '{', '[]', '{"schemaVersion":2,"manifests":7}'])(
		'is not overwritten: an index.json with %j',
		async (text) => {
			const store = await temporaryStore();
			const demo = store.repository('demo');
			await putImage(store, 'demo', amd64);
			const path = join(store.root, 'demo', 'index.json');
			await writeFile(path, text);
			const put = demo.putManifest(amd64.manifest.bytes, { tag: 'v1' });
			expect(await refusalOf(put)).toBe('layoutDamaged');
			expect(await refusalOf(demo.tags())).toBe('layoutDamaged');
			expect(await readFile(path, 'utf8')).toBe(text);
		},
	);

	it('is not followed: a symbolic link in place of a blob', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		const path = blobFile(store, 'demo', amd64.layer.digest);
		const outside = join(await temporaryFolder(), 'secret');
		await writeFile(outside, amd64.layer.bytes);
		await rm(path);
		await symlink(outside, path);
		expect(await store.repository('demo').blobSize(amd64.layer.digest)).toBeUndefined();
	});

	it('is not followed: a symbolic link in place of the blobs folder', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		const blobs = join(store.root, 'demo', 'blobs');
		const outside = join(await temporaryFolder(), 'blobs');
		await rename(blobs, outside);
		await symlink(outside, blobs);
		const read = store.repository('demo').readManifest(amd64.manifest.digest);
		expect(await refusalOf(read)).toBe('manifestUnknown');
	});
});

describe('a store that is made', () => {
	it.skipIf(process.platform === 'win32')('is for its owner only', async () => {
		const root = join(await temporaryFolder(), 'data', 'store');
		await Store.open(root);
		expect((await stat(root)).mode & 0o777).toBe(0o700);
	});
});

describe('a folder that is a symbolic link', () => {
	it.each(['demo/blobs/sha256', 'demo/blobs'])(
		'loses nothing when a manifest is deleted: %s',
		async (linked) => {
			const store = await temporaryStore();
			await putImage(store, 'demo', amd64);
			const outside = join(await temporaryFolder(), 'elsewhere');
			await rename(join(store.root, linked), outside);
			await symlink(outside, join(store.root, linked));
			const before = await readdir(outside, { recursive: true });
			await store.repository('demo').deleteManifest(amd64.manifest.digest);
			expect(await readdir(outside, { recursive: true })).toEqual(before);
			expect(await listed(store, 'demo')).toEqual([]);
		},
	);

	it.each(['demo', 'demo/blobs'])('is not written through: %s', async (linked) => {
		const store = await temporaryStore();
		const outside = await temporaryFolder();
		if (linked !== 'demo') await mkdir(join(store.root, 'demo'));
		await symlink(outside, join(store.root, linked));
		const put = store.putBlob('demo', amd64.layer.digest, inPieces(amd64.layer.bytes));
		expect(await refusalOf(put)).toBe('layoutDamaged');
		const blobs = await readdir(outside, { recursive: true });
		expect(blobs.filter((name) => name.includes(encodedOf(amd64.layer.digest)))).toEqual([]);
	});
});

describe('repositories', () => {
	it('nest, and each is a layout of its own', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		await putImage(store, 'demo/release', arm64);
		await putImage(store, 'a/b/c', arm64);
		expect(await store.repositories()).toEqual(['a/b/c', 'demo', 'demo/release']);
		const read = store.repository('demo').readManifest(arm64.manifest.digest);
		expect(await refusalOf(read)).toBe('manifestUnknown');
	});

	it.each([
		'blobs',
		'a/blobs',
		'a/index.json/b',
		'oci-layout',
		'..',
		'a/../b',
		'A',
		'',
		'.uploads',
		'a//b',
		'a/',
		'/a',
	])('refuses the name %j', async (name) => {
		const store = await temporaryStore();
		expect(() => store.repository(name)).toThrow(StoreError);
	});

	it('outlive the process that made them', async () => {
		const root = await temporaryFolder();
		await putImage(await Store.open(root), 'demo', amd64);
		const again = await Store.open(root);
		expect(await again.repositories()).toEqual(['demo']);
		const { bytes } = await again.repository('demo').readManifest(amd64.manifest.digest);
		expect(bytes).toEqual(amd64.manifest.bytes);
	});

	it('are unknown until something is written, and reading does not make them', async () => {
		const store = await temporaryStore();
		const nothing = store.repository('nothing');
		expect(await refusalOf(nothing.tags())).toBe('nameUnknown');
		expect(await refusalOf(nothing.deleteTag('x'))).toBe('nameUnknown');
		expect(await refusalOf(nothing.deleteManifest(both.digest))).toBe('nameUnknown');
		expect(await readdir(store.root)).toEqual(['.uploads']);
	});
});

describe('deleteBlob', () => {
	it('refuses a manifest that is in use, listed or not', async () => {
		const store = await temporaryStore();
		const demo = store.repository('demo');
		await putImage(store, 'demo', amd64);
		expect(await refusalOf(demo.deleteBlob(amd64.manifest.digest))).toBe('unsupported');
		await demo.putManifest(indexOf([amd64]).bytes, { tag: 'v1' });
		expect(await refusalOf(demo.deleteBlob(amd64.manifest.digest))).toBe('unsupported');
		await demo.deleteBlob(amd64.layer.digest);
		expect(await demo.blobSize(amd64.layer.digest)).toBeUndefined();
	});
});
