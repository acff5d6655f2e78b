/** Reads a release: its index and images, its payload, and every component with everything it lists. */
import { Documents } from '../index/documents.ts';
import { listImages, type ListedImage } from '../index/images.ts';
import { walk } from '../index/walk.ts';
import type { Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import { comparePlatforms, type PlatformKey } from '../oci/platform.ts';
import { byDigest, withDefaultTag, type Reference } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, problemOf, type Problem } from '../registry/problem.ts';
import type { CallOptions, DocumentRequest, RegistryReader } from '../registry/registries.ts';
import { holdsPayload, parsePayload, readLayer, type Payload } from './payload.ts';

/** The image whose children stand in for builds that do not exist. */
export const placeholderComponent = 'pod';

export const releaseLabel = 'io.openshift.release';

/** The payload of one release image; images with the same layer content share one. */
export interface ImagePayload {
	readonly platform: PlatformKey | undefined;
	/** of the layer's unpacked content, as the image's config states it */
	readonly diffId: string | undefined;
	readonly payload: Payload | undefined;
	readonly problem?: Problem;
}

export type ReadingStage = 'release' | 'payload' | 'components' | 'done';

/** What is known of a release so far. It grows while it is read; what is decided from it is decided anew. */
export interface ReleaseReading {
	readonly asked: Reference;
	readonly documents: Documents;
	stage: ReadingStage;
	/** What the reference resolved to. */
	root: Document | undefined;
	/** The release images, or the children of an index that is no release. */
	images: readonly ListedImage[];
	payloads: readonly ImagePayload[];
	/** The first payload that could be read, in canonical order of platforms. */
	payload: Payload | undefined;
	/** Documents of components that could not be read. */
	failures: number;
	/** What stopped the reading. */
	problem: Problem | undefined;
}

export function startReading(asked: Reference): ReleaseReading {
	return {
		asked: withDefaultTag(asked),
		documents: new Documents(),
		stage: 'release',
		root: undefined,
		images: [],
		payloads: [],
		payload: undefined,
		failures: 0,
		problem: undefined,
	};
}

type ReadImage = ListedImage & { readonly state: Extract<ListedImage['state'], { kind: 'read' }> };

function isRead(image: ListedImage): image is ReadImage {
	return image.state.kind === 'read';
}

function labelsOf(image: ListedImage): Readonly<Record<string, string>> {
	return (image.state.kind === 'read' && image.state.config?.config?.Labels) || {};
}

/** True where at least one readable image calls itself a release. */
export function isRelease(reading: ReleaseReading): boolean {
	return reading.images.some((image) => releaseLabel in labelsOf(image));
}

/** The name that the release images carry in their label. */
export function labelledName(reading: ReleaseReading): string | undefined {
	return reading.images.map((image) => labelsOf(image)[releaseLabel]).find(Boolean);
}

/** Unpacks layers from the top until one holds the payload: it is appended last, but may lie under others. */
async function readPayload(
	registries: RegistryReader,
	release: Reference,
	image: ReadImage,
	options: CallOptions,
): Promise<Payload> {
	for (const layer of image.state.manifest.layers.toReversed()) {
		if (layer.size > limits.payloadBytes) {
			throw new ProblemError({
				code: 'too-large',
				origin: 'content',
				reason: `The layer where the payload should be has ${layer.size} bytes; more than ${limits.payloadBytes} are not read.`,
			});
		}
		const reference = byDigest(release, layer.digest);
		const { chunks } = await registries.readBlob({ reference }, options);
		const entries = await readLayer(layer.mediaType, chunks);
		if (holdsPayload(entries)) return parsePayload([entries]);
	}
	throw new ProblemError({
		code: 'payload-invalid',
		origin: 'content',
		reason: 'No layer of the release image holds release-manifests/image-references.',
	});
}

async function imagePayload(
	registries: RegistryReader,
	release: Reference,
	image: ReadImage,
	options: CallOptions,
): Promise<ImagePayload> {
	const diffId = image.state.config?.rootfs?.diff_ids?.at(-1);
	try {
		const payload = await readPayload(registries, release, image, options);
		return { platform: image.platform, diffId, payload };
	} catch (error) {
		options.signal?.throwIfAborted();
		return { platform: image.platform, diffId, payload: undefined, problem: problemOf(error) };
	}
}

function componentRequests(reading: ReleaseReading): readonly DocumentRequest[] {
	const components = reading.payload?.imageReferences.components ?? [];
	// Until the placeholder image is known, no other cell can be decided.
	const placeholderFirst = components.toSorted(
		(a, b) => Number(b.name === placeholderComponent) - Number(a.name === placeholderComponent),
	);
	return placeholderFirst.flatMap(({ reference }) =>
		reference ? [{ reference: withDefaultTag(reference), namedBy: reading.asked.registry }] : [],
	);
}

async function* readImages(
	registries: RegistryReader,
	reading: ReleaseReading,
	options: CallOptions,
) {
	const { asked, documents } = reading;
	let rootDigest: Digest | undefined;
	for await (const result of walk(registries, [{ reference: asked }], documents, options)) {
		if (result.request.reference === asked) {
			if (!result.ok) {
				reading.problem = result.problem;
				return;
			}
			reading.root = result.document;
			rootDigest = result.document.digest;
		}
		if (rootDigest) reading.images = listImages(asked, rootDigest, documents);
		yield reading;
	}
}

async function* readPayloads(
	registries: RegistryReader,
	reading: ReleaseReading,
	options: CallOptions,
) {
	const canonical = reading.images
		.filter(isRead)
		.toSorted((a, b) => (a.platform && b.platform ? comparePlatforms(a.platform, b.platform) : 0));
	for (const image of canonical) {
		const diffId = image.state.config?.rootfs?.diff_ids?.at(-1);
		const same =
			diffId && reading.payloads.find((other) => other.diffId === diffId && other.payload);
		const found = same
			? { ...same, platform: image.platform }
			: await imagePayload(registries, reading.asked, image, options);
		reading.payloads = [...reading.payloads, found];
		reading.payload ??= found.payload;
		yield reading;
	}
	if (!reading.payload) reading.problem = reading.payloads.find(({ problem }) => problem)?.problem;
}

/**
 * Reads everything there is to read of a release, and yields the same growing `reading` at every step.
 * A reference that is no release is read to its children and configs. What could not be read is told
 * where it matters: as `problem` where it stopped everything, else by the documents that are missing.
 */
export async function* readRelease(
	registries: RegistryReader,
	reading: ReleaseReading,
	options: CallOptions = {},
): AsyncGenerator<ReleaseReading> {
	try {
		yield* readImages(registries, reading, options);
		if (!reading.problem && isRelease(reading)) {
			reading.stage = 'payload';
			yield* readPayloads(registries, reading, options);
			reading.stage = 'components';
			for await (const result of walk(
				registries,
				componentRequests(reading),
				reading.documents,
				options,
			)) {
				reading.failures += Number(!result.ok);
				yield reading;
			}
		}
	} catch (error) {
		options.signal?.throwIfAborted();
		reading.problem = problemOf(error);
	}
	reading.stage = 'done';
	yield reading;
}

/** Reads to the end; the reading then holds everything that could be learnt. */
export async function readWholeRelease(
	registries: RegistryReader,
	reading: ReleaseReading,
	options: CallOptions = {},
): Promise<ReleaseReading> {
	const steps = readRelease(registries, reading, options);
	while (!(await steps.next()).done);
	return reading;
}
