import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { gzip } from '../../../shared/archive/compress.ts';
import { readTar } from '../../../shared/archive/tar.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { byDigest, formatReference, type Repository } from '../../../shared/oci/reference.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import { parsePayload } from '../../../shared/release/payload.ts';
import {
	pruneRelease,
	type PruneChoices,
	type PrunedRelease,
} from '../../../shared/release/prune-release.ts';
import type { PruneSelection } from '../../../shared/release/prune-selection.ts';
import {
	readWholeRelease,
	releaseLabel,
	startReading,
	type ReleaseReading,
} from '../../../shared/release/read-release.ts';
import { inflate } from '../../../web/api/inflate.ts';
import { hashOf } from '../../support/fake-registries.ts';
import {
	contentOf,
	descriptorOf,
	entryOf,
	linux,
	ReleaseMaker,
	type Content,
	type FinishOptions,
	type Flavour,
	type MadeImage,
} from '../../support/release-maker.ts';
import { tableOf } from './cells.ts';

const tools = { hash: hashOf, gzip: async (bytes: Uint8Array) => gzip(bytes) };
const denied: Problem = { code: 'denied', origin: 'registry', reason: 'Not for you.' };
const elsewhere: Repository = { registry: 'registry.example:5000', repository: 'mirror/parts' };

const placeholders: PruneSelection = {
	preset: { kind: 'placeholders' },
	components: [],
	exclude: [],
	toggled: [],
};

function keeping(...platforms: string[]): PruneSelection {
	return {
		...placeholders,
		preset: { kind: 'platforms', keep: platforms.map((each) => parsePlatform(each)!) },
	};
}

function choose(maker: ReleaseMaker, changes: Partial<PruneChoices> = {}): PruneChoices {
	return {
		selection: placeholders,
		repository: maker.parts,
		release: { ...maker.release, tag: 'pruned' },
		tagTemplate: '{version}__{component}',
		selfContained: false,
		rewriteVersion: false,
		...changes,
	};
}

/** `aws` stands on the pod image for all but amd64; every manifest names its component. */
function makeRelease(architectures = ['amd64', 'arm64', 's390x'], flavour: Flavour = 'oci') {
	const maker = new ReleaseMaker(architectures, flavour);
	const pods = maker.addBuilt('pod');
	const aws = maker.add('aws', [
		entryOf(maker.image('aws', linux('amd64'))),
		...pods.slice(1).map((pod, at) => entryOf(pod, { platform: linux(architectures[at + 1]!) })),
	]);
	maker.addBuilt('etcd');
	const text = `image: ${formatReference(aws)}\nversion: "4.20.0"\n`;
	return { maker, pods, files: [{ name: '0000_50_aws.yaml', text }] };
}

async function prune(
	maker: ReleaseMaker,
	changes: Partial<PruneChoices> = {},
	options: FinishOptions = {},
): Promise<PrunedRelease> {
	await maker.finish(options);
	return pruneRelease(await maker.read(), choose(maker, changes), tools);
}

/** The release again, with other layers in its images. */
async function relayer(
	maker: ReleaseMaker,
	files: FinishOptions['files'] & object,
	layersOf: (payload: Content, architecture: string) => readonly Content[],
	edit: (manifest: Content) => Content = (manifest) => manifest,
): Promise<readonly MadeImage[]> {
	const images = await maker.finish({ files });
	const again = images.map((image): MadeImage => {
		const [payload] = image.layers;
		const layers = layersOf(payload!, image.platform.architecture);
		const made = maker.image('release', image.platform, {
			labels: { [releaseLabel]: maker.version },
			layers,
			diffIds: layers.map(({ bytes }) => hashOf('sha256', gunzipSync(bytes))),
		});
		const edited = { ...made, manifest: edit(made.manifest) };
		maker.store(maker.release, edited);
		return edited;
	});
	maker.registries.putManifest(maker.release, maker.index(again.map((each) => entryOf(each))), '1');
	return again;
}

function refusalOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no refusal',
		(error: unknown) => `${problemOf(error).code}: ${problemOf(error).reason}`,
	);
}

