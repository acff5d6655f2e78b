import { describe, expect, it } from 'vitest';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { assessCoverage } from '../../../shared/release/coverage.ts';
import { unreadReasons } from '../../../shared/release/unread.ts';
import { byDigest } from '../../../shared/oci/reference.ts';
import { limits } from '../../../shared/registry/limits.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import { releaseFacts } from '../../../shared/release/facts.ts';
import {
	isRelease,
	readRelease,
	readWholeRelease,
	startReading,
	type ReleaseReading,
} from '../../../shared/release/read-release.ts';
import { inflate } from '../../../web/api/inflate.ts';
import {
	contentOf,
	descriptorOf,
	entryOf,
	linux,
	packLayer,
	ReleaseMaker,
	type FinishOptions,
	type MadeImage,
} from '../../support/release-maker.ts';
import { tableOf } from './cells.ts';

const rateLimited: Problem = {
	code: 'rate-limited',
	origin: 'registry',
	reason: 'Too many requests.',
};

async function readWith(
	options: FinishOptions & { architectures?: readonly string[] } = {},
): Promise<ReleaseReading> {
	const maker = new ReleaseMaker(options.architectures);
	maker.addBuilt('etcd');
	await maker.finish(options);
	return maker.read();
}

describe('reading a release', () => {
	it('goes through its stages and ends with all facts', async () => {
		const maker = new ReleaseMaker();
		maker.addBuilt('etcd');
		await maker.finish({
			files: [
				{ name: 'a.yaml', text: 'a: 1' },
				{ name: 'x.sh', text: '' },
			],
		});
		const reading = maker.start();
		const stages: string[] = [];
		for await (const { stage } of readRelease({ registries: maker.registries, inflate }, reading)) {
			if (stages.at(-1) !== stage) stages.push(stage);
		}
		expect(stages).toEqual(['release', 'payload', 'components', 'done']);
		expect(releaseFacts(reading)).toEqual({
			name: '4.20.0',
			version: '4.20.0',
			digest: reading.root?.digest,
			mediaType: mediaTypes.ociIndex,
			created: '2026-01-02T03:04:05Z',
			platforms: ['linux/amd64', 'linux/arm64'],
			agreement: { kind: 'agree' },
			entryCount: 5,
			manifestCount: 1,
			otherFiles: ['x.sh'],
			previous: ['4.19.8', '4.19.9'],
			next: [],
			metadata: { 'release.openshift.io/architecture': 'multi' },
			findings: [],
		});
	});

	it('reads the same payload layer once for all platforms', async () => {
		const maker = new ReleaseMaker(['amd64', 'arm64', 's390x']);
		maker.addBuilt('etcd');
		const [image] = await maker.finish();
		await maker.read();
		const layer = image?.layers[0]?.digest ?? '';
		expect(maker.registries.asked.filter((name) => name.endsWith(layer))).toHaveLength(1);
	});

	it('reads a release of one architecture without an index', async () => {
		const reading = await readWith({ architectures: ['arm64'], single: true });
		expect(tableOf(reading)).toEqual({ etcd: 'arm64=built' });
		expect(releaseFacts(reading)).toMatchObject({
			agreement: { kind: 'single' },
			platforms: ['linux/arm64'],
			mediaType: mediaTypes.ociManifest,
			findings: [],
		});
	});

	it('finds the payload below other layers', async () => {
		const maker = new ReleaseMaker(['amd64']);
		maker.addBuilt('etcd');
		const [made] = await maker.finish();
		const { layer: above } = await packLayer('oci', [{ name: 'x', text: 'y' }], 'etc');
		const image = maker.image('release', linux('amd64'), {
			labels: { 'io.openshift.release': '4.20.0' },
			layers: [...made!.layers, above],
		});
		maker.store(maker.release, image);
		maker.registries.putManifest(maker.release, image.manifest, '1');
		expect(tableOf(await maker.read())).toEqual({ etcd: 'amd64=built' });
	});

	it('loses nothing that was read when it is aborted', async () => {
		const maker = new ReleaseMaker();
		maker.addBuilt('etcd');
		maker.addBuilt('cli');
		await maker.finish();
		const abort = new AbortController();
		const reading = maker.start();
		const source = { registries: maker.registries, inflate };
		const read = async () => {
			for await (const { stage } of readRelease(source, reading, { signal: abort.signal })) {
				if (stage === 'components' && Object.keys(tableOf(reading)).length > 0) abort.abort();
			}
		};
		await expect(read()).rejects.toThrow(/abort/i);
		expect(reading.problem).toBeUndefined();
		expect(releaseFacts(reading)).toBeDefined();
		expect(Object.values(tableOf(reading)).join(' ')).toContain('unchecked');
		const again = await readWholeRelease(source, reading);
		expect(tableOf(again)).toEqual({
			etcd: 'amd64=built arm64=built',
			cli: 'amd64=built arm64=built',
		});
	});

	it('counts what of its components could not be read', async () => {
		const maker = new ReleaseMaker();
		const [image] = maker.addBuilt('etcd');
		await maker.finish();
		maker.registries.fail(maker.part(image!.manifest), rateLimited);
		const reasons = unreadReasons(assessCoverage(await maker.read()));
		expect(reasons).toMatchObject([{ problem: { code: 'rate-limited' }, components: 1 }]);
	});
});

