import { describe, expect, it } from 'vitest';
import {
	emptyLayoutIndex,
	layoutEntriesSchema,
	layoutIndexSchema,
	settled,
	tagsOf,
	withManifest,
	withTag,
	withoutManifest,
	withoutTag,
	type LayoutIndex,
} from '../../../proxy/store/layout-index.ts';
import { bytesOf, digestFor } from './images.ts';

/** All of an index, as it is held against its schemas in parts. */
const wholeSchema = layoutIndexSchema.extend({ manifests: layoutEntriesSchema });

const entry = (content: string) => ({
	mediaType: 'application/vnd.oci.image.index.v1+json',
	digest: digestFor(bytesOf(content)),
	size: content.length,
});
const a = entry('a');
const b = entry('bb');

function shown(index: LayoutIndex): string[] {
	const names = new Map<string, string>([
		[a.digest, 'a'],
		[b.digest, 'b'],
	]);
	return index.manifests.map(
		({ digest, annotations }) =>
			`${annotations?.['org.opencontainers.image.ref.name'] ?? ''}@${names.get(digest) ?? '?'}`,
	);
}

describe('withTag', () => {
	it('appends a new tag', () => {
		const index = withTag(withTag(emptyLayoutIndex(), 'one', a), 'two', b);
		expect(shown(index)).toEqual(['one@a', 'two@b']);
	});

	it('moves a tag in its place and keeps listing what it left', () => {
		const index = withTag(withTag(emptyLayoutIndex(), 'one', a), 'two', a);
		expect(shown(withTag(index, 'one', b))).toEqual(['one@b', 'two@a', '@a']);
	});

	it('changes nothing where the tag is there already', () => {
		const index = withTag(emptyLayoutIndex(), 'one', a);
		expect(withTag(index, 'one', a)).toBe(index);
	});
});

describe('withoutTag and withoutManifest', () => {
	it('leaves the manifest when a tag goes', () => {
		expect(shown(withoutTag(withTag(emptyLayoutIndex(), 'one', a), 'one'))).toEqual(['@a']);
	});

	it('takes all tags along when a manifest goes', () => {
		const index = withTag(withTag(withTag(emptyLayoutIndex(), 'one', a), 'two', a), 'other', b);
		expect(shown(withoutManifest(index, a.digest))).toEqual(['other@b']);
	});
});

describe('settled', () => {
	it('drops what an index reaches, but never a tag', () => {
		const index = withManifest(withTag(emptyLayoutIndex(), 'one', a), b);
		expect(shown(settled(index, () => true))).toEqual(['one@a']);
	});

	it('lists a manifest without a tag only once', () => {
		const index = { ...emptyLayoutIndex(), manifests: [a, a, b] };
		expect(shown(settled(index, () => false))).toEqual(['@a', '@b']);
	});

	it('gives back the same index where nothing is to be dropped', () => {
		const index = withTag(emptyLayoutIndex(), 'one', a);
		expect(settled(index, () => false)).toBe(index);
	});
});

describe('an index that other tools wrote', () => {
	it('keeps what it does not know', () => {
		const index = wholeSchema.parse({
			schemaVersion: 2,
			'x-own': [1],
			manifests: [{ ...a, platform: { os: 'linux' }, annotations: { other: 'kept' } }],
		});
		expect(withTag(index, 'one', b)).toMatchObject({
			'x-own': [1],
			manifests: [{ platform: { os: 'linux' }, annotations: { other: 'kept' } }, b],
		});
	});

	it('keeps other annotations of a tag that goes', () => {
		const annotations = { other: 'kept', 'org.opencontainers.image.ref.name': 'one' };
		const index = { ...emptyLayoutIndex(), manifests: [{ ...a, annotations }] };
		expect(withoutTag(index, 'one').manifests).toEqual([{ ...a, annotations: { other: 'kept' } }]);
	});

	it('shows only names that are tags, sorted by code point', () => {
		let index = emptyLayoutIndex();
		for (const name of ['b', 'docker.io/a:b', 'B', 'a', '10', '9']) index = withTag(index, name, a);
		expect(tagsOf(index)).toEqual(['10', '9', 'B', 'a', 'b']);
	});

	it.each([
		[{}],
		[{ schemaVersion: 1, manifests: [] }],
		[{ schemaVersion: 2, manifests: [{}] }],
		[[]],
	])('refuses %j', (value) => expect(wholeSchema.safeParse(value).success).toBe(false));

	it('is not confused by a digest it cannot verify', () => {
		const foreign = { ...a, digest: 'blake3:00' };
		const index = { ...emptyLayoutIndex(), manifests: [foreign] };
		expect(withManifest(index, b).manifests).toEqual([foreign, b]);
		expect(withoutManifest(index, 'blake3:00').manifests).toEqual([]);
	});
});