/** Puts what was made beside what is there, and reads it as a release. */
function readAgain(maker: ReleaseMaker, pruned: PrunedRelease): Promise<ReleaseReading> {
	for (const { bytes } of pruned.blobs) maker.registries.putBlob(maker.release, bytes);
	for (const { made } of pruned.components) {
		for (const document of made) maker.registries.putManifest(maker.parts, document);
	}
	for (const document of pruned.made) maker.registries.putManifest(maker.release, document);
	const reference = byDigest(maker.release, pruned.root.digest);
	return readWholeRelease({ registries: maker.registries, inflate }, startReading(reference));
}

function jsonOf({ bytes }: { bytes: Uint8Array }): unknown {
	return JSON.parse(new TextDecoder().decode(bytes));
}

async function payloadIn(pruned: PrunedRelease) {
	const layer = pruned.blobs.find(({ mediaType }) => mediaType.includes('tar'))!;
	return parsePayload([await readTar(gunzipSync(layer.bytes), 100)]);
}

function componentOf({ components }: PrunedRelease, name: string) {
	return components.find((component) => component.name === name)!;
}

describe.each<[string, Flavour]>([
	['OCI', 'oci'],
	['Docker', 'docker'],
])('a release of %s types without its placeholders', (_, flavour) => {
	it('reads as a release in which none is left and nothing else has changed', async () => {
		const { maker, files } = makeRelease(undefined, flavour);
		const pruned = await prune(maker, {}, { files });
		const reading = await readAgain(maker, pruned);
		expect(reading.problem).toBeUndefined();
		expect(tableOf(reading)).toEqual({
			pod: 'amd64=built arm64=built s390x=built',
			aws: 'amd64=built arm64=missing s390x=missing',
			etcd: 'amd64=built arm64=built s390x=built',
		});
		const before = await maker.read();
		expect(reading.root?.mediaType).toBe(before.root?.mediaType);
		expect(reading.payload?.metadata).toEqual(before.payload?.metadata);
		expect(reading.images.map(({ platform }) => platform)).toEqual(
			before.images.map(({ platform }) => platform),
		);
	});
});

