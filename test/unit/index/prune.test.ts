import { describe, expect, it } from 'vitest';
import { editIndex, pruneIndex, type IndexContext } from '../../../shared/index/prune.ts';
import type { Document } from '../../../shared/oci/document.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { parsePlatform, type PlatformKey } from '../../../shared/oci/platform.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { hashOf } from '../../support/fake-registries.ts';

const images = ['amd64', 'arm64', 's390x', 'ppc64le'].map((architecture, at) => ({
	mediaType: mediaTypes.ociManifest,
	digest: hashOf('sha256', new TextEncoder().encode(architecture)),
	size: 500 + at,
	platform: { architecture, os: 'linux' },
}));
const [amd64, arm64, s390x, ppc64le] = images as [
	(typeof images)[0],
	(typeof images)[0],
	(typeof images)[0],
	(typeof images)[0],
];

function documentOf(text: string, mediaType: string = mediaTypes.ociIndex): Document {
	const bytes = new TextEncoder().encode(text);
	return { mediaType, bytes, digest: hashOf('sha256', bytes) };
}

function indexOf(manifests: readonly unknown[], more: object = {}): Document {
	const mediaType = mediaTypes.ociIndex;
	return documentOf(JSON.stringify({ schemaVersion: 2, mediaType, manifests, ...more }, null, 3));
}

function nestedEntry({ mediaType, digest, bytes }: Document) {
	return { mediaType, digest, size: bytes.length };
}

function attestationOf(subject: string, name = subject) {
	return {
		mediaType: mediaTypes.ociManifest,
		digest: hashOf('sha256', new TextEncoder().encode(`about ${name}`)),
		size: 800,
		platform: { architecture: 'unknown', os: 'unknown' },
		annotations: {
			'vnd.docker.reference.type': 'attestation-manifest',
			'vnd.docker.reference.digest': subject,
		},
	};
}

function context(...nested: readonly Document[]): IndexContext {
	return {
		document: (digest) => nested.find((each) => each.digest === digest),
		platformOf: () => undefined,
		hash: hashOf,
	};
}

function dropping(...architectures: string[]) {
	const platforms = architectures.map((each) => parsePlatform(each));
	return (_: unknown, platform: PlatformKey | undefined) =>
		platform !== undefined && platforms.includes(platform);
}

function textOf({ bytes }: Document): string {
	return new TextDecoder().decode(bytes);
}

function listedIn(document: Document): unknown[] {
	return (JSON.parse(textOf(document)) as { manifests: unknown[] }).manifests;
}

function refusalOf(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no refusal',
		(error: unknown) => `${problemOf(error).code}: ${problemOf(error).reason}`,
	);
}

