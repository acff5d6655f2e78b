import { describe, expect, it } from 'vitest';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import type { Problem, ProblemCode } from '../../../shared/registry/problem.ts';
import { assessCoverage, type Coverage } from '../../../shared/release/coverage.ts';
import {
	contentOf,
	descriptorOf,
	entryOf,
	linux,
	ReleaseMaker,
	type Content,
	type Entry,
	type MadeImage,
} from '../../support/release-maker.ts';
import { cellOf, rowOf, statusesOf, tableOf } from './cells.ts';

function problem(code: ProblemCode, more: Partial<Problem> = {}): Problem {
	return { code, origin: 'registry', reason: `It is ${code}.`, ...more };
}

/** Reads a release of one component whose arm64 is as `change` left it. */
async function withArm64(
	change: (maker: ReleaseMaker, image: MadeImage) => Entry | undefined,
	depth?: 'children' | 'configs',
): Promise<Coverage> {
	const maker = new ReleaseMaker();
	const [amd64, arm64] = maker.architectures.map((name) => maker.image('etcd', linux(name)));
	const listed = change(maker, arm64!);
	maker.add('etcd', [entryOf(amd64!), ...(listed ? [listed] : [])]);
	await maker.finish();
	const coverage = assessCoverage(await maker.read(depth));
	expect(cellOf(coverage, 'etcd', 'amd64').status).toBe('built');
	return coverage;
}

