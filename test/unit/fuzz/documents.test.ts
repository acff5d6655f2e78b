import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closure } from '../../../shared/index/closure.ts';
import { Documents } from '../../../shared/index/documents.ts';
import { listImages } from '../../../shared/index/images.ts';
import { editIndex } from '../../../shared/index/prune.ts';
import { walk } from '../../../shared/index/walk.ts';
import { isDigest, type Digest } from '../../../shared/oci/digest.ts';
import { manifestMediaType, readConfig, readManifest } from '../../../shared/oci/document.ts';
import { mostChildren } from '../../../shared/oci/manifest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { platformKey } from '../../../shared/oci/platform.ts';
import { limits } from '../../../shared/registry/limits.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import { verifyDocument } from '../../../shared/registry/verify.ts';
import {
	bytesOf,
	damagedBytes,
	damagedJson,
	digest,
	expectTypedLater,
	hostileText,
	isPolluted,
	runs,
} from '../../support/arbitraries.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { contentOf, descriptorOf, type Content } from '../../support/release-maker.ts';
import { expectLinear } from './growth.ts';

const repository = { registry: 'quay.io', repository: 'acme/app' };

const config = contentOf(mediaTypes.ociConfig, {
	created: '2026-01-01T00:00:00Z',
	os: 'linux',
	architecture: 'arm64',
	variant: 'v8',
	config: { Labels: { 'io.openshift.release': '4.20.0' } },
	rootfs: { type: 'layers', diff_ids: [hashOf('sha256', bytesOf('diff'))] },
});
const layer = contentOf(mediaTypes.ociLayerGzip, 'layer');
const imageJson = {
	schemaVersion: 2,
	mediaType: mediaTypes.ociManifest,
	config: descriptorOf(config),
	layers: [descriptorOf(layer)],
	annotations: { a: 'b' },
};
const image = contentOf(mediaTypes.ociManifest, imageJson);
const attestation = {
	...descriptorOf(image),
	platform: { os: 'unknown', architecture: 'unknown' },
	annotations: {
		'vnd.docker.reference.type': 'attestation-manifest',
		'vnd.docker.reference.digest': image.digest,
	},
};
const innerJson = {
	schemaVersion: 2,
	mediaType: mediaTypes.ociIndex,
	manifests: [{ ...descriptorOf(image), platform: { os: 'linux', architecture: 's390x' } }],
};
const inner = contentOf(mediaTypes.ociIndex, innerJson);
const indexJson = {
	schemaVersion: 2,
	mediaType: mediaTypes.ociIndex,
	manifests: [
		{ ...descriptorOf(image), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
		{
			...descriptorOf(image),
			platform: { os: 'linux', architecture: 'amd64' },
			urls: ['https://x'],
		},
		descriptorOf(inner),
		attestation,
	],
	annotations: { 'org.opencontainers.image.source': 'https://x.test' },
};
const index = contentOf(mediaTypes.ociIndex, indexJson);

/** Genuine at first, then damaged in their text or in their bytes. */
const damagedIndex = fc.oneof(
	damagedJson(indexJson).map(bytesOf),
	damagedBytes(index.bytes),
	damagedJson(imageJson).map(bytesOf),
);
const manifestType = fc.constantFrom(
	mediaTypes.ociIndex,
	mediaTypes.dockerList,
	mediaTypes.ociManifest,
	mediaTypes.ociArtifact,
	mediaTypes.dockerSchema1,
	'application/json',
	'',
);

function madeOf(mediaType: string, bytes: Uint8Array): Content {
	return { mediaType, bytes, digest: hashOf('sha256', bytes) };
}

function registriesWith(...contents: Content[]): FakeRegistries {
	const registries = new FakeRegistries();
	for (const content of [image, inner, index, ...contents]) {
		registries.putManifest(repository, content);
	}
	registries.putBlob(repository, config.bytes);
	return registries;
}

async function read(registries: FakeRegistries, root: Digest): Promise<Documents> {
	const documents = new Documents();
	const request = { reference: { ...repository, digest: root } };
	for await (const _ of walk(registries, [request], documents)) continue;
	return documents;
}

describe('a manifest of anybody', () => {
	it('is understood or called malformed with a short reason, and never both an index and an image', () => {
		fc.assert(
			fc.property(damagedIndex, manifestType, (bytes, header) => {
				const mediaType = manifestMediaType(bytes, header);
				const content = readManifest(madeOf(mediaType, bytes));
				if (content.kind === 'malformed') expect(content.reason.length).toBeLessThan(600);
				if (content.kind === 'index') {
					expect(content.index).not.toHaveProperty('layers');
					for (const { size, digest: of } of content.index.manifests) {
						expect(Number.isSafeInteger(size) && size >= 0).toBe(true);
						expect(of).toMatch(/^[a-z0-9+._-]+:[\w=-]+$/);
					}
				}
				if (content.kind === 'image') {
					const { manifest } = content;
					expect([manifest.config, ...manifest.layers].every((each) => isDigest(each.digest))).toBe(
						true,
					);
				}
				expect(isPolluted()).toBe(false);
			}),
			runs(1500),
		);
	});

	it('as a config is understood or called malformed', () => {
		const damaged = fc.oneof(
			damagedJson(JSON.parse(new TextDecoder().decode(config.bytes))).map(bytesOf),
			damagedBytes(config.bytes),
		);
		fc.assert(
			fc.property(damaged, (bytes) => {
				const content = readConfig(bytes);
				if (content.kind === 'config') expect(platformKey(content.config)).toBeTypeOf('string');
				expect(isPolluted()).toBe(false);
			}),
			runs(1000),
		);
	});

	it('is a document only with the digest that it was asked by', async () => {
		const stated = fc.option(fc.oneof(digest, hostileText), { nil: undefined });
		await fc.assert(
			fc.asyncProperty(
				damagedIndex,
				fc.option(digest, { nil: undefined }),
				stated,
				async (bytes, by, says) => {
					const reference = { ...repository, ...(by && { digest: by }) };
					const received = { bytes, mediaType: '', statedDigest: says };
					const document = await expectTypedLater(() =>
						verifyDocument(reference, received, async (algorithm, all) => hashOf(algorithm, all)),
					);
					if (document instanceof ProblemError) {
						expect(document.problem.code).toBe('digest-mismatch');
					} else expect(document.digest).toBe(by ?? document.digest);
					expect(document instanceof ProblemError || document.bytes === bytes).toBe(true);
				},
			),
			runs(300),
		);
	});

	it('nested as deep as its bytes allow is malformed, also where that is quoted', () => {
		const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
		for (const text of [
			`{"mediaType":${deep(100_000)}}`,
			`{"schemaVersion":2,"manifests":[],"x":${deep(1000)}}`,
			deep(500_000),
		]) {
			const content = readManifest(madeOf(mediaTypes.ociIndex, bytesOf(text)));
			expect(content.kind === 'malformed' && content.reason).toMatch(/nested deeper/);
		}
	});

	it('is read in linear time with very many children, keys and annotations', () => {
		const make = (count: number) => ({
			...indexJson,
			manifests: Array.from(
				{ length: Math.min(count, mostChildren) },
				() => indexJson.manifests[0],
			),
			annotations: Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 'v'])),
		});
		expectLinear(
			(count) => bytesOf(JSON.stringify(make(count))),
			(bytes) => readManifest({ ...madeOf(mediaTypes.ociIndex, bytes), bytes: bytes.slice() }),
			1200,
		);
	});
});

