/** Finds and reads the payload of a release image. */
import type { Inflate } from '../archive/gzip.ts';
import type { ListedImage } from '../index/images.ts';
import type { Descriptor } from '../oci/manifest.ts';
import type { PlatformKey } from '../oci/platform.ts';
import { byDigest, type Repository } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, problemOf, type Problem } from '../registry/problem.ts';
import type { CallOptions, RegistryReader } from '../registry/registries.ts';
import { holdsPayload, parsePayload, unpackLayer, type Payload } from './payload.ts';

/** Where payloads come from, and what unpacks them. */
export interface PayloadSource {
	readonly registries: RegistryReader;
	readonly inflate: Inflate;
}

/** The layer of a release image that holds its payload. */
export interface PayloadLayer {
	/** from the lowest layer, 0 */
	readonly position: number;
	readonly descriptor: Descriptor;
	/** unpacked; images whose layers have the same content share it */
	readonly archive: Uint8Array;
}

/** The payload of one release image; images with the same layer content share one. */
export interface ImagePayload {
	/** of the release image */
	readonly digest: string;
	readonly platform: PlatformKey | undefined;
	/** of the payload layer's unpacked content, as the image's config states it */
	readonly diffId: string | undefined;
	readonly payload: Payload | undefined;
	readonly layer?: PayloadLayer;
	readonly problem?: Problem;
}

/** What is known already: `asked` is the release's repository, `payloads` what was read of its other images. */
interface Known {
	readonly asked: Repository;
	readonly payloads: readonly ImagePayload[];
}

function refuseLayer({ size }: Descriptor): never {
	throw new ProblemError({
		code: 'too-large',
		origin: 'content',
		reason: `The layer where the payload should be has ${size} bytes; more than ${limits.payloadBytes} are not read.`,
	});
}

interface FoundPayload {
	readonly payload: Payload;
	readonly layer: PayloadLayer;
}

/** From the top: the payload is appended last, but other layers may lie on it. */
async function findPayload(
	{ registries, inflate }: PayloadSource,
	release: Repository,
	layers: readonly Descriptor[],
	options: CallOptions,
): Promise<FoundPayload> {
	for (const [position, descriptor] of [...layers.entries()].toReversed()) {
		if (descriptor.size > limits.payloadBytes) refuseLayer(descriptor);
		const reference = byDigest(release, descriptor.digest);
		const request = { reference, sizeBytes: descriptor.size };
		const { chunks } = await registries.readBlob(request, options);
		const { archive, entries } = await unpackLayer(descriptor.mediaType, chunks, inflate);
		if (holdsPayload(entries)) {
			return { payload: parsePayload([entries]), layer: { position, descriptor, archive } };
		}
	}
	throw new ProblemError({
		code: 'payload-invalid',
		origin: 'content',
		reason: 'No layer of the release image holds release-manifests/image-references.',
	});
}

/** The shared content, at the place that it has in this image. */
function ownLayer(
	{ diffId, layer }: ImagePayload,
	diffIds: readonly string[],
	layers: readonly Descriptor[],
): PayloadLayer | undefined {
	const position = diffIds.lastIndexOf(diffId ?? '');
	const descriptor = layers[position];
	return layer && descriptor && { ...layer, position, descriptor };
}

/** Reads an image's payload, unless a layer of it has the content of one that was read already. */
export async function readImagePayload(
	source: PayloadSource,
	{ asked, payloads }: Known,
	{ digest, platform, state }: ListedImage,
	options: CallOptions,
): Promise<ImagePayload> {
	if (state.kind !== 'read') return { digest, platform, diffId: undefined, payload: undefined };
	const diffIds = state.config?.rootfs?.diff_ids ?? [];
	const { layers } = state.manifest;
	const same = payloads.find(
		({ diffId, payload }) => payload && diffId && diffIds.includes(diffId),
	);
	if (same) {
		const { diffId, payload } = same;
		const layer = ownLayer(same, diffIds, layers);
		return { digest, platform, diffId, payload, ...(layer && { layer }) };
	}
	try {
		const { payload, layer } = await findPayload(source, asked, layers, options);
		return { digest, platform, diffId: diffIds[layer.position], payload, layer };
	} catch (error) {
		options.signal?.throwIfAborted();
		return { digest, platform, diffId: undefined, payload: undefined, problem: problemOf(error) };
	}
}
