/** What every binding of the port must do, whatever it is bound to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Document } from '../../../shared/oci/document.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest, type DigestReference, type Repository } from '../../../shared/oci/reference.ts';
import { problemOf, type ProblemCode } from '../../../shared/registry/problem.ts';
import type {
	BlobStream,
	CallOptions,
	DocumentRequest,
	DocumentResult,
	PresenceRequest,
	RegistryReader,
} from '../../../shared/registry/registries.ts';
import { contentOf, descriptorOf, type Content } from '../../support/release-maker.ts';

export interface ReaderUnderTest {
	readonly reader: RegistryReader;
	/** the registry's name in references */
	readonly registry: string;
	putBlob(repository: string, content: Content): Promise<void>;
	/** Its config and layers are there already. */
	putManifest(repository: string, content: Content, tag?: string): Promise<void>;
	/** A manifest that names `subject`. */
	putReferrer(repository: string, content: Content, subject: Content): Promise<void>;
	/** Changes what is stored under a digest, as a broken disk does. */
	damage(reference: DigestReference, bytes: Uint8Array): Promise<void>;
	/** what a damaged manifest is called where the registry itself notices it first */
	readonly manifestDamage?: ProblemCode;
	stop(): Promise<void>;
}

export interface Image {
	readonly config: Content;
	readonly layer: Content;
	readonly manifest: Content;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const list: T[] = [];
	for await (const item of items) list.push(item);
	return list;
}

async function bytesOf({ chunks }: BlobStream): Promise<Uint8Array> {
	return new Uint8Array(Buffer.concat(await all(chunks)));
}

/** The code of the problem that a rejected promise carries. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no failure',
		(error: unknown) => problemOf(error).code,
	);
}

function outcomeOf(result: DocumentResult): string {
	return result.ok ? result.document.digest : result.problem.code;
}

let made = 0;

export function imageOf(extra: object = {}): Image {
	made += 1;
	const layer = contentOf(mediaTypes.ociLayerGzip, `layer ${made}`);
	const config = contentOf(mediaTypes.ociConfig, {
		os: 'linux',
		architecture: 'amd64',
		config: {},
		rootfs: { type: 'layers', diff_ids: [layer.digest] },
	});
	const manifest = contentOf(mediaTypes.ociManifest, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociManifest,
		config: descriptorOf(config),
		layers: [descriptorOf(layer)],
		...extra,
	});
	return { config, layer, manifest };
}

/** The same manifest as nobody's serialiser would print it. */
function oddly({ manifest }: Image): Content {
	const json = JSON.parse(new TextDecoder().decode(manifest.bytes)) as object;
	const text = JSON.stringify(
		{ ...json, annotations: { name: 'größe – 日本語 😀 \u2028' } },
		null,
		3,
	);
	return contentOf(manifest.mediaType, `\r\n${text.replaceAll('": ', '"\t:  ')}\n\n`);
}

