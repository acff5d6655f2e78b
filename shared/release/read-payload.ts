/** Finds and reads the payload of a release image. */
import type { Inflate } from '../archive/gzip.ts';
import type { ListedImage } from '../index/images.ts';
import type { Descriptor } from '../oci/manifest.ts';
import type { PlatformKey } from '../oci/platform.ts';
import { byDigest, type Repository } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, problemOf, type Problem } from '../registry/problem.ts';
import type { CallOptions, RegistryReader } from '../registry/registries.ts';
import { holdsPayload, parsePayload, readLayer, type Payload } from './payload.ts';

/** Where payloads come from, and what unpacks them. */
export interface PayloadSource {
	readonly registries: RegistryReader;
	readonly inflate: Inflate;
}

/** The payload of one release image; images with the same layer content share one. */
export interface ImagePayload {
	readonly platform: PlatformKey | undefined;
	/** of the payload layer's unpacked content, as the image's config states it */
	readonly diffId: string | undefined;
	readonly payload: Payload | undefined;
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
	/** from the lowest layer, 0 */
	readonly layer: number;
}

/** From the top: the payload is appended last, but other layers may lie on it. */
async function findPayload(
	{ registries, inflate }: PayloadSource,
	release: Repository,
	layers: readonly Descriptor[],
	options: CallOptions,
): Promise<FoundPayload> {
	for (const [at, layer] of [...layers.entries()].toReversed()) {
		if (layer.size > limits.payloadBytes) refuseLayer(layer);
		const reference = byDigest(release, layer.digest);
		const request = { reference, sizeBytes: layer.size };
		const { chunks } = await registries.readBlob(request, options);
		const entries = await readLayer(layer.mediaType, chunks, inflate);
		if (holdsPayload(entries)) return { payload: parsePayload([entries]), layer: at };
	}
	throw new ProblemError({
		code: 'payload-invalid',
		origin: 'content',
		reason: 'No layer of the release image holds release-manifests/image-references.',
	});
}

/** Reads an image's payload, unless a layer of it has the content of one that was read already. */
export async function readImagePayload(
	source: PayloadSource,
	{ asked, payloads }: Known,
	{ platform, state }: ListedImage,
	options: CallOptions,
): Promise<ImagePayload> {
	if (state.kind !== 'read') return { platform, diffId: undefined, payload: undefined };
	const diffIds = state.config?.rootfs?.diff_ids ?? [];
	const same = payloads.find(
		({ diffId, payload }) => payload && diffId && diffIds.includes(diffId),
	);
	if (same) return { ...same, platform };
	try {
		const { payload, layer } = await findPayload(source, asked, state.manifest.layers, options);
		return { platform, diffId: diffIds[layer], payload };
	} catch (error) {
		options.signal?.throwIfAborted();
		return { platform, diffId: undefined, payload: undefined, problem: problemOf(error) };
	}
}