describe('a cell', () => {
	it('is built where the child is listed, there, and for the platform it is listed under', async () => {
		const coverage = await withArm64((_, image) => entryOf(image));
		const cell = cellOf(coverage, 'etcd', 'arm64');
		expect(cell).toMatchObject({ status: 'built', expected: true, compared: true });
		expect(cell).not.toHaveProperty('reason');
		expect(cell).toMatchObject({ checkedAt: 1_000_000, mediaType: mediaTypes.ociManifest });
	});

	it('is missing where nothing is listed', async () => {
		const cell = cellOf(await withArm64(() => undefined), 'etcd', 'arm64');
		expect(cell).toMatchObject({
			status: 'missing',
			expected: true,
			reason: 'Nothing is listed for linux/arm64.',
		});
		expect(cell.digest).toBeUndefined();
	});

	it('is a mismatch where the config names another platform', async () => {
		const coverage = await withArm64((maker) =>
			entryOf(maker.image('etcd', linux('arm64'), { configured: linux('s390x') })),
		);
		expect(cellOf(coverage, 'etcd', 'arm64')).toMatchObject({
			status: 'mismatch',
			reason: 'It is listed as linux/arm64, but its config says linux/s390x.',
		});
	});

	it('is a mismatch where the config names no platform', async () => {
		const coverage = await withArm64((maker) =>
			entryOf(maker.image('etcd', linux('arm64'), { configured: { os: '', architecture: '' } })),
		);
		expect(cellOf(coverage, 'etcd', 'arm64')).toMatchObject({
			status: 'mismatch',
			reason: 'It is listed as linux/arm64, but its config names no platform.',
		});
	});

	it('is a mismatch where an artifact is listed under a platform', async () => {
		const coverage = await withArm64((maker) =>
			entryOf(maker.image('etcd', linux('arm64'), { configType: 'application/vnd.test+json' })),
		);
		expect(cellOf(coverage, 'etcd', 'arm64').reason).toContain('an artifact (application/vnd.test');
	});

	it.each([
		['arm64', 'v8', undefined],
		['arm64', undefined, 'v8'],
		['arm', undefined, 'v7'],
	])(
		'is built where %s/%s is listed and /%s configured',
		async (architecture, listed, configured) => {
			const maker = new ReleaseMaker([architecture]);
			const image = maker.image('etcd', linux(architecture, listed), {
				configured: linux(architecture, configured),
			});
			maker.add('etcd', [entryOf(image)]);
			await maker.finish();
			const [row] = Object.values(tableOf(await maker.read()));
			expect(row).toMatch(/=built$/);
		},
	);

	it('is a mismatch where both sides state a variant, and another one', async () => {
		const maker = new ReleaseMaker();
		const image = maker.image('etcd', linux('arm', 'v6'), { configured: linux('arm', 'v7') });
		maker.add('etcd', [entryOf(image)]);
		await maker.finish();
		expect(tableOf(await maker.read())['etcd']).toContain('arm/v6=mismatch');
	});

	it.each<[string, (maker: ReleaseMaker, image: MadeImage) => void, RegExp]>([
		[
			'its manifest is not in the registry',
			(maker, { manifest }) => maker.registries.remove(maker.part(manifest)),
			/manifest is listed, but it is not in the registry/,
		],
		[
			'its config is not in the registry',
			(maker, { config }) => maker.registries.remove(maker.part(config)),
			/config is listed, but it is not in the registry/,
		],
		[
			'its manifest is not what its digest says',
			(maker, { manifest }) => maker.registries.corrupt(maker.part(manifest), new Uint8Array(9)),
			/manifest is damaged: .* not sha256:/,
		],
		[
			'its config is not what its digest says',
			(maker, { config }) => maker.registries.corrupt(maker.part(config), new Uint8Array(9)),
			/config is damaged: .* not sha256:/,
		],
		[
			'its manifest ends in the middle',
			(maker, { manifest }) => maker.registries.fail(maker.part(manifest), problem('truncated')),
			/manifest is damaged/,
		],
	])('is broken where %s', async (_, damage, reason) => {
		const coverage = await withArm64((maker, image) => {
			damage(maker, image);
			return entryOf(image);
		});
		const cell = cellOf(coverage, 'etcd', 'arm64');
		expect(cell.status).toBe('broken');
		expect(cell.reason).toMatch(reason);
	});

	it('is broken where its manifest has not the size that its descriptor says', async () => {
		const coverage = await withArm64((_, image) => entryOf(image, { size: 7 }));
		expect(cellOf(coverage, 'etcd', 'arm64')).toMatchObject({
			status: 'broken',
			reason: expect.stringMatching(
				/^Its manifest has \d+ bytes, its descriptor says 7\.$/,
			) as string,
		});
	});

	function listed(maker: ReleaseMaker, content: Content): Entry {
		maker.registries.putManifest(maker.parts, content);
		return { ...descriptorOf(content), platform: linux('arm64') };
	}

	it.each<[string, (maker: ReleaseMaker, image: MadeImage) => Content, RegExp]>([
		['no JSON', () => contentOf(mediaTypes.ociManifest, '{'), /it is not JSON/],
		['no object', () => contentOf(mediaTypes.ociManifest, '[]'), /it is JSON, but not an object/],
		[
			'without a config',
			() => contentOf(mediaTypes.ociManifest, { schemaVersion: 2, layers: [] }),
			/config/,
		],
		[
			'image and index at once',
			(_, { config }) =>
				contentOf(mediaTypes.ociManifest, {
					schemaVersion: 2,
					config: descriptorOf(config),
					layers: [],
					manifests: [],
				}),
			/as an index and as an image at once/,
		],
		[
			'of another type than it says',
			(_, { config }) =>
				contentOf(mediaTypes.ociManifest, {
					schemaVersion: 2,
					mediaType: mediaTypes.dockerManifest,
					config: descriptorOf(config),
					layers: [],
				}),
			/but calls itself/,
		],
		[
			'an index where an image is listed',
			(maker) => maker.index([]),
			/listed as an image, but it is an index/,
		],
	])('is broken where its manifest is %s', async (_, make, reason) => {
		const coverage = await withArm64((maker, image) => ({
			...listed(maker, make(maker, image)),
			mediaType: mediaTypes.ociManifest,
		}));
		const cell = cellOf(coverage, 'etcd', 'arm64');
		expect(cell).toMatchObject({
			status: 'broken',
			reason: expect.stringMatching(reason) as string,
		});
	});

	it.each([
		['no JSON', (config: Content) => contentOf(config.mediaType, '{'), 0, /config cannot be read/],
		['of another size', (config: Content) => config, 5, /Its config has \d+ bytes, .* says \d+/],
	])('is broken where its config is %s', async (_, change, more, reason) => {
		const coverage = await withArm64((maker, image) => {
			const config = change(image.config);
			maker.registries.putBlob(maker.parts, config.bytes);
			const descriptor = { ...descriptorOf(config), size: config.bytes.length + more };
			return listed(
				maker,
				contentOf(mediaTypes.ociManifest, { schemaVersion: 2, config: descriptor, layers: [] }),
			);
		});
		const cell = cellOf(coverage, 'etcd', 'arm64');
		expect(cell).toMatchObject({
			status: 'broken',
			reason: expect.stringMatching(reason) as string,
		});
	});

	it.each<ProblemCode>([
		'unauthorized',
		'denied',
		'rate-limited',
		'connection-lost',
		'timeout',
		'registry-failure',
		'egress-blocked',
		'too-large',
	])('is unchecked, never missing or broken, where its manifest answers %s', async (code) => {
		const coverage = await withArm64((maker, image) => {
			maker.registries.fail(maker.part(image.manifest), problem(code, { status: 418 }));
			return entryOf(image);
		});
		expect(cellOf(coverage, 'etcd', 'arm64')).toMatchObject({
			status: 'unchecked',
			reason: `It is ${code}.`,
			problem: { code, status: 418 },
		});
		expect(cellOf(coverage, 'etcd', 'arm64').pending).toBeUndefined();
	});

	it('is unchecked where its config cannot be asked for', async () => {
		const coverage = await withArm64((maker, image) => {
			maker.registries.fail(maker.part(image.config), problem('rate-limited'));
			return entryOf(image);
		});
		expect(cellOf(coverage, 'etcd', 'arm64')).toMatchObject({
			status: 'unchecked',
			problem: { code: 'rate-limited' },
		});
	});

	it('is unchecked where its digest cannot be verified, and the rest of the index is read', async () => {
		const coverage = await withArm64((_, image) =>
			entryOf(image, { digest: `blake3:${'a'.repeat(64)}` }),
		);
		expect(cellOf(coverage, 'etcd', 'arm64')).toMatchObject({
			status: 'unchecked',
			reason: 'Its digest uses blake3, which cannot be verified here.',
		});
	});

	it('is extra where the release itself has no such platform', async () => {
		const maker = new ReleaseMaker();
		const images = ['amd64', 'arm64', 'riscv64'].map((name) => maker.image('etcd', linux(name)));
		maker.add(
			'etcd',
			images.map((image) => entryOf(image)),
		);
		maker.addBuilt('cli');
		await maker.finish();
		const coverage = assessCoverage(await maker.read());
		expect(cellOf(coverage, 'etcd', 'riscv64')).toMatchObject({
			status: 'extra',
			expected: false,
			reason: 'The release itself has no linux/riscv64.',
		});
		expect(rowOf(coverage, 'cli').cells).toHaveLength(2);
		expect(coverage.platforms.map(({ platform, expected }) => [platform, expected])).toEqual([
			['linux/amd64', true],
			['linux/arm64', true],
			['linux/riscv64', false],
		]);
	});
});