describe('pruning an index', () => {
	it('keeps order, formatting and unknown fields of all that stays', async () => {
		const root = indexOf(
			[{ ...amd64, 'x-own': [1, 2] }, arm64, { ...s390x, annotations: { a: 'b' } }, ppc64le],
			{ annotations: { kept: 'yes' }, subject: amd64 },
		);
		const pruned = await pruneIndex(root, dropping('arm64', 'ppc64le'), context());
		const expected = JSON.parse(textOf(root)) as { manifests: unknown[] };
		expected.manifests = [expected.manifests[0], expected.manifests[2]];
		expect(textOf(pruned.root)).toBe(JSON.stringify(expected, null, 3));
		expect(pruned.root.digest).toBe(hashOf('sha256', pruned.root.bytes));
		expect(pruned.made).toEqual([pruned.root]);
		expect(pruned.removed).toEqual([
			{ digest: arm64.digest, platform: 'linux/arm64', why: 'dropped', mediaType: arm64.mediaType },
			{
				digest: ppc64le.digest,
				platform: 'linux/ppc64le',
				why: 'dropped',
				mediaType: ppc64le.mediaType,
			},
		]);
	});

	it('gives back the very same document where nothing goes, dangling attestations and all', async () => {
		const root = indexOf([amd64, attestationOf(arm64.digest)]);
		const pruned = await pruneIndex(root, dropping('s390x'), context());
		expect(pruned).toEqual({ root, made: [], removed: [] });
		expect(pruned.root).toBe(root);
	});

	it.each([
		['an OCI index', mediaTypes.ociIndex],
		['a Docker list', mediaTypes.dockerList],
	])('leaves %s with one child what it is', async (_, mediaType) => {
		const root = documentOf(
			JSON.stringify({ schemaVersion: 2, mediaType, manifests: [amd64, arm64] }),
			mediaType,
		);
		const { root: pruned } = await pruneIndex(root, dropping('arm64'), context());
		expect(pruned.mediaType).toBe(mediaType);
		expect(JSON.parse(textOf(pruned))).toEqual({ schemaVersion: 2, mediaType, manifests: [amd64] });
	});

	it('takes attestations with the image they describe, and those that describe nothing listed', async () => {
		const dangling = attestationOf(hashOf('sha256', new Uint8Array(1)), 'nothing');
		const root = indexOf([
			amd64,
			arm64,
			attestationOf(amd64.digest),
			attestationOf(arm64.digest),
			dangling,
		]);
		const pruned = await pruneIndex(root, dropping('arm64'), context());
		expect(listedIn(pruned.root)).toEqual([amd64, attestationOf(amd64.digest)]);
		expect(pruned.removed.map(({ why }) => why)).toEqual(['dropped', 'attestation', 'dangling']);
	});

	it('takes attestations of attestations, however many', async () => {
		const chain = [attestationOf(arm64.digest)];
		for (let count = 0; count < 3; count += 1) chain.push(attestationOf(chain.at(-1)!.digest));
		const stays = [attestationOf(amd64.digest)];
		stays.push(attestationOf(stays[0]!.digest));
		const root = indexOf([...chain.toReversed(), amd64, arm64, ...stays]);
		const pruned = await pruneIndex(root, dropping('arm64'), context());
		expect(listedIn(pruned.root)).toEqual([amd64, ...stays]);
		expect(pruned.removed.filter(({ why }) => why === 'attestation')).toHaveLength(4);
	});

	it('keeps attestations that describe each other, and one that is listed twice while it has to', async () => {
		const [one, two] = [hashOf('sha256', Uint8Array.of(1)), hashOf('sha256', Uint8Array.of(2))];
		const circle = [
			{ ...attestationOf(two), digest: one },
			{ ...attestationOf(one), digest: two },
		];
		const twice = [
			{ ...attestationOf(arm64.digest), digest: hashOf('sha256', Uint8Array.of(3)) },
			{ ...attestationOf(amd64.digest), digest: hashOf('sha256', Uint8Array.of(3)) },
			attestationOf(hashOf('sha256', Uint8Array.of(3))),
		];
		const root = indexOf([amd64, arm64, ...circle, ...twice]);
		const pruned = await pruneIndex(root, dropping('arm64'), context());
		expect(listedIn(pruned.root)).toEqual([amd64, ...circle, ...twice.slice(1)]);
	});

	it('tells attestations of images in nested indexes by what becomes of those', async () => {
		const innermost = indexOf([s390x, arm64]);
		const inner = indexOf([nestedEntry(innermost), ppc64le]);
		const gone = indexOf([{ ...arm64, digest: hashOf('sha256', new Uint8Array(2)) }]);
		const about = [s390x, ppc64le, arm64].map(({ digest }) => attestationOf(digest));
		const nested = [nestedEntry(inner), nestedEntry(gone)];
		const lost = [attestationOf(hashOf('sha256', new Uint8Array(2))), attestationOf(gone.digest)];
		const root = indexOf([amd64, ...nested, ...about, ...lost]);
		const pruned = await pruneIndex(root, dropping('arm64'), context(innermost, inner, gone));
		expect(listedIn(pruned.root)).toHaveLength(4);
		expect(listedIn(pruned.root).slice(2)).toEqual(about.slice(0, 2));
		expect(pruned.removed.filter(({ why }) => why === 'attestation')).toHaveLength(3);
		expect(pruned.removed.filter(({ why }) => why === 'dangling')).toHaveLength(0);
	});

	it('keeps an attestation while one of two entries with its image stays', async () => {
		const again = { ...amd64, platform: { os: 'linux', architecture: 'riscv64' } };
		const root = indexOf([amd64, again, attestationOf(amd64.digest)]);
		const pruned = await pruneIndex(root, dropping('riscv64'), context());
		expect(listedIn(pruned.root)).toEqual([amd64, attestationOf(amd64.digest)]);
	});

	it('removes every entry of a platform, also one that another comes before', async () => {
		const root = indexOf([amd64, arm64, { ...s390x, platform: arm64.platform }]);
		const pruned = await pruneIndex(root, dropping('arm64'), context());
		expect(listedIn(pruned.root)).toEqual([amd64]);
	});

	it('keeps artifacts and what it does not know', async () => {
		const others = [
			{ mediaType: 'application/vnd.acme.thing', digest: amd64.digest, size: 1 },
			{ ...s390x, platform: { os: 'unknown', architecture: 'unknown' } },
			{ mediaType: mediaTypes.ociManifest, digest: 'blake3:abcdef', size: 2 },
		];
		const root = indexOf([...others, amd64, arm64]);
		const pruned = await pruneIndex(root, dropping('arm64'), context());
		expect(listedIn(pruned.root)).toEqual([...others, amd64]);
	});

	it('drops a child without platform by what its config says, and keeps one that says nothing', async () => {
		const { platform: _, ...bare } = arm64;
		const { platform: __, ...unknown } = s390x;
		const root = indexOf([amd64, bare, unknown]);
		const pruned = await pruneIndex(root, dropping('arm64'), {
			...context(),
			platformOf: (digest) => (digest === bare.digest ? parsePlatform('arm64') : undefined),
		});
		expect(listedIn(pruned.root)).toEqual([amd64, unknown]);
	});

	it('rewrites nested indexes, with digest and size, from the inside out', async () => {
		const inner = indexOf([arm64, s390x]);
		const middle = indexOf([nestedEntry(inner), ppc64le]);
		const root = indexOf([amd64, nestedEntry(middle), attestationOf(middle.digest)]);
		const pruned = await pruneIndex(root, dropping('arm64'), context(inner, middle));
		const [newInner, newMiddle, newRoot] = pruned.made as [Document, Document, Document];
		expect(listedIn(newInner)).toEqual([s390x]);
		expect(listedIn(newMiddle)).toEqual([nestedEntry(newInner), ppc64le]);
		expect(listedIn(newRoot)).toEqual([amd64, nestedEntry(newMiddle)]);
		expect(newRoot).toBe(pruned.root);
	});

	it('removes a nested index of which no image is left, with its attestation', async () => {
		const inner = indexOf([arm64, s390x]);
		const root = indexOf([amd64, nestedEntry(inner), attestationOf(inner.digest)]);
		const pruned = await pruneIndex(root, dropping('arm64', 's390x'), context(inner));
		expect(listedIn(pruned.root)).toEqual([amd64]);
		expect(pruned.made).toEqual([pruned.root]);
		expect(pruned.removed.map(({ digest, why }) => [digest, why])).toEqual([
			[arm64.digest, 'dropped'],
			[s390x.digest, 'dropped'],
			[inner.digest, 'dropped'],
			[attestationOf(inner.digest).digest, 'attestation'],
		]);
	});

	it('leaves a nested index alone that it does not concern', async () => {
		const inner = indexOf([arm64]);
		const root = indexOf([amd64, s390x, nestedEntry(inner)]);
		const pruned = await pruneIndex(root, dropping('s390x'), context(inner));
		expect(listedIn(pruned.root)).toEqual([amd64, nestedEntry(inner)]);
		expect(pruned.made).toHaveLength(1);
	});

	it('refuses to leave nothing, also where artifacts would stay', async () => {
		const root = indexOf([
			amd64,
			{ mediaType: 'application/vnd.acme.thing', digest: arm64.digest, size: 1 },
		]);
		expect(await refusalOf(pruneIndex(root, dropping('amd64'), context()))).toBe(
			`plan-impossible: It would leave nothing of the index ${root.digest}.`,
		);
	});

	it('refuses to go past a nested index that is not read', async () => {
		const inner = indexOf([arm64]);
		const root = indexOf([amd64, s390x, nestedEntry(inner)]);
		expect(await refusalOf(pruneIndex(root, dropping('s390x'), context()))).toContain(
			`plan-impossible: The nested index ${inner.digest} is not read`,
		);
	});

	it('refuses an index that lists its children twice over', async () => {
		const root = documentOf(
			`{"schemaVersion":2,"manifests":[],"manifests":${JSON.stringify([amd64, arm64])}}`,
		);
		expect(await refusalOf(pruneIndex(root, dropping('arm64'), context()))).toBe(
			`malformed: The index ${root.digest} cannot be edited: it has "manifests" twice.`,
		);
	});

	it.each([
		['of a child that stays', 0, '"digest":"sha256:0",', 'digest'],
		['of a child that goes', 1, '"digest":"sha256:0",', 'digest'],
		['in another case', 0, '"Platform":{"os":"windows"},', 'platform'],
		['of the media type', 0, '"mediatype":"application/json",', 'mediaType'],
		['of what no reader here needs', 1, '"URLs":[],"urls":[],', 'urls'],
	])('refuses an index with a repeated key %s, where it would change', async (_, at, more, key) => {
		const children = [amd64, arm64].map((child) => JSON.stringify(child));
		children[at] = children[at]!.replace('{', `{${more}`);
		const root = documentOf(`{"schemaVersion":2,"manifests":[${children.join(',')}]}`);
		expect(await refusalOf(pruneIndex(root, dropping('arm64'), context()))).toBe(
			`malformed: The index ${root.digest} cannot be edited: it has "${key}" twice at manifests.${at}.`,
		);
		expect((await pruneIndex(root, dropping('s390x'), context())).root).toBe(root);
	});

	it('refuses an index with a platform of two readings', async () => {
		const text = textOf(indexOf([amd64, arm64]));
		const root = documentOf(text.replace('"os":', '"OS": "windows", "os":'));
		expect(await refusalOf(pruneIndex(root, dropping('arm64'), context()))).toContain(
			'it has "os" twice at manifests.0.platform.',
		);
	});

	it('refuses to change a nested index whose descriptor embeds it', async () => {
		const inner = indexOf([arm64, s390x]);
		const root = indexOf([amd64, { ...nestedEntry(inner), data: 'e30=' }]);
		expect(await refusalOf(pruneIndex(root, dropping('arm64'), context(inner)))).toContain(
			'plan-impossible: The index',
		);
	});

	it('refuses what is no index', async () => {
		const root = documentOf('{}', mediaTypes.ociManifest);
		expect(await refusalOf(pruneIndex(root, dropping('arm64'), context()))).toContain(
			'plan-impossible',
		);
	});
});