describe('the payloads of a release', () => {
	it('agree where all layers have the same content', async () => {
		expect(releaseFacts(await readWith())?.agreement).toEqual({ kind: 'agree' });
	});

	it('have the same components where only other files differ, and it is said where', async () => {
		const reading = await readWith({
			payloadFor: (architecture) => ({ files: [{ name: 'a.yaml', text: architecture }] }),
		});
		expect(releaseFacts(reading)?.agreement).toEqual({
			kind: 'same-components',
			platforms: ['linux/arm64'],
		});
	});

	it('differ where they name other images', async () => {
		const reading = await readWith({
			payloadFor: (architecture) => ({
				edit: (files) =>
					files.map(({ name, text }) => ({
						name,
						text: architecture === 'arm64' ? text.replace('acme/parts', 'acme/other') : text,
					})),
			}),
		});
		expect(releaseFacts(reading)?.agreement).toEqual({
			kind: 'differ',
			platforms: ['linux/arm64'],
		});
	});

	it('are not compared where one of them cannot be read, and the others are used', async () => {
		const reading = await readWith({
			payloadFor: (architecture) =>
				architecture === 'amd64' ? { edit: ([first]) => [first!] } : {},
		});
		expect(reading.problem).toBeUndefined();
		expect(releaseFacts(reading)?.agreement).toEqual({
			kind: 'unchecked',
			reason: 'The payload has no release-manifests/release-metadata.',
		});
		expect(tableOf(reading)).toEqual({ etcd: 'amd64=built arm64=built' });
	});

	it('are not compared where a release image is lost: a finding says so, and its platform stays expected', async () => {
		const maker = new ReleaseMaker();
		maker.addBuilt('etcd');
		const [, arm64] = await maker.finish();
		maker.registries.fail(byDigest(maker.release, arm64!.manifest.digest), rateLimited);
		const reading = await maker.read();
		expect(tableOf(reading)).toEqual({ etcd: 'amd64=built arm64=built' });
		expect(releaseFacts(reading)).toMatchObject({
			agreement: { kind: 'unchecked' },
			findings: ['The release image for linux/arm64: Too many requests.'],
		});
	});
});

describe('a finding', () => {
	it.each<[string, FinishOptions, RegExp]>([
		[
			'the two files disagree on the version',
			{ name: '4.20.1' },
			/image-references calls the release 4\.20\.1, release-metadata 4\.20\.0; clusters refuse/,
		],
		[
			'the label says another version',
			{ label: '4.19.0' },
			/label says 4\.19\.0, its payload 4\.20/,
		],
		['several architectures do not say multi', { metadata: {} }, /has no .*architecture: multi/],
	])('tells where %s', async (_, options, sentence) => {
		const findings = releaseFacts(await readWith(options))?.findings;
		expect(findings).toEqual([expect.stringMatching(sentence)]);
	});

	it('tells where a release image is configured for another platform than listed', async () => {
		const maker = new ReleaseMaker(['amd64', 'arm64']);
		maker.addBuilt('etcd');
		const [amd64, arm64] = await maker.finish();
		const entries = [entryOf(amd64!), entryOf(arm64!, { platform: linux('s390x') })];
		maker.registries.putManifest(maker.release, maker.index(entries), '1');
		expect(releaseFacts(await maker.read())?.findings).toEqual([
			'A release image: It is listed as linux/s390x, but its config says linux/arm64.',
		]);
	});
});