describe('a pruned release', () => {
	it('changes one component and its pullspec in every file, and no other byte of the payload', async () => {
		const { maker, files } = makeRelease();
		const pruned = await prune(maker, {}, { files });
		expect(pruned.components.map(({ name, changed }) => [name, changed])).toEqual([
			['pod', false],
			['aws', true],
			['etcd', false],
		]);
		const { pullspec, root, removed, made } = componentOf(pruned, 'aws');
		expect(pullspec.to).toBe(`quay.io/acme/parts@${root.digest}`);
		expect(made).toEqual([root]);
		expect(removed.map(({ platform }) => platform)).toEqual(['linux/arm64', 'linux/s390x']);
		expect(pruned.files).toEqual([
			{ name: 'image-references', replacements: 1 },
			{ name: '0000_50_aws.yaml', replacements: 1 },
		]);
		const payload = await payloadIn(pruned);
		expect(new TextDecoder().decode(payload.files[0]?.bytes)).toBe(
			files[0]!.text.replace(pullspec.from, pullspec.to),
		);
	});

	it('has one new layer for all its images, and a config and manifest for each', async () => {
		const { maker, files } = makeRelease();
		const pruned = await prune(maker, {}, { files });
		expect(pruned.blobs).toHaveLength(1 + 3);
		expect(pruned.made).toHaveLength(3 + 1);
		expect(pruned.made.at(-1)).toBe(pruned.root);
		expect(pruned.images.map(({ to }) => to)).toEqual(
			pruned.made.slice(0, -1).map(({ digest }) => digest),
		);
		for (const { digest, bytes } of [...pruned.blobs, ...pruned.made]) {
			expect(hashOf('sha256', bytes)).toBe(digest);
		}
	});

	it('keeps everything else of configs and manifests', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const [original] = await maker.finish({ files });
		const pruned = await pruneRelease(await maker.read(), choose(maker), tools);
		const before = jsonOf(original!.manifest) as { layers: object[]; config: object };
		const [made] = pruned.made;
		const [layer, config] = pruned.blobs;
		expect(jsonOf(made!)).toEqual({
			...before,
			config: { ...before.config, digest: config!.digest, size: config!.bytes.length },
			layers: [{ ...before.layers[0], digest: layer!.digest, size: layer!.bytes.length }],
		});
		const diffId = hashOf('sha256', gunzipSync(layer!.bytes));
		expect(jsonOf(config!)).toEqual({
			...(jsonOf(original!.config) as object),
			rootfs: { type: 'layers', diff_ids: [diffId] },
		});
	});

	it('replaces the payload layer alone, at its place in each image', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const below = contentOf(mediaTypes.ociLayerGzip, gzip(new Uint8Array(1024)));
		const images = await relayer(maker, files, (payload, architecture) =>
			architecture === 'amd64' ? [below, payload] : [payload, below],
		);
		const pruned = await pruneRelease(await maker.read(), choose(maker), tools);
		const [layer] = pruned.blobs;
		const layersOf = (document: { bytes: Uint8Array }) =>
			(jsonOf(document) as { layers: { digest: string }[] }).layers.map(({ digest }) => digest);
		expect(pruned.made.slice(0, 2).map(layersOf)).toEqual([
			[below.digest, layer!.digest],
			[layer!.digest, below.digest],
		]);
		expect(images).toHaveLength(2);
	});

	it('is edited from the inside out where its index is nested', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64', 's390x']);
		const images = await maker.finish({ files });
		const inner = maker.index(images.slice(1).map((image) => entryOf(image)));
		maker.registries.putManifest(maker.release, inner);
		const root = maker.index([entryOf(images[0]!), descriptorOf(inner)]);
		maker.registries.putManifest(maker.release, root, '1');
		const selection = keeping('amd64', 'arm64');
		const pruned = await pruneRelease(await maker.read(), choose(maker, { selection }), tools);
		expect(pruned.made).toHaveLength(2 + 2);
		const reading = await readAgain(maker, pruned);
		expect(reading.images.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
		expect(tableOf(reading)['aws']).toBe('amd64=built arm64=placeholder');
	});

	it('gives the same bytes again', async () => {
		const { maker, files } = makeRelease();
		const first = await prune(maker, {}, { files });
		const second = await pruneRelease(await maker.read(), choose(maker), tools);
		expect(second).toEqual(first);
	});

	it('is the release itself where nothing goes', async () => {
		const { maker } = makeRelease();
		const selection: PruneSelection = { ...placeholders, preset: { kind: 'none' } };
		const pruned = await prune(maker, { selection });
		const reading = await maker.read();
		expect(pruned.root.digest).toBe(reading.root?.digest);
		expect(pruned).toMatchObject({ made: [], blobs: [], files: [], removed: [], notes: [] });
		for (const { from, to } of pruned.components) expect(to).toEqual(from);
		expect(pruned.images.every(({ from, to }) => from === to)).toBe(true);
	});

	it('keeps only some platforms, everywhere', async () => {
		const { maker, files } = makeRelease();
		const pruned = await prune(maker, { selection: keeping('amd64') }, { files });
		const reading = await readAgain(maker, pruned);
		expect(tableOf(reading)).toEqual({
			pod: 'amd64=built',
			aws: 'amd64=built',
			etcd: 'amd64=built',
		});
		expect(pruned.removed.map(({ platform }) => platform)).toEqual(['linux/arm64', 'linux/s390x']);
		expect(pruned.images).toHaveLength(1);
	});

	it('names all its components in one repository when it is self-contained', async () => {
		const { maker, files } = makeRelease();
		const pruned = await prune(maker, { repository: elsewhere, selfContained: true }, { files });
		for (const { to, root, pullspec } of pruned.components) {
			expect(to).toEqual({ ...elsewhere, digest: root.digest });
			expect(pullspec.to).toBe(`registry.example:5000/mirror/parts@${root.digest}`);
		}
		const payload = await payloadIn(pruned);
		expect(payload.imageReferences.components.map(({ pullspec }) => pullspec)).toEqual(
			pruned.components.map(({ pullspec }) => pullspec.to),
		);
	});

	it('leaves components where they are that do not change', async () => {
		const { maker, files } = makeRelease();
		const pruned = await prune(maker, { repository: elsewhere }, { files });
		expect(componentOf(pruned, 'etcd').to).toEqual(componentOf(pruned, 'etcd').from);
		expect(componentOf(pruned, 'aws').to).toMatchObject(elsewhere);
	});

	it('takes a new version in label, image-references and release-metadata, and lists the rest', async () => {
		const { maker, files } = makeRelease();
		const pruned = await prune(maker, { version: '4.20.0-acme.1+x' }, { files });
		expect(pruned.version).toEqual({ from: '4.20.0', to: '4.20.0-acme.1+x' });
		expect(pruned.mentions).toEqual([
			{ file: '0000_50_aws.yaml', line: 2, text: 'version: "4.20.0"', rewritten: false },
		]);
		const reading = await readAgain(maker, pruned);
		expect(reading.payload?.metadata.version).toBe('4.20.0-acme.1+x');
		expect(reading.payload?.imageReferences.name).toBe('4.20.0-acme.1+x');
		const labels = pruned.blobs
			.filter(({ mediaType }) => mediaType.includes('config'))
			.map((config) => (jsonOf(config) as { config: { Labels: object } }).config.Labels);
		expect(labels).toHaveLength(3);
		for (const each of labels) expect(each).toEqual({ 'io.openshift.release': '4.20.0-acme.1+x' });
	});

	it('rewrites the version in manifests when asked', async () => {
		const { maker, files } = makeRelease();
		const choices = { version: '4.20.0-acme.1', rewriteVersion: true };
		const pruned = await prune(maker, choices, { files });
		const payload = await payloadIn(pruned);
		expect(new TextDecoder().decode(payload.files[0]?.bytes)).toContain('"4.20.0-acme.1"');
		expect(pruned.mentions.map(({ rewritten }) => rewritten)).toEqual([true]);
	});

	it('of one architecture is an image, and stays one', async () => {
		const { maker, files } = makeRelease(['amd64']);
		maker.add('more', [
			entryOf(maker.image('more', linux('amd64'))),
			entryOf(maker.image('more', linux('arm64'))),
		]);
		const selection = { ...keeping('amd64'), components: ['more'] };
		const pruned = await prune(maker, { selection }, { files, single: true });
		expect(pruned.made).toEqual([pruned.root]);
		const reading = await readAgain(maker, pruned);
		expect(tableOf(reading)['more']).toBe('amd64=built');
	});

	it('has a layer for each payload where its images differ in other files', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const payloadFor = (architecture: string) => ({
			files: [...files, { name: 'own.yaml', text: architecture }],
		});
		const pruned = await prune(maker, {}, { payloadFor });
		expect(pruned.blobs.filter(({ mediaType }) => mediaType.includes('tar'))).toHaveLength(2);
		expect(pruned.files).toHaveLength(2);
		const reading = await readAgain(maker, pruned);
		expect(reading.payloads.every(({ payload }) => payload !== undefined)).toBe(true);
	});

	it('keeps a build that is listed after the placeholder, which goes alone', async () => {
		const { maker, pods, files } = makeRelease(['amd64', 'arm64']);
		const built = maker.image('late', linux('arm64'));
		maker.add('late', [
			entryOf(maker.image('late', linux('amd64'))),
			entryOf(pods[1]!),
			entryOf(built),
		]);
		const pruned = await prune(maker, {}, { files });
		expect(componentOf(pruned, 'late').removed.map(({ digest }) => digest)).toEqual([
			pods[1]!.manifest.digest,
		]);
		const reading = await readAgain(maker, pruned);
		expect(tableOf(reading)['late']).toBe('amd64=built arm64=built');
		expect(pruned.notes).toEqual([]);
	});

	it('has no build after the placeholder where the platform itself was chosen to go', async () => {
		const { maker, pods } = makeRelease(['amd64', 'arm64']);
		maker.add('late', [
			entryOf(maker.image('late', linux('amd64'))),
			entryOf(pods[1]!),
			entryOf(maker.image('late', linux('arm64'))),
		]);
		const pruned = await prune(maker, { selection: { ...keeping('amd64'), components: ['late'] } });
		expect(componentOf(pruned, 'late').removed).toHaveLength(2);
	});

	it('has a build after the placeholder only where that can be read', async () => {
		const { maker, pods } = makeRelease(['amd64', 'arm64']);
		const built = maker.image('late', linux('arm64'));
		maker.add('late', [entryOf(pods[1]!), entryOf(built)]);
		maker.registries.fail(maker.part(built.manifest), denied);
		expect(await refusalOf(prune(maker))).toBe(
			'plan-impossible: late for linux/arm64 has to be written, but: Not for you.',
		);
	});

	it('says where a placeholder stays that is listed after a build', async () => {
		const { maker, pods, files } = makeRelease(['amd64', 'arm64']);
		maker.add('early', [
			...['amd64', 'arm64'].map((each) => entryOf(maker.image('early', linux(each)))),
			entryOf(pods[1]!),
		]);
		const pruned = await prune(maker, {}, { files });
		expect(componentOf(pruned, 'early').changed).toBe(false);
		expect(pruned.notes).toEqual([
			'early keeps a placeholder for linux/arm64, which is listed after another image and so does not count.',
		]);
	});

	it('names components by digest alone, also those that stay in their place with a tag', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const index = maker.index(
			['amd64', 'arm64'].map((each) => entryOf(maker.image('tagged', linux(each)))),
		);
		const pullspec = `quay.io/acme/parts:v1@${maker.registries.putManifest(maker.parts, index, 'v1').digest}`;
		maker.addPullspec('tagged', pullspec);
		const pruned = await prune(maker, { selfContained: true }, { files });
		expect(componentOf(pruned, 'tagged')).toMatchObject({
			to: byDigest(maker.parts, index.digest),
			pullspec: { from: pullspec, to: pullspec },
		});
		expect(componentOf(pruned, 'tagged').to.tag).toBeUndefined();
	});

	it('is renamed from the version that each image has', async () => {
		const { maker } = makeRelease(['amd64', 'arm64']);
		const payloadFor = (architecture: string) => {
			const version = architecture === 'arm64' ? '4.19.7' : '4.20.0';
			return { version, files: [{ name: 'a.yaml', text: `version: ${version}\n` }] };
		};
		const choices = { version: '4.21.0', rewriteVersion: true };
		const pruned = await prune(maker, choices, { payloadFor });
		expect(pruned.mentions.map(({ text }) => text)).toEqual(['version: 4.20.0', 'version: 4.19.7']);
		expect(pruned.notes).toEqual([
			'The release image for linux/arm64 is renamed too, though its version is 4.19.7.',
		]);
		const reading = await readAgain(maker, pruned);
		for (const { payload } of reading.payloads) {
			expect(payload?.metadata.version).toBe('4.21.0');
			expect(new TextDecoder().decode(payload?.files[0]?.bytes)).toBe('version: 4.21.0\n');
		}
	});

	it('lists no mentions where the version that is asked for is there already', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const pruned = await prune(maker, { version: '4.20.0', rewriteVersion: true }, { files });
		expect(pruned).toMatchObject({ mentions: [], notes: [] });
	});

	it('says which components it leaves because they could not be read', async () => {
		const { maker, files } = makeRelease();
		const { digest } = maker.add('closed', [entryOf(maker.image('closed', linux('amd64')))]);
		maker.registries.fail(byDigest(maker.parts, digest), denied);
		const pruned = await prune(maker, {}, { files });
		expect(pruned.components.map(({ name }) => name)).toEqual(['pod', 'aws', 'etcd']);
		expect(pruned.notes).toEqual([
			'closed stays as it is, because it could not be read: Not for you.',
		]);
	});

	it('says which cells it leaves because they could not be looked at', async () => {
		const { maker, files } = makeRelease();
		const [image] = maker.addBuilt('closed');
		maker.registries.fail(maker.part(image!.manifest), denied);
		const { notes } = await prune(maker, {}, { files });
		expect(notes).toEqual([
			'closed keeps linux/amd64, which could not be looked at and may be placeholders.',
		]);
	});
});

