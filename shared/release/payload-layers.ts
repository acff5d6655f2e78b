/** Looks for payload files in all layers of the release images: only where one layer holds them all can it be replaced. */
import { gunzipStream } from '../archive/gzip.ts';
import { tarNames } from '../archive/tar-names.ts';
import type { ListedImage } from '../index/images.ts';
import type { Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/manifest.ts';
import { layerCompression } from '../oci/media-type.ts';
import type { PlatformKey } from '../oci/platform.ts';
import { byDigest, type Repository } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError } from '../registry/problem.ts';
import type { CallOptions } from '../registry/registries.ts';
import type { PayloadSource } from './read-payload.ts';

/** A layer by its place in its image. */
export interface PlacedLayer {
	/** from the lowest layer, 0 */
	readonly position: number;
	readonly descriptor: Descriptor;
}

export interface PayloadLayers {
	/** of the release image */
	readonly digest: string;
	readonly platform: PlatformKey | undefined;
	readonly holding: readonly PlacedLayer[];
	/** Too large, or not gzip. */
	readonly unseen: readonly PlacedLayer[];
}

/** Larger ones are not fetched: layers of operating systems hold no payload. */
const mostBytes = 16 * 1024 * 1024;
const lanes = 4;

/** Files of the payload's folder, and marks that delete it or something in it (OCI image-spec, layer.md "Whiteouts"). */
const payloadPath = /^\.?\/*(?:release-manifests\/.+|\.wh\.release-manifests)$/;

async function holdsPayloadFile(
	{ registries, inflate }: PayloadSource,
	release: Repository,
	{ digest, size, mediaType }: Descriptor,
	options: CallOptions,
): Promise<boolean> {
	const request = { reference: byDigest(release, digest), sizeBytes: size };
	const { chunks } = await registries.readBlob(request, options);
	const unpacked =
		layerCompression(mediaType) === 'gzip'
			? gunzipStream(chunks, inflate, {
					mostBytes: limits.payloadUnpackedBytes,
					mostRatio: limits.payloadRatio,
				})
			: chunks;
	for await (const name of tarNames(unpacked)) if (payloadPath.test(name)) return true;
	return false;
}

function canBeSeen({ size, mediaType }: Descriptor): boolean {
	const compression = layerCompression(mediaType);
	return size <= mostBytes && (compression === 'gzip' || compression === 'none');
}

function layersOf({ state }: ListedImage): readonly Descriptor[] {
	return state.kind === 'read' ? state.manifest.layers : [];
}

/**
 * Reads the layers of images that were read, each digest once, without keeping anything of them.
 * @param release the repository of the release images
 * @throws ProblemError where a layer cannot be read: what could not be looked at is not taken for empty
 */
export async function findPayloadLayers(
	source: PayloadSource,
	release: Repository,
	images: readonly ListedImage[],
	options: CallOptions = {},
): Promise<readonly PayloadLayers[]> {
	const layers = new Map<Digest, Descriptor>();
	for (const layer of images.flatMap(layersOf)) {
		if (canBeSeen(layer)) layers.set(layer.digest, layer);
	}
	const holding = new Set<Digest>();
	const rest = layers.values();
	const lane = async () => {
		for (const layer of rest) {
			options.signal?.throwIfAborted();
			if (await holdsPayloadFile(source, release, layer, options)) holding.add(layer.digest);
		}
	};
	await Promise.all(Array.from({ length: lanes }, lane));
	return images.map((image): PayloadLayers => {
		const placed = layersOf(image).map((descriptor, position) => ({ position, descriptor }));
		return {
			digest: image.digest,
			platform: image.platform,
			holding: placed.filter(({ descriptor }) => holding.has(descriptor.digest)),
			unseen: placed.filter(({ descriptor }) => !canBeSeen(descriptor)),
		};
	});
}

/** @throws ProblemError `plan-impossible` where the payload of an image is spread over several layers; names them all */
export function refuseSpreadPayload(images: readonly PayloadLayers[]): void {
	const spread = images.filter(({ holding }) => holding.length > 1);
	if (spread.length === 0) return;
	const sentences = spread.map(({ digest, platform, holding }) => {
		const layers = holding.map(
			({ position, descriptor }) => `${position + 1} (${descriptor.digest})`,
		);
		return `The release image ${platform ? `for ${platform}` : digest} holds release-manifests in several layers: ${layers.join(', ')}.`;
	});
	throw new ProblemError({
		code: 'plan-impossible',
		origin: 'content',
		reason: `${sentences.join(' ')} Only a payload in one layer can be replaced.`,
	});
}
