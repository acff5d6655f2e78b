/** Makes small, complete images: configs, layers, manifests and indexes with deterministic bytes. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'fflate';
import { packTar } from 'modern-tar';
import { digestOf, type Digest } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import type { Platform } from '../../shared/oci/platform.ts';

export interface Content {
	readonly mediaType: string;
	readonly digest: Digest;
	readonly bytes: Uint8Array;
}

export interface MadeImage {
	readonly manifest: Content;
	/** config first, then layers */
	readonly blobs: readonly Content[];
	readonly platform: Platform;
}

/** Which family of media types to use. */
export type Flavour = 'oci' | 'docker';

const types = {
	oci: {
		index: mediaTypes.ociIndex,
		manifest: mediaTypes.ociManifest,
		config: mediaTypes.ociConfig,
		layer: mediaTypes.ociLayerGzip,
	},
	docker: {
		index: mediaTypes.dockerList,
		manifest: mediaTypes.dockerManifest,
		config: mediaTypes.dockerConfig,
		layer: mediaTypes.dockerLayerGzip,
	},
} as const;

export function content(mediaType: string, bytes: Uint8Array): Content {
	return {
		mediaType,
		bytes,
		digest: digestOf('sha256', createHash('sha256').update(bytes).digest()),
	};
}

function json(mediaType: string, value: unknown): Content {
	return content(mediaType, new TextEncoder().encode(JSON.stringify(value)));
}

function descriptor({ mediaType, digest, bytes }: Content) {
	return { mediaType, digest, size: bytes.length };
}

export interface Layer {
	readonly blob: Content;
	readonly diffId: Digest;
}

export interface LayerFile {
	readonly name: string;
	readonly text: string;
}

/** A gzip-compressed layer; times are zero, owners are root. */
export async function makeLayer(
	flavour: Flavour,
	folder: string,
	files: readonly LayerFile[],
): Promise<Layer> {
	const mtime = new Date(0);
	const encoder = new TextEncoder();
	const tar = await packTar([
		{ header: { name: folder, size: 0, type: 'directory', mode: 0o777, mtime } },
		...files.map(({ name, text }) => {
			const body = encoder.encode(text);
			return {
				header: {
					name: `${folder}/${name}`,
					size: body.length,
					type: 'file' as const,
					mode: 0o444,
					mtime,
				},
				body,
			};
		}),
	]);
	const blob = content(types[flavour].layer, gzipSync(tar, { level: 6, mtime: 0 }));
	return { blob, diffId: content('', tar).digest };
}

export interface ImageRecipe {
	readonly flavour: Flavour;
	/** what the config says */
	readonly platform: Platform;
	readonly layers: readonly Layer[];
	readonly created: string;
	readonly labels?: Readonly<Record<string, string>>;
}

export function makeImage({ flavour, platform, layers, created, labels }: ImageRecipe): MadeImage {
	const { os, architecture, variant } = platform;
	const config = json(types[flavour].config, {
		created,
		architecture,
		os,
		...(variant && { variant }),
		config: { ...(labels && { Labels: labels }) },
		rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
		history: layers.map(() => ({ created })),
	});
	const manifest = json(types[flavour].manifest, {
		schemaVersion: 2,
		mediaType: types[flavour].manifest,
		config: descriptor(config),
		layers: layers.map(({ blob }) => descriptor(blob)),
	});
	return { manifest, platform, blobs: [config, ...layers.map(({ blob }) => blob)] };
}

/** A child under the platform it is to be listed for, which need not be its own. */
export interface IndexEntry {
	readonly manifest: Content;
	readonly platform: Platform;
}

export function makeIndex(flavour: Flavour, entries: readonly IndexEntry[]): Content {
	return json(types[flavour].index, {
		schemaVersion: 2,
		mediaType: types[flavour].index,
		manifests: entries.map(({ manifest, platform }) => ({ ...descriptor(manifest), platform })),
	});
}