describe('pruning a release is refused', () => {
	it('where components would lose everything, naming all of them with their cells', async () => {
		const { maker } = makeRelease();
		maker.add('single', [entryOf(maker.image('single', linux('amd64')))]);
		maker.addContent('image', maker.image('image', linux('amd64')).manifest);
		expect(await refusalOf(prune(maker, { selection: keeping('arm64', 's390x') }))).toBe(
			'plan-impossible: It would leave nothing of single (linux/amd64), image (linux/amd64): exclude them, or keep a platform.',
		);
	});

	it('where the release would lose every platform', async () => {
		const { maker } = makeRelease();
		const selection = { ...keeping('riscv64'), exclude: ['*'] };
		expect(await refusalOf(prune(maker, { selection }))).toContain(
			'plan-impossible: It would leave nothing of the release (linux/amd64, linux/arm64, linux/s390x).',
		);
	});

	it('where a kept child of a component that has to be written is not whole, naming each', async () => {
		const { maker } = makeRelease();
		const [closed] = maker.addBuilt('closed');
		const [, gone] = maker.addBuilt('gone');
		maker.registries.fail(maker.part(closed!.manifest), denied);
		maker.registries.fail(maker.part(gone!.manifest), {
			...denied,
			code: 'manifest-unknown',
		});
		const refusal = await refusalOf(prune(maker, { selfContained: true }));
		expect(refusal).toContain('closed for linux/amd64 has to be written, but: Not for you.');
		expect(refusal).toContain(
			'gone for linux/arm64 has to be written, but: Its manifest is listed',
		);
	});

	it('but not where a broken child goes', async () => {
		const { maker } = makeRelease();
		const [, , gone] = maker.addBuilt('gone');
		maker.registries.fail(maker.part(gone!.manifest), { ...denied, code: 'manifest-unknown' });
		const pruned = await prune(maker, { selection: keeping('amd64', 'arm64') });
		expect(componentOf(pruned, 'gone').changed).toBe(true);
	});

	it('where a component has to be copied along that could not be read', async () => {
		const { maker } = makeRelease();
		maker.registries.fail(maker.add('closed', []), denied);
		expect(await refusalOf(prune(maker, { selfContained: true }))).toBe(
			'plan-impossible: closed has to be written, but could not be read: Not for you.',
		);
	});

	it('where a component is named by a tag and would change', async () => {
		const { maker } = makeRelease();
		const index = maker.index(
			['amd64', 'arm64'].map((each) => entryOf(maker.image('tagged', linux(each)))),
		);
		maker.registries.putManifest(maker.parts, index, 'v1');
		maker.addPullspec('tagged', 'quay.io/acme/parts:v1');
		const selection = { ...keeping('amd64'), components: ['tagged'] };
		expect(await refusalOf(prune(maker, { selection }))).toBe(
			'plan-impossible: tagged is named by a tag, quay.io/acme/parts:v1, so its pullspec cannot be replaced.',
		);
		const pruned = await prune(maker);
		expect(componentOf(pruned, 'tagged')).toMatchObject({ changed: false });
	});

	it('where one pullspec would become two', async () => {
		const { maker } = makeRelease();
		const index = maker.addBuilt('twin').map((image) => entryOf(image));
		maker.addPullspec('other', formatReference(maker.part(maker.index(index))));
		const selection = { ...keeping('amd64'), components: ['twin'] };
		expect(await refusalOf(prune(maker, { selection }))).toContain(
			'plan-impossible: twin and other are named by one pullspec',
		);
	});

	it('where the release images name different components', async () => {
		const { maker } = makeRelease(['amd64', 'arm64']);
		const payloadFor = (architecture: string) => ({
			edit: (files: readonly { name: string; text: string }[]) =>
				architecture === 'arm64'
					? files.map(({ name, text }) => ({ name, text: text.replace('"etcd"', '"etcd2"') }))
					: files,
		});
		expect(await refusalOf(prune(maker, {}, { payloadFor }))).toContain(
			'do not name the same components: those for linux/arm64 differ',
		);
	});

	it('where a release image could not be read, unless it goes', async () => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const [, image] = await maker.finish({ files });
		maker.registries.fail(byDigest(maker.release, image!.manifest.digest), denied);
		const reading = await maker.read();
		expect(await refusalOf(pruneRelease(reading, choose(maker), tools))).toBe(
			'plan-impossible: The release image for linux/arm64 has to be made anew, but: Not for you.',
		);
		const choices = choose(maker, { selection: keeping('amd64') });
		expect((await pruneRelease(reading, choices, tools)).images).toHaveLength(1);
	});

	it.each(['config', 'layers'])('where a descriptor of %s embeds its content', async (which) => {
		const { maker, files } = makeRelease(['amd64', 'arm64']);
		const edit = (manifest: Content) => {
			const json = jsonOf(manifest) as { config: object; layers: object[] };
			const embedding = [json[which as 'config' | 'layers']].flat()[0];
			Object.assign(embedding!, { data: 'e30=' });
			return contentOf(manifest.mediaType, json);
		};
		await relayer(maker, files, (payload) => [payload], edit);
		expect(await refusalOf(pruneRelease(await maker.read(), choose(maker), tools))).toContain(
			'embeds the content of',
		);
	});

	it('where the layer of the payload is not known', async () => {
		const { maker } = makeRelease(['amd64', 'arm64']);
		await maker.finish();
		const reading = await maker.read();
		reading.payloads = reading.payloads.map(({ layer: _, ...payload }) => payload);
		expect(await refusalOf(pruneRelease(reading, choose(maker), tools))).toContain(
			'the layer of its payload is not known',
		);
	});

	it('where the payload layer is not what the config says', async () => {
		const { maker } = makeRelease(['amd64', 'arm64']);
		const pack = (layer: { mediaType: string; bytes: Uint8Array }) => {
			const tar = gunzipSync(layer.bytes);
			const padded = new Uint8Array(tar.length + 512);
			padded.set(tar);
			return contentOf(layer.mediaType, gzip(padded));
		};
		expect(await refusalOf(prune(maker, {}, { pack }))).toContain('but its config says sha256:');
	});

	it.each(['v4.20.0', 'next', '4.20', '', ' 4.20.0'])('for the version %j', async (version) => {
		const { maker } = makeRelease();
		expect(await refusalOf(prune(maker, { version }))).toContain('is not a semantic version');
	});

	it('for something that is no release, and before all is read', async () => {
		const { maker } = makeRelease();
		await maker.finish({ label: '' });
		expect(await refusalOf(pruneRelease(await maker.read(), choose(maker), tools))).toContain(
			'plan-impossible: There is no release to prune',
		);
		expect(await refusalOf(pruneRelease(maker.start(), choose(maker), tools))).toContain(
			'plan-impossible: The release is not read to its end yet.',
		);
	});

	it('with everything that stands against it at once', async () => {
		const { maker } = makeRelease();
		maker.registries.fail(maker.add('closed', []), denied);
		maker.addPullspec('broken', 'NOT A REFERENCE');
		const refusal = await refusalOf(prune(maker, { selfContained: true, version: 'x' }));
		for (const part of ['closed has', 'broken has', '“x” is not']) expect(refusal).toContain(part);
	});
});

describe('a choice that names nothing in the release', () => {
	it.each<[string, Partial<PruneSelection>, RegExp]>([
		['a glob of components', { components: ['zzz*'] }, /called “zzz\*”/],
		['a glob of components to leave alone', { exclude: ['zzz'] }, /called “zzz”/],
		[
			'a cell of no component',
			{ toggled: [{ component: 'nope', platform: parsePlatform('linux/arm64')! }] },
			/nope has nothing listed for linux\/arm64/,
		],
		[
			'a cell with nothing listed',
			{ toggled: [{ component: 'etcd', platform: parsePlatform('linux/s390x')! }] },
			/etcd has nothing listed for linux\/s390x/,
		],
	])('is refused: %s', async (_, changes, reason) => {
		const maker = new ReleaseMaker();
		maker.addBuilt('etcd');
		maker.addBuilt('pod');
		await maker.finish();
		const selection = { ...placeholders, ...changes };
		const pruning = pruneRelease(await maker.read(), choose(maker, { selection }), tools);
		await expect(pruning).rejects.toThrow(reason);
	});
});