describe('putting other images into an index', () => {
	const other = documentOf('{"another":"image"}', mediaTypes.ociManifest);

	it('changes digest and size alone, and drops what described the old one', async () => {
		const root = indexOf([amd64, arm64, attestationOf(amd64.digest), attestationOf(arm64.digest)]);
		const edit = { drops: () => false, replace: new Map([[amd64.digest, other]]) };
		const edited = await editIndex(root, edit, context());
		expect(textOf(edited.root)).toContain(`"size": ${other.bytes.length}`);
		expect(listedIn(edited.root)).toEqual([
			{ ...amd64, digest: other.digest, size: other.bytes.length },
			arm64,
			attestationOf(arm64.digest),
		]);
		expect(edited.removed.map(({ why }) => why)).toEqual(['attestation']);
	});

	it('drops and replaces in one edit, in nested indexes too', async () => {
		const inner = indexOf([arm64, s390x]);
		const root = indexOf([amd64, nestedEntry(inner)]);
		const replace = new Map([[arm64.digest, other]]);
		const edited = await editIndex(root, { drops: dropping('s390x'), replace }, context(inner));
		const [newInner] = edited.made as [Document];
		expect(listedIn(newInner)).toEqual([
			{ ...arm64, digest: other.digest, size: other.bytes.length },
		]);
		expect(listedIn(edited.root)).toEqual([amd64, nestedEntry(newInner)]);
	});

	it('is the same document where an image takes its own place', async () => {
		const root = indexOf([amd64]);
		const self = { ...other, digest: amd64.digest };
		const edit = { drops: () => false, replace: new Map([[amd64.digest, self]]) };
		expect((await editIndex(root, edit, context())).root).toBe(root);
	});

	it('refuses one of another media type', async () => {
		const docker = { ...other, mediaType: mediaTypes.dockerManifest };
		const edit = { drops: () => false, replace: new Map([[amd64.digest, docker]]) };
		expect(await refusalOf(editIndex(indexOf([amd64]), edit, context()))).toContain(
			'plan-impossible',
		);
	});
});
