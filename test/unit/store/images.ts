/** Small images and indexes, built from their documents. */
import { createHash } from 'node:crypto';
import { digestOf, type Algorithm, type Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';

export function bytesOf(content: unknown): Uint8Array {
	return new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content));
}

export function digestFor(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
	return digestOf(algorithm, createHash(algorithm).update(bytes).digest());
}

export interface Blob {
	readonly bytes: Uint8Array;
	readonly digest: Digest;
	readonly mediaType: string;
}

export function blob(mediaType: string, content: unknown, algorithm?: Algorithm): Blob {
	const bytes = bytesOf(content);
	return { bytes, digest: digestFor(bytes, algorithm), mediaType };
}

export function descriptor({ mediaType, digest, bytes }: Blob) {
	return { mediaType, digest, size: bytes.length };
}

const types = {
	oci: {
		index: mediaTypes.ociIndex,
		manifest: mediaTypes.ociManifest,
		config: mediaTypes.ociConfig,
		layer: 'application/vnd.oci.image.layer.v1.tar',
	},
	docker: {
		index: mediaTypes.dockerList,
		manifest: mediaTypes.dockerManifest,
		config: mediaTypes.dockerConfig,
		layer: mediaTypes.dockerLayerGzip,
	},
};
export type Format = keyof typeof types;

export interface Image {
	readonly config: Blob;
	readonly layer: Blob;
	readonly manifest: Blob;
	readonly architecture: string;
}

/** An image whose layer has the given bytes; `extra` is put into its manifest. */
export function image(
	architecture: string,
	options: { format?: Format; layer?: Uint8Array; diffId?: string; extra?: object } = {},
): Image {
	const type = types[options.format ?? 'oci'];
	const layerBytes = options.layer ?? bytesOf(`the layer of ${architecture}`);
	const layer = { bytes: layerBytes, digest: digestFor(layerBytes), mediaType: type.layer };
	const diffIds = [options.diffId ?? layer.digest];
	const config = blob(type.config, {
		architecture,
		os: 'linux',
		config: {},
		rootfs: { type: 'layers', diff_ids: diffIds },
		history: [{ created_by: 'a test' }],
	});
	const manifest = blob(type.manifest, {
		schemaVersion: 2,
		mediaType: type.manifest,
		config: descriptor(config),
		layers: [descriptor(layer)],
		...options.extra,
	});
	return { config, layer, manifest, architecture };
}

export function indexOf(
	images: readonly { manifest: Blob; architecture?: string }[],
	options: { format?: Format; extra?: object } = {},
): Blob {
	const { index } = types[options.format ?? 'oci'];
	return blob(index, {
		schemaVersion: 2,
		mediaType: index,
		manifests: images.map(({ manifest, architecture }) => ({
			...descriptor(manifest),
			...(architecture && { platform: { os: 'linux', architecture } }),
		})),
		...options.extra,
	});
}
