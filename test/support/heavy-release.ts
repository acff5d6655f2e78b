/** A release with few components and large layers, in any registry: for measuring bytes rather than requests. */
import { randomFillSync } from 'node:crypto';
import {
	content,
	makeImage,
	makeIndex,
	makeLayer,
	type Layer,
	type MadeImage,
} from '../../proxy/demo/image-maker.ts';
import { payloadFiles, type PayloadComponent } from '../../proxy/demo/payload-maker.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { byDigest } from '../../shared/oci/reference.ts';
import { releaseLabel } from '../../shared/release/read-release.ts';
import { architectureKey } from '../../shared/release/release-metadata.ts';
import { Pusher } from './push.ts';

const created = '2026-01-01T00:00:00Z';
const version = '4.20.0';
const architectures = ['amd64', 'arm64'] as const;

export interface HeavyReleaseOptions {
	readonly host: string;
	readonly layers: number;
	readonly layerBytes: number;
}

/** Random bytes: nobody looks into these layers. */
function heavyLayer(sizeBytes: number): Layer {
	const blob = content(mediaTypes.ociLayerGzip, randomFillSync(new Uint8Array(sizeBytes)));
	return { blob, diffId: blob.digest };
}

/** One component for every two layers, one layer an architecture. @returns the release's reference */
export async function pushHeavyRelease({
	host,
	layers,
	layerBytes,
}: HeavyReleaseOptions): Promise<string> {
	const parts = { registry: host, repository: 'heavy/components' };
	const pusher = new Pusher(host, { connections: 4 });
	const push = async (repository: string, image: MadeImage) => {
		for (const { bytes } of image.blobs) await pusher.pushBlob(repository, bytes);
		await pusher.pushManifest(repository, image.manifest.bytes, image.manifest.mediaType);
	};
	try {
		const components: PayloadComponent[] = [];
		for (let at = 0; at < layers / architectures.length; at += 1) {
			const images: MadeImage[] = [];
			for (const architecture of architectures) {
				const platform = { os: 'linux', architecture };
				const image = makeImage({
					flavour: 'oci',
					platform,
					layers: [heavyLayer(layerBytes)],
					created,
				});
				await push(parts.repository, image);
				images.push({ ...image, blobs: [] });
			}
			const index = makeIndex('oci', images);
			await pusher.pushManifest(parts.repository, index.bytes, index.mediaType);
			const reference = byDigest(parts, index.digest);
			components.push({ name: `component-${at}`, source: '', reference });
		}
		const payload = await makeLayer(
			'oci',
			'release-manifests',
			payloadFiles({
				version,
				created,
				previous: [],
				metadata: { [architectureKey]: 'multi' },
				components,
				files: [],
			}),
		);
		const labels = { [releaseLabel]: version };
		const images = architectures.map((architecture) =>
			makeImage({
				flavour: 'oci',
				platform: { os: 'linux', architecture },
				layers: [payload],
				created,
				labels,
			}),
		);
		for (const image of images) await push('heavy/release', image);
		const index = makeIndex('oci', images);
		await pusher.pushManifest('heavy/release', index.bytes, index.mediaType, version);
		return `${host}/heavy/release:${version}`;
	} finally {
		await pusher.close();
	}
}
