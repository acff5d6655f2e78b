import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { inflate } from '../../../proxy/server/inflate.ts';
import { gunzip } from '../../../shared/archive/gzip.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { parsePayload, unpackLayer, type Payload } from '../../../shared/release/payload.ts';
import { manifestsNaming } from '../../../shared/release/naming-manifests.ts';
import { indexPullspecs } from '../../../shared/release/pullspec-index.ts';
import {
	config412,
	fixturesMissing,
	payloadLayer412,
	skippedWithoutFixtures,
} from '../../support/fixtures.ts';

async function* chunked(bytes: Uint8Array, size = 65_536) {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe.skipIf(fixturesMissing)(
	`the genuine 4.12.0 payload (skipped: ${skippedWithoutFixtures})`,
	() => {
		let layer: Uint8Array;
		let payload: Payload;

		beforeAll(async () => {
			layer = await readFile(payloadLayer412);
			const { entries } = await unpackLayer(mediaTypes.dockerLayerGzip, chunked(layer), inflate);
			payload = parsePayload([entries]);
		});

		it('has 183 components, 647 entries and 21 previous versions', () => {
			expect(payload.imageReferences.components).toHaveLength(183);
			expect(payload.entryCount).toBe(647);
			expect(payload.metadata.previous).toHaveLength(21);
			expect(payload.metadata.version).toBe('4.12.0');
			expect(payload.imageReferences.name).toBe('4.12.0');
		});

		it('has 643 manifests and one other file', () => {
			expect(payload.manifestCount).toBe(643);
			expect(payload.otherFiles).toEqual([
				'0000_50_cluster-kube-apiserver-operator_gensccroles.sh',
			]);
		});

		it('unpacks to the content that its config names', async () => {
			const unpacked = await gunzip(chunked(layer), inflate, {
				mostBytes: 2 ** 28,
				mostRatio: 200,
			});
			const config = JSON.parse(await readFile(config412, 'utf8')) as {
				rootfs: { diff_ids: string[] };
			};
			expect(`sha256:${createHash('sha256').update(unpacked).digest('hex')}`).toBe(
				config.rootfs.diff_ids.at(-1),
			);
		});

		it('knows versions, source and commit of a component', () => {
			const hyperkube = payload.imageReferences.components.find(({ name }) => name === 'hyperkube');
			expect(hyperkube).toMatchObject({
				versions: { kubernetes: '1.25.4' },
				source: 'https://github.com/openshift/kubernetes',
			});
			expect(hyperkube?.commit).toMatch(/^[a-f0-9]{40}$/);
		});

		it('says where each component is used, and that 17 are used nowhere', () => {
			const used = indexPullspecs(payload);
			const unused = payload.imageReferences.components.filter(
				({ pullspec }) => !used.has(pullspec),
			);
			expect(unused).toHaveLength(17);
			const etcd = payload.imageReferences.components.find(({ name }) => name === 'etcd');
			expect(used.get(etcd?.pullspec ?? '')).toEqual(['0000_20_etcd-operator_06_deployment.yaml']);
		});

		it('names the object inside a file of several documents', () => {
			const used = indexPullspecs(payload);
			const found = payload.imageReferences.components.flatMap(({ pullspec }) =>
				(used.get(pullspec) ?? []).flatMap((name) => {
					const file = payload.files.find((candidate) => candidate.name === name);
					return file ? manifestsNaming(file, pullspec) : [];
				}),
			);
			expect(found.length).toBeGreaterThan(200);
			expect(found.filter(({ kind, name }) => kind === '' || name === '')).toEqual([]);
			expect(found.some(({ capabilities }) => capabilities.length > 0)).toBe(true);
		});

		it('refuses the layer when it is cut short, anywhere', async () => {
			for (const length of [0, 9, 100, 500_000, layer.length - 1]) {
				await expect(
					unpackLayer(mediaTypes.dockerLayerGzip, chunked(layer.subarray(0, length)), inflate),
				).rejects.toMatchObject({
					problem: { code: expect.stringMatching(/truncated|malformed/) as string },
				});
			}
		});
	},
);
