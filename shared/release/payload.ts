/** A release's payload: the files of the layer that holds `release-manifests/`. */
import { gunzip, type Inflate } from '../archive/gzip.ts';
import { readTar, type TarEntry } from '../archive/tar.ts';
import { layerCompression } from '../oci/media-type.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError } from '../registry/problem.ts';
import { parseImageReferences, type ImageReferences } from './image-references.ts';
import { parseReleaseMetadata, type ReleaseMetadata } from './release-metadata.ts';

export interface PayloadFile {
	/** without the folder, such as `0000_20_etcd-operator_06_deployment.yaml` */
	readonly name: string;
	readonly bytes: Uint8Array;
}

export interface Payload {
	/** Entries of the archive, folders included. */
	readonly entryCount: number;
	/** Everything but image-references and release-metadata, in the archive's order. */
	readonly files: readonly PayloadFile[];
	/** Files that are manifests by their name: .yaml, .yml, .json. */
	readonly manifestCount: number;
	/** The names of those that are not. */
	readonly otherFiles: readonly string[];
	readonly imageReferences: ImageReferences;
	readonly metadata: ReleaseMetadata;
}

const folder = 'release-manifests/';
export const specialFiles = {
	imageReferences: 'image-references',
	metadata: 'release-metadata',
} as const;

/** The name of a payload file, from its path in a layer; undefined for anything outside the folder, and the folder itself. */
export function payloadFileName(path: string): string | undefined {
	const relative = path.replace(/^\.?\/+/, '');
	const name = relative.startsWith(folder) ? relative.slice(folder.length) : '';
	return name === '' ? undefined : name;
}

export function isManifestFile(name: string): boolean {
	return /\.(?:yaml|yml|json)$/.test(name);
}

export interface UnpackedLayer {
	readonly archive: Uint8Array;
	readonly entries: readonly TarEntry[];
}

/**
 * Unpacks one layer.
 * @throws ProblemError `unsupported` for compressions that releases do not use, `too-large`, `truncated`, `malformed`
 */
export async function unpackLayer(
	mediaType: string,
	chunks: AsyncIterable<Uint8Array>,
	inflate: Inflate,
): Promise<UnpackedLayer> {
	if (layerCompression(mediaType) !== 'gzip') {
		throw new ProblemError({
			code: 'unsupported',
			origin: 'content',
			reason: `The payload layer is ${mediaType}; release payloads are gzip-compressed archives.`,
		});
	}
	const archive = await gunzip(chunks, inflate, {
		mostBytes: limits.payloadUnpackedBytes,
		mostRatio: limits.payloadRatio,
	});
	return { archive, entries: await readTar(archive, limits.payloadEntries) };
}

export function holdsPayload(entries: readonly TarEntry[]): boolean {
	return entries.some(({ name }) => payloadFileName(name) === specialFiles.imageReferences);
}

/** Later layers win, file by file, as in an image's file system. */
function merge(layers: readonly (readonly TarEntry[])[]): ReadonlyMap<string, Uint8Array> {
	const files = new Map<string, Uint8Array>();
	for (const { name, type, bytes } of layers.flat()) {
		const file = payloadFileName(name);
		if (type === 'file' && file !== undefined) files.set(file, bytes);
	}
	return files;
}

function requiredText(files: ReadonlyMap<string, Uint8Array>, name: string): string {
	const bytes = files.get(name);
	if (!bytes) {
		throw new ProblemError({
			code: 'payload-invalid',
			origin: 'content',
			reason: `The payload has no ${folder}${name}.`,
		});
	}
	return new TextDecoder('utf-8').decode(bytes);
}

/**
 * Reads the payload out of unpacked layers, lowest first.
 * @throws ProblemError `payload-invalid` where a required file is missing or unreadable
 */
export function parsePayload(layers: readonly (readonly TarEntry[])[]): Payload {
	const all = merge(layers);
	const imageReferences = parseImageReferences(requiredText(all, specialFiles.imageReferences));
	const metadata = parseReleaseMetadata(requiredText(all, specialFiles.metadata));
	const files = [...all]
		.filter(([name]) => name !== specialFiles.imageReferences && name !== specialFiles.metadata)
		.map(([name, bytes]) => ({ name, bytes }));
	return {
		entryCount: layers
			.flat()
			.filter(({ name }) => name.replace(/^\.?\/+/, '').startsWith(folder.slice(0, -1))).length,
		files,
		manifestCount: files.filter(({ name }) => isManifestFile(name)).length,
		otherFiles: files.map(({ name }) => name).filter((name) => !isManifestFile(name)),
		imageReferences,
		metadata,
	};
}