describe('a payload is refused', () => {
	const edit =
		(from: string | RegExp, to: string): NonNullable<FinishOptions['edit']> =>
		(files) =>
			files.map(({ name, text }) => ({ name, text: text.replace(from, to) }));

	it.each<[string, FinishOptions, RegExp]>([
		[
			'where it names a component twice',
			{
				edit: edit(
					/"tags":\[(.*?)\]\}/,
					'"tags":[{"name":"a","from":null},{"name":"a","from":null}]}',
				),
			},
			/it names a twice/,
		],
		['that is no ImageStream', { edit: edit('ImageStream', 'List') }, /kind: /],
		[
			'of another API version',
			{ edit: edit('openshift.io/v1', 'openshift.io/v2') },
			/apiVersion: /,
		],
		['whose image-references is no JSON', { edit: edit('{"kind":"ImageStream"', '{') }, /not JSON/],
		['whose release-metadata is no JSON', { edit: edit('{"kind":"cincinnati', '{') }, /not JSON/],
		['of another kind of metadata', { edit: edit('metadata-v0', 'metadata-v1') }, /kind: /],
		['whose version is none', { version: 'latest' }, /version: not a semantic version/],
		['without release-metadata', { edit: ([first]) => [first!] }, /no .*release-metadata/],
		[
			'without image-references',
			{ edit: ([, second]) => [second!] },
			/No layer .*image-references/,
		],
	])('%s', async (_, options, reason) => {
		const reading = await readWith(options);
		expect(reading.problem).toMatchObject({
			code: 'payload-invalid',
			origin: 'content',
			reason: expect.stringMatching(reason) as string,
		});
		expect(releaseFacts(reading)).toBeUndefined();
		expect(reading.stage).toBe('done');
	});

	it.each<[string, FinishOptions['pack'], string, RegExp]>([
		[
			'whose layer is no gzip',
			({ mediaType }) => contentOf(mediaType, 'this is no gzip'),
			'malformed',
			/not a complete gzip stream/,
		],
		[
			'whose layer ends early',
			({ mediaType, bytes }) => contentOf(mediaType, bytes.subarray(0, bytes.length - 9)),
			'malformed',
			/not a complete gzip stream/,
		],
		[
			'whose layer is compressed in another way',
			({ bytes }) => contentOf('application/vnd.oci.image.layer.v1.tar+zstd', bytes),
			'unsupported',
			/tar\+zstd; release payloads are gzip/,
		],
	])('%s', async (_, pack, code, reason) => {
		const reading = await readWith({ architectures: ['amd64'], pack: pack! });
		expect(reading.problem).toMatchObject({
			code,
			reason: expect.stringMatching(reason) as string,
		});
	});

	it('whose layer claims to be too large, before any of it is read', async () => {
		const maker = new ReleaseMaker(['amd64']);
		const [image] = await maker.finish();
		const { manifest } = image!;
		const json = JSON.parse(new TextDecoder().decode(manifest.bytes)) as { layers: object[] };
		const layers = json.layers.map((layer) => ({ ...layer, size: limits.payloadBytes + 1 }));
		const content = contentOf(manifest.mediaType, { ...json, layers });
		maker.registries.putManifest(maker.release, content, '1');
		const reading = await maker.read();
		expect(reading.problem).toMatchObject({ code: 'too-large' });
		expect(maker.registries.asked).not.toContain(
			`quay.io/acme/release@${image!.layers[0]!.digest}`,
		);
	});

	it('whose layer is not what its digest says', async () => {
		const maker = new ReleaseMaker(['amd64']);
		const [image] = await maker.finish();
		const layer = byDigest(maker.release, image!.layers[0]!.digest);
		maker.registries.corrupt(layer, image!.layers[0]!.bytes.toReversed());
		expect((await maker.read()).problem?.code).toMatch(/^(?:digest-mismatch|malformed)$/);
	});

	it('whose layer is not there', async () => {
		const maker = new ReleaseMaker(['amd64']);
		const [image] = await maker.finish();
		maker.registries.remove(byDigest(maker.release, image!.layers[0]!.digest));
		expect((await maker.read()).problem?.code).toBe('blob-unknown');
	});
});