describe('a placeholder', () => {
	async function withPod(
		change: (maker: ReleaseMaker, pods: readonly MadeImage[]) => readonly Entry[],
		spoil: (maker: ReleaseMaker, pods: readonly MadeImage[]) => void = () => undefined,
	): Promise<Coverage> {
		const maker = new ReleaseMaker(['amd64', 'arm64', 's390x']);
		const pods = maker.architectures.map((name) => maker.image('pod', linux(name)));
		maker.add('aws', change(maker, pods));
		maker.add(
			'pod',
			pods.map((pod) => entryOf(pod)),
		);
		maker.addBuilt('etcd');
		await maker.finish();
		spoil(maker, pods);
		return assessCoverage(await maker.read());
	}

	it('is the pod image’s own child for that platform, and says whose it is', async () => {
		const coverage = await withPod((maker, [, arm64, s390x]) => [
			entryOf(maker.image('aws', linux('amd64'))),
			entryOf(arm64!),
			entryOf(s390x!),
		]);
		expect(statusesOf(coverage, 'aws')).toBe('amd64=built arm64=placeholder s390x=placeholder');
		expect(cellOf(coverage, 'aws', 's390x')).toMatchObject({
			placeholderOf: 'pod',
			reason: "It is the pod image's own child for linux/s390x, not a build of aws.",
			digest: cellOf(coverage, 'pod', 's390x').digest,
		});
	});

	it('is never the pod image itself', async () => {
		const coverage = await withPod((_, pods) => pods.map((pod) => entryOf(pod)));
		expect(statusesOf(coverage, 'pod')).toBe('amd64=built arm64=built s390x=built');
	});

	it('is not the pod image’s child for another platform: that is a mismatch', async () => {
		const coverage = await withPod((maker, [, arm64]) => [
			entryOf(maker.image('aws', linux('amd64'))),
			entryOf(arm64!),
			entryOf(arm64!, { platform: linux('s390x') }),
		]);
		expect(statusesOf(coverage, 'aws')).toBe('amd64=built arm64=placeholder s390x=mismatch');
	});

	it('is broken where the child itself is lost', async () => {
		const coverage = await withPod(
			(maker, [, arm64]) => [entryOf(maker.image('aws', linux('amd64'))), entryOf(arm64!)],
			(maker, [, arm64]) => maker.registries.remove(maker.part(arm64!.manifest)),
		);
		expect(cellOf(coverage, 'aws', 'arm64').status).toBe('broken');
		expect(cellOf(coverage, 'pod', 'arm64').status).toBe('broken');
	});

	it('is told by the index alone: the child need not be readable', async () => {
		const coverage = await withPod(
			(maker, [, arm64]) => [entryOf(maker.image('aws', linux('amd64'))), entryOf(arm64!)],
			(maker, [, arm64]) =>
				maker.registries.fail(maker.part(arm64!.manifest), problem('rate-limited')),
		);
		expect(cellOf(coverage, 'aws', 'arm64')).toMatchObject({
			status: 'placeholder',
			placeholderOf: 'pod',
		});
	});

	it('cannot be told from a build while the pod image is unreadable: then nothing is built', async () => {
		const maker = new ReleaseMaker();
		const pods = maker.architectures.map((name) => maker.image('pod', linux(name)));
		const pod = maker.add(
			'pod',
			pods.map((image) => entryOf(image)),
		);
		maker.addBuilt('etcd');
		maker.add('ironic', [entryOf(maker.image('ironic', linux('amd64')))]);
		await maker.finish();
		maker.registries.fail(pod, problem('unauthorized'));
		const reading = await maker.read();
		expect(tableOf(reading)).toEqual({
			pod: 'amd64=unchecked arm64=unchecked',
			etcd: 'amd64=unchecked arm64=unchecked',
			ironic: 'amd64=unchecked arm64=missing',
		});
		expect(cellOf(assessCoverage(reading), 'etcd', 'amd64').reason).toBe(
			'A placeholder cannot be told from a build, because the pod image could not be read: It is unauthorized.',
		);
	});

	it('does not exist in a release without a pod image', async () => {
		const maker = new ReleaseMaker();
		maker.addBuilt('etcd');
		await maker.finish();
		expect(tableOf(await maker.read())).toEqual({ etcd: 'amd64=built arm64=built' });
	});
});

