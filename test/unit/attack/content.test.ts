import { describe, expect, it } from 'vitest';
import { readManifest } from '../../../shared/oci/document.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { parseReference } from '../../../shared/oci/reference.ts';
import { isDigest } from '../../../shared/oci/digest.ts';
import { csvField } from '../../../shared/report/csv.ts';
import { jsonBytes, sha256 } from '../../support/push.ts';

const hex = 'a'.repeat(64);
const descriptor = { mediaType: mediaTypes.ociManifest, digest: `sha256:${hex}`, size: 1 };
const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [descriptor] };
const image = {
	schemaVersion: 2,
	mediaType: mediaTypes.ociManifest,
	config: { ...descriptor, mediaType: mediaTypes.ociConfig },
	layers: [{ ...descriptor, mediaType: mediaTypes.ociLayerGzip }],
};

function read(value: unknown, mediaType: string) {
	const bytes = jsonBytes(value);
	return readManifest({ bytes, mediaType, digest: sha256(bytes) });
}

describe('D20 (test 12): a document that others would read otherwise', () => {
	it.each([
		['an index with layers', { ...index, layers: [] }, mediaTypes.ociIndex],
		['an index with a config', { ...index, config: descriptor }, mediaTypes.ociIndex],
		['an image with manifests', { ...image, manifests: [] }, mediaTypes.ociManifest],
		['an image with fsLayers', { ...image, manifests: [], fsLayers: [] }, mediaTypes.ociManifest],
		['an index served as an image', index, mediaTypes.ociManifest],
		['an image served as an index', image, mediaTypes.ociIndex],
		['a list in the other family', index, mediaTypes.dockerList],
		['a second list in another case', { ...index, Manifests: [] }, mediaTypes.ociIndex],
		['a second list with a long s', { ...index, manifeſts: [] }, mediaTypes.ociIndex],
		[
			'a type in another case',
			{ ...index, MEDIATYPE: mediaTypes.ociManifest },
			mediaTypes.ociIndex,
		],
	])('is refused: %s', (_, value, mediaType) => {
		expect(read(value, mediaType)).toMatchObject({ kind: 'malformed' });
	});

	it('is not one that has fields of its own', () => {
		expect(read({ ...index, 'org.example.Digest': 1 }, mediaTypes.ociIndex).kind).toBe('index');
		expect(read({ ...image, Extra: {} }, mediaTypes.ociManifest).kind).toBe('image');
	});

	it.each([-1, 1.5, 2 ** 53, 1e400, '1', null])('D22: has no size of %s', (size) => {
		const text = JSON.stringify({ ...index, manifests: [{ ...descriptor, size }] });
		expect(
			read(JSON.parse(text.replace('"size":null', '"size":1e400')), mediaTypes.ociIndex).kind,
		).toBe('malformed');
	});
});

describe('D18 (test 10): digests', () => {
	it.each([
		'sha256:../../etc/passwd',
		`sha256:${'A'.repeat(64)}`,
		`sha256:${'a'.repeat(63)}`,
		`sha256:${'a'.repeat(65)}`,
		`sha256:${'a'.repeat(63)}/`,
		`sha256:${'a'.repeat(62)}%2f`,
		`sha256:${'\u0661'.repeat(64)}`,
		`SHA256:${hex}`,
		`sha256-${hex}`,
		`md5:${'a'.repeat(32)}`,
		'',
	])('are not %j', (text) => {
		expect(isDigest(text)).toBe(false);
		expect(parseReference(`quay.io/a/b@${text}`).ok).toBe(false);
	});
});

describe('D10, D15 (test 15): names', () => {
	it.each([
		'quay.io/a/../b:1',
		'quay.io/a//b:1',
		'quay.io/a/b%2fc:1',
		'quay.io/a/b:1\r\nX: y',
		'quay.io/a/b:1\0',
		'quay.io/a/b:../x',
		'quay.io/a b:1',
		'user@quay.io/a/b:1',
		'user:pw@quay.io/a/b:1',
		'quay.io\r\n/a/b:1',
		'quay.io:0/a/b@x',
		'quay.io:99999/a/b:1',
		'quay.io?x/a/b:1',
		'quay.io#x/a/b:1',
		'[::1/a/b:1',
		'quay.io/a/b:1?x=y',
	])('are no references: %j', (text) => {
		expect(parseReference(text).ok).toBe(false);
	});
});

describe('C: a table for a spreadsheet', () => {
	it.each(['=1+1', '+1', '-1', '@x', '\t=1', '\r=1'])('holds no formula: %j', (value) => {
		expect(csvField(value)).toMatch(/^"?'/);
	});
});