export function describeRegistryReader(name: string, setUp: () => Promise<ReaderUnderTest>): void {
	describe(`the reading half of the port: ${name}`, () => {
		let subject: ReaderUnderTest;
		beforeAll(async () => {
			subject = await setUp();
		}, 60_000);
		afterAll(() => subject.stop());

		/** A repository that no other test uses. */
		const anywhere = (): Repository => {
			made += 1;
			return { registry: subject.registry, repository: `contract/r${made}` };
		};
		const put = async (
			{ repository }: Repository,
			image: Image,
			{ tag, manifest = image.manifest }: { tag?: string; manifest?: Content } = {},
		): Promise<Image> => {
			await subject.putBlob(repository, image.config);
			await subject.putBlob(repository, image.layer);
			await subject.putManifest(repository, manifest, tag);
			return image;
		};
		const readManifests = (requests: readonly DocumentRequest[], options?: CallOptions) =>
			all(subject.reader.readManifests(requests, options));

		it('reads a manifest by tag, with its digest, media type and time', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf(), { tag: 'v1' });
			const [result] = await readManifests([{ reference: { ...repository, tag: 'v1' } }]);
			expect(result?.ok && result.document).toEqual({
				digest: manifest.digest,
				mediaType: manifest.mediaType,
				bytes: manifest.bytes,
			} satisfies Document);
			expect(result?.ok && result.checkedAt).toBeGreaterThan(0);
		});

		it('reads manifests by digest; beside a digest, a tag does not matter', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf());
			const reference = byDigest(repository, manifest.digest);
			const results = await readManifests([
				{ reference },
				{ reference: { ...reference, tag: 'never-set' } },
			]);
			expect(results.map(outcomeOf)).toEqual([manifest.digest, manifest.digest]);
		});

		it('reads from several repositories in one call, and gives back the very request objects', async () => {
			const [here, there] = [anywhere(), anywhere()];
			const one = await put(here, imageOf(), { tag: 'a' });
			const two = await put(there, imageOf());
			const requests = [
				{ reference: { ...here, tag: 'a' } },
				{ reference: byDigest(there, two.manifest.digest) },
			];
			const results = await readManifests(requests);
			const found = new Map(results.map((result) => [result.request, outcomeOf(result)]));
			expect(requests.map((request) => found.get(request))).toEqual([
				one.manifest.digest,
				two.manifest.digest,
			]);
		});

		it('answers each of several equal requests', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf());
			const reference = byDigest(repository, manifest.digest);
			const requests = [{ reference }, { reference }, { reference: { ...reference } }];
			const results = await readManifests(requests);
			expect(new Set(results.map(({ request }) => request))).toEqual(new Set(requests));
			expect(results.map(outcomeOf)).toEqual(Array(3).fill(manifest.digest));
		});

		it('reads nothing where nothing is asked for', async () => {
			const { reader } = subject;
			expect(await readManifests([])).toEqual([]);
			expect(await all(reader.readConfigs([]))).toEqual([]);
			expect(await all(reader.exists([]))).toEqual([]);
		});

		it('tells what is not there part by part, while the other parts still arrive', async () => {
			const repository = anywhere();
			const { manifest, config } = await put(repository, imageOf());
			const absent = imageOf();
			const requests = [
				{ reference: byDigest(repository, absent.manifest.digest) },
				{ reference: { ...repository, tag: 'unset' } },
				{ reference: { ...anywhere(), tag: 'v1' } },
				{ reference: byDigest(repository, manifest.digest) },
			];
			const results = await readManifests(requests);
			const found = requests.map((request) =>
				results.find((result) => result.request === request)!,
			);
			expect(found.map(outcomeOf)).toEqual([
				'manifest-unknown',
				'manifest-unknown',
				// Registries that hide repositories tell no difference.
				expect.stringMatching(/^(?:repository|manifest)-unknown$/),
				manifest.digest,
			]);
			const configs = await all(
				subject.reader.readConfigs([
					{ reference: byDigest(repository, absent.config.digest) },
					{ reference: byDigest(repository, config.digest) },
				]),
			);
			expect(configs.map(outcomeOf).sort()).toEqual(['blob-unknown', config.digest]);
		});

		it('names registry and reference of what is not there', async () => {
			const repository = anywhere();
			await put(repository, imageOf());
			const [result] = await readManifests([{ reference: { ...repository, tag: 'unset' } }]);
			expect(result?.ok === false && result.problem).toMatchObject({
				registry: subject.registry,
				reason: expect.stringContaining('unset') as string,
			});
		});

		it('gives documents byte for byte, however oddly they are written', async () => {
			const repository = anywhere();
			const image = imageOf();
			const manifest = oddly(image);
			await put(repository, image, { manifest, tag: 'odd' });
			const results = await readManifests([
				{ reference: { ...repository, tag: 'odd' } },
				{ reference: byDigest(repository, manifest.digest) },
			]);
			expect(results.map((result) => result.ok && result.document.bytes)).toEqual([
				manifest.bytes,
				manifest.bytes,
			]);
		});

		it('gives configs byte for byte, also such as are no text', async () => {
			const repository = anywhere();
			const config = contentOf(
				mediaTypes.ociConfig,
				Uint8Array.from({ length: 512 }, (_, at) => at),
			);
			await subject.putBlob(repository.repository, config);
			const request = { reference: byDigest(repository, config.digest) };
			const [result] = await all(subject.reader.readConfigs([request]));
			expect(result?.request).toBe(request);
			expect(result?.ok && result.document.bytes).toEqual(config.bytes);
		});

		it('answers who is about to write as it answers anybody', async () => {
			const repository = anywhere();
			const { manifest, config, layer } = await put(repository, imageOf(), { tag: 'v1' });
			const absent = byDigest(repository, imageOf().manifest.digest);
			const forWriting = true;
			const requests = [
				{ reference: { ...repository, tag: 'v1' }, forWriting },
				{ reference: byDigest(repository, manifest.digest), forWriting },
				{ reference: absent, forWriting },
			];
			const results = await readManifests(requests);
			const outcomes = new Map(results.map((result) => [result.request, outcomeOf(result)]));
			expect(requests.map((request) => outcomes.get(request))).toEqual([
				manifest.digest,
				manifest.digest,
				'manifest-unknown',
			]);
			const configRequest = { reference: byDigest(repository, config.digest), forWriting };
			const [read] = await all(subject.reader.readConfigs([configRequest]));
			expect(read && outcomeOf(read)).toBe(config.digest);
			const looks: readonly PresenceRequest[] = [
				{ kind: 'manifest', reference: byDigest(repository, manifest.digest), forWriting },
				{ kind: 'blob', reference: byDigest(repository, layer.digest), forWriting },
				{ kind: 'manifest', reference: absent, forWriting },
				{ kind: 'manifest', reference: byDigest(anywhere(), manifest.digest), forWriting },
			];
			const found = new Map<PresenceRequest, unknown>();
			for await (const result of subject.reader.exists(looks)) {
				found.set(result.request, result.ok && result.present);
			}
			expect(looks.map((look) => found.get(look))).toEqual([true, true, false, false]);
		});

		it('refuses a manifest whose bytes are not what its digest says, and still gives the others', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf());
			const whole = await put(repository, imageOf());
			const damaged = byDigest(repository, manifest.digest);
			await subject.damage(damaged, whole.manifest.bytes);
			const results = await readManifests([
				{ reference: damaged },
				{ reference: byDigest(repository, whole.manifest.digest) },
			]);
			expect(results.map(outcomeOf).sort()).toEqual([
				subject.manifestDamage ?? 'digest-mismatch',
				whole.manifest.digest,
			]);
		});

		it('refuses a config whose bytes are not what its digest says', async () => {
			const repository = anywhere();
			const { config } = await put(repository, imageOf());
			const reference = byDigest(repository, config.digest);
			await subject.damage(reference, config.bytes.toReversed());
			const [result] = await all(subject.reader.readConfigs([{ reference }]));
			expect(result && outcomeOf(result)).toBe('digest-mismatch');
		});

		it('streams a blob, whole and with its size', async () => {
			const repository = anywhere();
			const blob = contentOf(
				mediaTypes.octetStream,
				Uint8Array.from({ length: 700_000 }, (_, at) => at * 7),
			);
			await subject.putBlob(repository.repository, blob);
			const stream = await subject.reader.readBlob({
				reference: byDigest(repository, blob.digest),
			});
			expect(stream.sizeBytes).toBe(700_000);
			expect(Buffer.compare(await bytesOf(stream), blob.bytes)).toBe(0);
		});

		it.each([-1, 1])('refuses a blob of another size than stated, by %i', async (difference) => {
			const repository = anywhere();
			const blob = contentOf(mediaTypes.octetStream, `blob ${repository.repository}`);
			await subject.putBlob(repository.repository, blob);
			const reference = byDigest(repository, blob.digest);
			const sizeBytes = blob.bytes.length + difference;
			const read = subject.reader.readBlob({ reference, sizeBytes }).then(bytesOf);
			expect(await failureOf(read)).toBe('malformed');
		});

		it('fails before a damaged blob is complete', async () => {
			const repository = anywhere();
			const blob = contentOf(mediaTypes.octetStream, new Uint8Array(700_000));
			await subject.putBlob(repository.repository, blob);
			const reference = byDigest(repository, blob.digest);
			await subject.damage(reference, new Uint8Array(700_000).fill(1));
			const read = subject.reader.readBlob({ reference }).then(bytesOf);
			expect(await failureOf(read)).toMatch(/^(?:digest-mismatch|truncated)$/);
		});

		it('has no stream for a blob that is not there', async () => {
			const repository = anywhere();
			await put(repository, imageOf());
			const reference = byDigest(repository, imageOf().layer.digest);
			expect(await failureOf(subject.reader.readBlob({ reference }))).toBe('blob-unknown');
		});

		it('says what is there and what is not, also in repositories that are not', async () => {
			const repository = anywhere();
			const { manifest, layer } = await put(repository, imageOf());
			const absent = imageOf();
			const requests: readonly PresenceRequest[] = [
				{ kind: 'manifest', reference: byDigest(repository, manifest.digest) },
				{ kind: 'blob', reference: byDigest(repository, layer.digest) },
				{ kind: 'manifest', reference: byDigest(repository, absent.manifest.digest) },
				{ kind: 'blob', reference: byDigest(repository, absent.layer.digest) },
				{ kind: 'manifest', reference: byDigest(anywhere(), manifest.digest) },
			];
			const results = await all(subject.reader.exists(requests));
			const found = new Map(
				results.map((result) => [result.request, result.ok && result.present] as const),
			);
			expect(requests.map((request) => found.get(request))).toEqual([
				true,
				true,
				false,
				false,
				false,
			]);
		});

		it('lists all tags', async () => {
			const repository = anywhere();
			const image = await put(repository, imageOf(), { tag: 'v1' });
			await put(repository, image, { tag: 'latest' });
			await put(repository, imageOf(), { tag: 'V1.0_x' });
			expect((await all(subject.reader.tags(repository))).sort()).toEqual([
				'V1.0_x',
				'latest',
				'v1',
			]);
		});

		it('has no tags of a repository that is not there', async () => {
			expect(await failureOf(all(subject.reader.tags(anywhere())))).toBe('repository-unknown');
		});

		it('lists the referrers of a manifest, and none where there are none', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf(), { tag: 'v1' });
			const signature = imageOf({ subject: descriptorOf(manifest) });
			await subject.putBlob(repository.repository, signature.config);
			await subject.putBlob(repository.repository, signature.layer);
			await subject.putReferrer(repository.repository, signature.manifest, manifest);
			const referrers = (of: Content) =>
				all(subject.reader.referrers(byDigest(repository, of.digest)));
			expect(await referrers(manifest)).toEqual([
				expect.objectContaining(descriptorOf(signature.manifest)),
			]);
			expect(await referrers(signature.manifest)).toEqual([]);
		});

		it('lists the repositories of the registry', async () => {
			const repository = anywhere();
			await put(repository, imageOf(), { tag: 'v1' });
			expect(await all(subject.reader.repositories(subject.registry))).toContain(
				repository.repository,
			);
		});

		it('reads nothing for who has given up already', async () => {
			const repository = anywhere();
			const { manifest, layer } = await put(repository, imageOf(), { tag: 'v1' });
			const { reader } = subject;
			const signal = AbortSignal.abort();
			const options = { signal };
			const reference = byDigest(repository, layer.digest);
			const requests = [{ reference: byDigest(repository, manifest.digest) }];
			expect(
				await Promise.all([
					failureOf(all(reader.readManifests(requests, options))),
					failureOf(all(reader.readConfigs([{ reference }], options))),
					failureOf(all(reader.exists([{ reference, kind: 'blob' }], options))),
					failureOf(reader.readBlob({ reference }, options).then(bytesOf)),
					failureOf(all(reader.tags(repository, options))),
				]),
			).toEqual(Array(5).fill('cancelled'));
		});

		it('stops when it is told to in the middle', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf());
			const requests = Array.from({ length: 600 }, () => ({
				reference: byDigest(repository, manifest.digest),
			}));
			const abort = new AbortController();
			const seen: DocumentResult[] = [];
			const read = async () => {
				for await (const result of subject.reader.readManifests(requests, {
					signal: abort.signal,
				})) {
					seen.push(result);
					abort.abort();
				}
			};
			expect(await failureOf(read())).toBe('cancelled');
			expect(seen.length).toBeLessThan(requests.length);
		});

		it('may be left in the middle, and read from again', async () => {
			const repository = anywhere();
			const { manifest } = await put(repository, imageOf());
			const requests = Array.from({ length: 300 }, () => ({
				reference: byDigest(repository, manifest.digest),
			}));
			for await (const result of subject.reader.readManifests(requests)) {
				expect(outcomeOf(result)).toBe(manifest.digest);
				break;
			}
			expect((await readManifests(requests.slice(0, 2))).map(outcomeOf)).toEqual([
				manifest.digest,
				manifest.digest,
			]);
		});
	});
}