describe('what is below an index of anybody', () => {
	it('is read, listed and edited, or refused as what it is', async () => {
		await fc.assert(
			fc.asyncProperty(damagedIndex, manifestType, fc.nat(3), async (bytes, header, dropped) => {
				const root = madeOf(manifestMediaType(bytes, header), bytes);
				const registries = registriesWith(root);
				const documents = await read(registries, root.digest);
				const images = listImages(repository, root.digest, documents);
				const context = {
					document: (of: Digest) => {
						const result = documents.manifest(repository, of);
						return result?.ok ? result.document : undefined;
					},
					platformOf: () => undefined,
					hash: async (algorithm: 'sha256' | 'sha512', all: Uint8Array) => hashOf(algorithm, all),
				};
				const goes = images[dropped % Math.max(images.length, 1)]?.platform;
				const drops = (_: unknown, platform: unknown) => platform === goes;
				const pruned = await expectTypedLater(() => editIndex(root, { drops }, context));
				if (!(pruned instanceof ProblemError)) {
					for (const made of pruned.made) {
						expect(made.digest).toBe(hashOf('sha256', made.bytes));
						expect(readManifest(made).kind).toBe('index');
					}
				}
				const options = { made: new Map(), documents };
				await expectTypedLater(() =>
					closure(registries, [{ place: repository, digest: root.digest }], options),
				);
				expect(isPolluted()).toBe(false);
			}),
			runs(400),
		);
	});

	/** Indexes on top of each other, each listing the one below it this many times. */
	function tower(levels: number, times: number): readonly Content[] {
		const all = [image];
		for (let level = 0; level < levels; level += 1) {
			const below = all.at(-1)!;
			const manifests = Array.from({ length: times }, () => descriptorOf(below));
			all.push(
				contentOf(mediaTypes.ociIndex, {
					...innerJson,
					manifests,
					annotations: { level: `${level}` },
				}),
			);
		}
		return all.slice(1);
	}

	it('is not multiplied by indexes that list each other many times', async () => {
		const levels = tower(limits.indexDepth, 40);
		const root = levels.at(-1)!.digest;
		const documents = await read(registriesWith(...levels), root);
		const images = listImages(repository, root, documents);
		expect(images.length).toBeLessThan(3 * mostChildren);
		expect(images.some(({ state }) => state.kind === 'unchecked')).toBe(true);
	});

	it('is refused where it is nested deeper than anything genuine', async () => {
		const levels = tower(40, 1);
		const registries = registriesWith(...levels);
		const options = { made: new Map(), documents: new Documents() };
		const roots = [{ place: repository, digest: levels.at(-1)!.digest }];
		const refused = await expectTypedLater(() => closure(registries, roots, options));
		expect(refused instanceof ProblemError && refused.problem.reason).toMatch(/nested too deep/);
		expect(registries.asked.length).toBeLessThan(2 * limits.indexDepth);
	});

	it('is refused where an artifact manifest is no JSON', async () => {
		const artifact = contentOf(mediaTypes.ociArtifact, 'no json');
		const options = { made: new Map(), documents: new Documents() };
		const roots = [{ place: repository, digest: artifact.digest }];
		const refused = await expectTypedLater(() => closure(registriesWith(artifact), roots, options));
		expect(refused instanceof ProblemError && refused.problem.code).toBe('plan-impossible');
	});
});
