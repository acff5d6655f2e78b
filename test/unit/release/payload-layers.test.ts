import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest } from '../../../shared/oci/reference.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import {
	findPayloadLayers,
	refuseSpreadPayload,
	type PayloadLayers,
} from '../../../shared/release/payload-layers.ts';
import { releaseLabel } from '../../../shared/release/read-release.ts';
import { inflate } from '../../../web/api/inflate.ts';
import { hashOf } from '../../support/fake-registries.ts';
import {
	contentOf,
	entryOf,
	linux,
	packLayer,
	ReleaseMaker,
	type Content,
} from '../../support/release-maker.ts';

const base = await packLayer('oci', [{ name: 'passwd', text: 'root' }], 'etc');
const own = await packLayer('oci', [{ name: 'own.yaml', text: 'a: 1' }]);
const empty = await packLayer('oci', []);
const deleted = await packLayer('oci', [{ name: '.wh.release-manifests', text: '' }], '.');
const plain: Content = contentOf('application/vnd.oci.image.layer.v1.tar', own.tar);
const zstd: Content = contentOf('application/vnd.oci.image.layer.v1.tar+zstd', 'not looked into');

/** A release whose images have these layers, besides or below that of their payload. */
async function read(layersOf: (payload: Content, architecture: string) => readonly Content[]) {
	const maker = new ReleaseMaker(['amd64', 'arm64']);
	maker.addBuilt('pod');
	const [first] = await maker.finish();
	const [payload] = first!.layers as [Content];
	const [diffId] = (
		JSON.parse(new TextDecoder().decode(first!.config.bytes)) as {
			rootfs: { diff_ids: [string] };
		}
	).rootfs.diff_ids;
	const images = maker.architectures.map((architecture) => {
		const layers = layersOf(payload, architecture);
		const image = maker.image(`release for ${architecture}`, linux(architecture), {
			labels: { [releaseLabel]: '4.20.0' },
			layers,
			diffIds: layers.map((layer) =>
				layer === payload ? diffId : hashOf('sha256', new TextEncoder().encode(layer.digest)),
			),
		});
		maker.store(maker.release, image);
		return image;
	});
	maker.registries.putManifest(
		maker.release,
		maker.index(images.map((each) => entryOf(each))),
		'1',
	);
	return { maker, payload, reading: await maker.read() };
}

async function find({ maker, reading }: Awaited<ReturnType<typeof read>>) {
	const source = { registries: maker.registries, inflate };
	return findPayloadLayers(source, maker.release, reading.images);
}

function positions(layers: readonly PayloadLayers[], which: 'holding' | 'unseen') {
	return layers.map((image) => image[which].map(({ position }) => position));
}

describe('the layers that hold a payload', () => {
	it('are one for each image, wherever it lies', async () => {
		const read4 = await read((payload, architecture) =>
			architecture === 'amd64' ? [base.layer, payload] : [payload, base.layer, empty.layer],
		);
		const found = await find(read4);
		expect(positions(found, 'holding')).toEqual([[1], [0]]);
		expect(positions(found, 'unseen')).toEqual([[], []]);
		expect(() => refuseSpreadPayload(found)).not.toThrow();
	});

	it('are at their own position in each image that shares one', async () => {
		const { reading, payload } = await read((layer, architecture) =>
			architecture === 'amd64' ? [base.layer, layer] : [layer, base.layer, empty.layer],
		);
		const [amd64, arm64] = reading.payloads;
		expect([amd64?.layer?.position, arm64?.layer?.position]).toEqual([1, 0]);
		expect(arm64?.layer?.descriptor.digest).toBe(payload.digest);
		expect(arm64?.layer?.archive).toBe(amd64?.layer?.archive);
	});

	it.each([
		['another file of the folder', own.layer],
		['another file, not compressed', plain],
		['a mark that deletes the folder', deleted.layer],
	])('are refused where another has %s, naming image and layers', async (_, layer) => {
		const found = await find(await read((payload) => [layer, base.layer, payload]));
		expect(positions(found, 'holding')).toEqual([
			[0, 2],
			[0, 2],
		]);
		const refusal = () => refuseSpreadPayload(found);
		expect(refusal).toThrow('plan-impossible');
		expect(refusal).toThrow('The release image for linux/amd64 holds');
		expect(refusal).toThrow(`in several layers: 1 (${layer.digest}), 3 (`);
	});

	it('are each read once', async () => {
		const found = await read((payload) => [base.layer, payload]);
		found.maker.registries.asked.length = 0;
		await find(found);
		expect(found.maker.registries.asked).toHaveLength(2);
	});

	it('are told where they are too large, or packed otherwise', async () => {
		const large = contentOf(mediaTypes.ociLayerGzip, new Uint8Array(16 * 2 ** 20 + 1));
		const found = await find(await read((payload) => [large, zstd, payload]));
		expect(positions(found, 'unseen')).toEqual([
			[0, 1],
			[0, 1],
		]);
		expect(positions(found, 'holding')).toEqual([[2], [2]]);
	});

	it('are not taken for empty where they cannot be read', async () => {
		const found = await read((payload) => [base.layer, payload]);
		found.maker.registries.fail(byDigest(found.maker.release, base.layer.digest), {
			code: 'denied',
			origin: 'registry',
			reason: 'Not for you.',
		});
		await expect(find(found)).rejects.toMatchObject({ problem: { code: 'denied' } });
	});

	it.each([
		['no archive', gzipSync(new Uint8Array(4096).fill(65), { mtime: 0 }), 'malformed'],
		['no gzip', new Uint8Array(100), 'malformed'],
		['a bomb', gzipSync(new Uint8Array(16 * 2 ** 20), { mtime: 0 }), undefined],
	])('do not bring it down where one is %s', async (_, bytes, code) => {
		const damaged = contentOf(mediaTypes.ociLayerGzip, bytes);
		const result = await find(await read((payload) => [damaged, payload])).then(
			() => undefined,
			(error: unknown) => problemOf(error).code,
		);
		expect(result).toBe(code);
	});
});