describe('a reference that is no release', () => {
	async function readRoot(
		make: (maker: ReleaseMaker) => { mediaType: string; bytes: Uint8Array },
	): Promise<ReleaseReading> {
		const maker = new ReleaseMaker();
		maker.registries.putManifest(maker.release, make(maker), '1');
		return maker.read();
	}
	function stored(maker: ReleaseMaker, image: MadeImage): MadeImage {
		maker.store(maker.release, image);
		return image;
	}

	it('is read to its children, with the state of each', async () => {
		const reading = await readRoot((maker) => {
			const image = stored(maker, maker.image('plain', linux('amd64')));
			const lost = maker.image('lost', linux('arm64'));
			return maker.index([entryOf(image), entryOf(lost)]);
		});
		expect(isRelease(reading)).toBe(false);
		expect(reading).toMatchObject({ stage: 'done', problem: undefined, payload: undefined });
		expect(reading.images.map(({ platform, state }) => [platform, state.kind])).toEqual([
			['linux/amd64', 'read'],
			['linux/arm64', 'broken'],
		]);
		expect(tableOf(reading)).toEqual({});
	});

	it('may be an image', async () => {
		const reading = await readRoot(
			(maker) => stored(maker, maker.image('plain', linux('s390x'))).manifest,
		);
		expect(reading.images.map(({ platform }) => platform)).toEqual(['linux/s390x']);
		expect(isRelease(reading)).toBe(false);
	});

	it('may be an artifact, and has no platforms then', async () => {
		const reading = await readRoot(
			(maker) =>
				stored(
					maker,
					maker.image('chart', linux('amd64'), { configType: 'application/vnd.cncf.helm+json' }),
				).manifest,
		);
		expect(reading.problem).toBeUndefined();
		expect(reading.images.map(({ platform }) => platform)).toEqual([undefined]);
		expect(isRelease(reading)).toBe(false);
	});

	it('may be something that cannot be read at all', async () => {
		const reading = await readRoot(() => contentOf(mediaTypes.ociIndex, '{"manifests":'));
		expect(reading.images.map(({ state }) => state)).toEqual([
			{ kind: 'broken', reason: 'It cannot be read: it is not JSON.' },
		]);
	});

	it('may be of an old kind that lists nothing', async () => {
		const reading = await readRoot(() =>
			contentOf(mediaTypes.dockerSchema1, { schemaVersion: 1, fsLayers: [] }),
		);
		expect(reading).toMatchObject({ stage: 'done', problem: undefined, images: [] });
	});

	it('and is not there has a problem and nothing else', async () => {
		const maker = new ReleaseMaker();
		const reading = await readWholeRelease(
			{ registries: maker.registries, inflate },
			startReading({ registry: 'quay.io', repository: 'no/where' }),
		);
		expect(reading.problem).toMatchObject({
			code: 'repository-unknown',
			reference: 'quay.io/no/where:latest',
		});
		expect(reading).toMatchObject({ stage: 'done', root: undefined, images: [] });
	});

	it('turns a defect of its reader into a problem that says so', async () => {
		const maker = new ReleaseMaker();
		await maker.finish();
		maker.registries.beforeRead = () => Promise.reject(new TypeError('x is not a function'));
		expect((await maker.read()).problem).toMatchObject({
			code: 'internal',
			reason: expect.stringContaining('x is not a function') as string,
		});
	});
});

describe('what a release lists besides images', () => {
	it('does not stand in for release images', async () => {
		const maker = new ReleaseMaker();
		maker.addBuilt('etcd');
		const images = await maker.finish();
		const attestation = maker.image('attestation', linux('amd64'));
		maker.store(maker.release, attestation);
		const root = maker.index([
			...images.map((image) => entryOf(image)),
			{
				...descriptorOf(attestation.manifest),
				platform: { os: 'unknown', architecture: 'unknown' },
			},
		]);
		maker.registries.putManifest(maker.release, root, '1');
		const reading = await maker.read();
		expect(reading.images).toHaveLength(2);
		expect(releaseFacts(reading)?.agreement).toEqual({ kind: 'agree' });
	});
});