describe('a component', () => {
	async function tableWith(add: (maker: ReleaseMaker) => void, architectures?: string[]) {
		const maker = new ReleaseMaker(architectures);
		maker.addBuilt('etcd');
		add(maker);
		await maker.finish();
		return { maker, coverage: assessCoverage(await maker.read()) };
	}

	it.each<[ProblemCode, 'broken' | 'unchecked']>([
		['manifest-unknown', 'broken'],
		['digest-mismatch', 'broken'],
		['truncated', 'broken'],
		['repository-unknown', 'unchecked'],
		['unauthorized', 'unchecked'],
		['rate-limited', 'unchecked'],
		['host-unknown', 'unchecked'],
	])('whose index answers %s is %s for every platform', async (code, status) => {
		const { coverage } = await tableWith((maker) => {
			const reference = maker.add('aws', [entryOf(maker.image('aws', linux('amd64')))]);
			maker.registries.fail(reference, problem(code));
		});
		expect(statusesOf(coverage, 'aws')).toBe(`amd64=${status} arm64=${status}`);
		expect(cellOf(coverage, 'aws', 'arm64').problem?.code).toBe(code);
		expect(rowOf(coverage, 'aws').root).toMatchObject({ kind: 'failed', status });
		expect(statusesOf(coverage, 'etcd')).toBe('amd64=built arm64=built');
	});

	it('whose pullspec is no reference is broken, and says what is wrong with it', async () => {
		const { coverage } = await tableWith((maker) => maker.addPullspec('aws', 'Not A Reference'));
		expect(statusesOf(coverage, 'aws')).toBe('amd64=broken arm64=broken');
		expect(cellOf(coverage, 'aws', 'amd64').reason).toMatch(
			/is no reference: .*Not A Reference” is not a repository/,
		);
	});

	it('whose index cannot be read is broken', async () => {
		const { coverage } = await tableWith((maker) =>
			maker.addContent('aws', contentOf(mediaTypes.ociIndex, { schemaVersion: 2, manifests: 7 })),
		);
		expect(statusesOf(coverage, 'aws')).toBe('amd64=broken arm64=broken');
	});

	it('may be named by tag', async () => {
		const { coverage } = await tableWith((maker) => {
			const image = maker.image('aws', linux('amd64'));
			maker.registries.putManifest(maker.parts, maker.index([entryOf(image)]), 'stable');
			maker.addPullspec('aws', 'quay.io/acme/parts:stable');
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=built arm64=missing');
	});

	it('may be named without tag and digest, and is then the latest', async () => {
		const { coverage } = await tableWith((maker) => {
			const image = maker.image('aws', linux('arm64'));
			maker.registries.putManifest(maker.parts, maker.index([entryOf(image)]), 'latest');
			maker.addPullspec('aws', 'quay.io/acme/parts');
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=missing arm64=built');
	});

	it('of an old release is a plain image, placed by its config', async () => {
		const { coverage } = await tableWith((maker) =>
			maker.addContent('aws', maker.image('aws', linux('arm64')).manifest),
		);
		expect(statusesOf(coverage, 'aws')).toBe('amd64=missing arm64=built');
		expect(rowOf(coverage, 'aws').root).toMatchObject({ mediaType: mediaTypes.ociManifest });
	});

	it('that is a plain image whose config is lost is broken everywhere, missing nowhere', async () => {
		const { coverage } = await tableWith((maker) => {
			const image = maker.image('aws', linux('arm64'));
			maker.addContent('aws', image.manifest);
			maker.registries.remove(maker.part(image.config));
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=broken arm64=broken');
	});

	it('lists children without a platform: they are placed by their configs', async () => {
		const { coverage } = await tableWith((maker) =>
			maker.add('aws', [
				descriptorOf(maker.image('aws', linux('arm64')).manifest),
				{ ...descriptorOf(maker.image('aws', linux('amd64')).manifest), platform: null },
			]),
		);
		expect(statusesOf(coverage, 'aws')).toBe('amd64=built arm64=built');
	});

	it('with two children for one platform is judged by the first', async () => {
		const { coverage } = await tableWith((maker) => {
			const [first, second] = ['a', 'b'].map((name) => maker.image(name, linux('amd64')));
			maker.registries.remove(maker.part(first!.manifest));
			maker.add('aws', [entryOf(first!), entryOf(second!)]);
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=broken arm64=missing');
	});

	it('has one column for arm64 and arm64/v8', async () => {
		const { coverage } = await tableWith((maker) =>
			maker.add('aws', [entryOf(maker.image('aws', linux('arm64', 'v8')))]),
		);
		expect(coverage.platforms.map(({ platform }) => platform)).toEqual([
			'linux/amd64',
			'linux/arm64',
		]);
		expect(statusesOf(coverage, 'aws')).toBe('amd64=missing arm64=built');
	});

	it('has attestations and artifacts that count as nothing', async () => {
		const { maker, coverage } = await tableWith((made) => {
			const image = made.image('aws', linux('amd64'));
			const attestation = made.image('attestation', linux('arm64'));
			const bundle = contentOf('application/vnd.test.bundle+json', {});
			made.add('aws', [
				entryOf(image),
				entryOf(attestation, {
					platform: { os: 'unknown', architecture: 'unknown' },
					annotations: {
						'vnd.docker.reference.type': 'attestation-manifest',
						'vnd.docker.reference.digest': image.manifest.digest,
					},
				}),
				{ ...descriptorOf(bundle), platform: linux('arm64') },
			]);
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=built arm64=missing');
		expect(maker.registries.asked.filter((name) => name.includes('bundle'))).toEqual([]);
	});

	it('in another registry is asked for in the name of the release’s registry', async () => {
		const { maker, coverage } = await tableWith((made) => {
			const elsewhere = { registry: '10.0.0.1:5000', repository: 'mirror/aws' };
			const image = made.image('aws', linux('amd64'));
			made.store(elsewhere, image);
			const index = made.index([entryOf(image)]);
			made.registries.putManifest(elsewhere, index);
			made.addPullspec('aws', `10.0.0.1:5000/mirror/aws@${index.digest}`);
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=built arm64=missing');
		const { asked, namedBy } = maker.registries;
		const inMirror = asked.flatMap((name, at) =>
			name.startsWith('10.0.0.1:5000/') ? [namedBy[at]] : [],
		);
		expect(inMirror).toEqual(['quay.io', 'quay.io', 'quay.io']);
	});

	it('is looked for in its own repository, whatever is in others', async () => {
		const { coverage } = await tableWith((maker) => {
			const elsewhere = { registry: 'quay.io', repository: 'acme/empty' };
			const image = maker.image('aws', linux('amd64'));
			maker.registries.putManifest(elsewhere, maker.index([entryOf(image)]), 'x');
			maker.addPullspec('aws', 'quay.io/acme/empty:x');
		});
		expect(statusesOf(coverage, 'aws')).toBe('amd64=broken arm64=missing');
	});
});

describe('a nested index', () => {
	async function nested(make: (maker: ReleaseMaker, images: readonly MadeImage[]) => Content) {
		const maker = new ReleaseMaker();
		const images = maker.architectures.map((name) => maker.image('etcd', linux(name)));
		maker.addContent('etcd', make(maker, images));
		await maker.finish();
		return assessCoverage(await maker.read());
	}

	function below(maker: ReleaseMaker, content: Content, levels: number): Content {
		let inner = content;
		for (let level = 0; level < levels; level += 1) {
			maker.registries.putManifest(maker.parts, inner);
			inner = maker.index([descriptorOf(inner)]);
		}
		return inner;
	}

	it('counts with all that it lists, up to eight levels down', async () => {
		const coverage = await nested((maker, images) =>
			below(maker, maker.index(images.map((image) => entryOf(image))), 7),
		);
		expect(statusesOf(coverage, 'etcd')).toBe('amd64=built arm64=built');
	});

	it('deeper than that is unchecked, and hides no platform as missing', async () => {
		const coverage = await nested((maker, images) =>
			below(maker, maker.index(images.map((image) => entryOf(image))), 9),
		);
		expect(statusesOf(coverage, 'etcd')).toBe('amd64=unchecked arm64=unchecked');
	});

	it.each<[ProblemCode, string]>([
		['rate-limited', 'unchecked'],
		['manifest-unknown', 'broken'],
	])('that answers %s leaves its platforms %s, not missing', async (code, status) => {
		const coverage = await nested((maker, [amd64, arm64]) => {
			const inner = maker.index([entryOf(arm64!)]);
			maker.registries.putManifest(maker.parts, inner);
			maker.registries.fail(maker.part(inner), problem(code));
			return maker.index([entryOf(amd64!), descriptorOf(inner)]);
		});
		expect(statusesOf(coverage, 'etcd')).toBe(`amd64=built arm64=${status}`);
	});

	it('listed twice counts once', async () => {
		const coverage = await nested((maker, images) => {
			const inner = maker.index(images.map((image) => entryOf(image)));
			maker.registries.putManifest(maker.parts, inner);
			return maker.index([descriptorOf(inner), descriptorOf(inner)]);
		});
		expect(statusesOf(coverage, 'etcd')).toBe('amd64=built arm64=built');
	});
});

describe('a release', () => {
	it.each(['oci', 'docker'] as const)(
		'of %s media types has the same coverage',
		async (flavour) => {
			const maker = new ReleaseMaker(['amd64', 'arm64', 's390x'], flavour);
			const pods = maker.addBuilt('pod');
			maker.add('aws', [entryOf(maker.image('aws', linux('amd64'))), entryOf(pods[1]!)]);
			const lost = maker.image('cli', linux('s390x'));
			maker.registries.remove(maker.part(lost.manifest));
			maker.add('cli', [entryOf(lost), entryOf(maker.image('cli', linux('riscv64')))]);
			await maker.finish();
			expect(tableOf(await maker.read())).toEqual({
				pod: 'amd64=built arm64=built s390x=built',
				aws: 'amd64=built arm64=placeholder s390x=missing',
				cli: 'amd64=missing arm64=missing s390x=broken riscv64=extra',
			});
		},
	);

	it('counts cells by status, in all and for each platform', async () => {
		const maker = new ReleaseMaker();
		const pods = maker.addBuilt('pod');
		maker.add('aws', [entryOf(maker.image('aws', linux('amd64'))), entryOf(pods[1]!)]);
		maker.add('cli', []);
		await maker.finish();
		const { counts, platforms, pending, uncompared } = assessCoverage(await maker.read());
		expect(counts).toEqual({
			broken: 0,
			mismatch: 0,
			missing: 2,
			placeholder: 1,
			unchecked: 0,
			extra: 0,
			exempt: 0,
			built: 3,
		});
		expect(platforms.map((platform) => platform.counts.built)).toEqual([2, 1]);
		expect([pending, uncompared]).toEqual([0, 0]);
	});

	it('has the gravest status of each component ready', async () => {
		const maker = new ReleaseMaker();
		const lost = maker.image('aws', linux('amd64'));
		maker.registries.remove(maker.part(lost.manifest));
		maker.add('aws', [entryOf(lost)]);
		maker.addBuilt('etcd');
		await maker.finish();
		const { components } = assessCoverage(await maker.read());
		expect(components.map(({ worst }) => worst)).toEqual(['broken', 'built']);
	});

	it('tells sizes in distinct blobs, and what of it no other component has', async () => {
		const maker = new ReleaseMaker();
		const base = contentOf(mediaTypes.ociLayerGzip, 'b'.repeat(1000));
		const make = (name: string, own: string) =>
			maker.image(name, linux('amd64'), {
				layers: [base, contentOf(mediaTypes.ociLayerGzip, own)],
			});
		const [aws, cli] = [make('aws', 'a'.repeat(10)), make('cli', 'c'.repeat(20))];
		maker.add('aws', [entryOf(aws)]);
		maker.add('cli', [entryOf(cli), entryOf(cli, { platform: linux('arm64') })]);
		await maker.finish();
		const coverage = assessCoverage(await maker.read());
		const config = aws.config.bytes.length;
		expect(rowOf(coverage, 'aws')).toMatchObject({
			sizeBytes: 1010 + config,
			uniqueBytes: 10 + config,
			sizesComplete: true,
		});
		expect(rowOf(coverage, 'cli')).toMatchObject({ sizeBytes: 1020 + config });
		expect(cellOf(coverage, 'aws', 'amd64').sizeBytes).toBe(1010 + config);
	});

	it('tells sizes as lower bounds where an image is unread', async () => {
		const coverage = await withArm64((maker, image) => {
			maker.registries.fail(maker.part(image.manifest), problem('timeout'));
			return entryOf(image);
		});
		expect(rowOf(coverage, 'etcd').sizesComplete).toBe(false);
	});
});

describe('reading to the depth of children', () => {
	it('leaves configs unread and says that platforms were not compared', async () => {
		const maker = new ReleaseMaker();
		const pods = maker.addBuilt('pod');
		const wrong = maker.image('aws', linux('amd64'), { configured: linux('s390x') });
		maker.add('aws', [entryOf(wrong), entryOf(pods[1]!)]);
		await maker.finish();
		const reading = await maker.read('children');
		const coverage = assessCoverage(reading);
		expect(tableOf(reading)['aws']).toBe('amd64=built arm64=placeholder');
		expect(cellOf(coverage, 'aws', 'amd64').compared).toBe(false);
		expect(coverage.uncompared).toBe(3);
		expect(maker.registries.asked).not.toContain(`quay.io/acme/parts@${wrong.config.digest}`);
		expect(tableOf(await maker.read('configs'))['aws']).toBe('amd64=mismatch arm64=placeholder');
	});

	it('reads configs all the same where a platform is unknown without them', async () => {
		const maker = new ReleaseMaker();
		maker.addContent('plain', maker.image('plain', linux('arm64')).manifest);
		maker.add('loose', [descriptorOf(maker.image('loose', linux('amd64')).manifest)]);
		await maker.finish();
		const reading = await maker.read('children');
		expect(tableOf(reading)).toEqual({
			plain: 'amd64=missing arm64=built',
			loose: 'amd64=built arm64=missing',
		});
		expect(assessCoverage(reading).uncompared).toBe(0);
	});
});
