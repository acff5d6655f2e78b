/** Reads a release: its index and images, its payload, and every component with everything it lists. */
import { Documents } from '../index/documents.ts';
import { listImages, type ListedImage } from '../index/images.ts';
import { walk, type Depth } from '../index/walk.ts';
import type { Document } from '../oci/document.ts';
import { comparePlatforms } from '../oci/platform.ts';
import { withDefaultTag, type Reference } from '../oci/reference.ts';
import { problemOf, type Problem } from '../registry/problem.ts';
import type { CallOptions, DocumentRequest } from '../registry/registries.ts';
import type { Payload } from './payload.ts';
import { readImagePayload, type ImagePayload, type PayloadSource } from './read-payload.ts';

/** The image whose children stand in for builds that do not exist. */
export const placeholderComponent = 'pod';

export const releaseLabel = 'io.openshift.release';

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
	/** How much is read of every image. */
	readonly depth: Depth;
	/** The first payload that could be read, in canonical order of platforms. */
	payload: Payload | undefined;
	/** What stopped the reading. */
	problem: Problem | undefined;
}

export function startReading(asked: Reference, depth: Depth = 'configs'): ReleaseReading {
	return {
		asked: withDefaultTag(asked),
		depth,
		documents: new Documents(),
		stage: 'release',
		root: undefined,
		images: [],
		payloads: [],
		payload: undefined,
		problem: undefined,
	};
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
	{ registries }: PayloadSource,
	reading: ReleaseReading,
	options: CallOptions,
) {
	const { asked, documents } = reading;
	// The configs carry the labels that tell a release, so they are read at any depth.
	for await (const result of walk(registries, [{ reference: asked }], documents, options)) {
		if (result.request.reference === asked) {
			if (!result.ok) {
				reading.problem = result.problem;
				return;
			}
			reading.root = result.document;
		}
		if (reading.root) reading.images = listImages(asked, reading.root.digest, documents);
		yield reading;
	}
}

function isRead(image: ListedImage): boolean {
	return image.state.kind === 'read';
}

async function* readPayloads(source: PayloadSource, reading: ReleaseReading, options: CallOptions) {
	const canonical = reading.images
		.filter(isRead)
		.toSorted((a, b) => (a.platform && b.platform ? comparePlatforms(a.platform, b.platform) : 0));
	for (const image of canonical) {
		const found = await readImagePayload(source, reading, image, options);
		reading.payloads = [...reading.payloads, found];
		reading.payload ??= found.payload;
		yield reading;
	}
	if (!reading.payload) reading.problem = reading.payloads.find(({ problem }) => problem)?.problem;
}

async function* readComponents(
	{ registries }: PayloadSource,
	reading: ReleaseReading,
	options: CallOptions,
) {
	const { documents, depth } = reading;
	const requests = componentRequests(reading);
	const arrivals = walk(registries, requests, documents, { ...options, depth });
	for await (const _ of arrivals) yield reading;
}

/**
 * Reads everything there is to read of a release, and yields the same growing `reading` at every step.
 * A reference that is no release is read to its children and configs. What could not be read is told
 * where it matters: as `problem` where it stopped everything, else by the documents that are missing.
 */
export async function* readRelease(
	source: PayloadSource,
	reading: ReleaseReading,
	options: CallOptions = {},
): AsyncGenerator<ReleaseReading> {
	try {
		yield* readImages(source, reading, options);
		if (!reading.problem && isRelease(reading)) {
			reading.stage = 'payload';
			yield* readPayloads(source, reading, options);
			reading.stage = 'components';
			yield* readComponents(source, reading, options);
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
	source: PayloadSource,
	reading: ReleaseReading,
	options: CallOptions = {},
): Promise<ReleaseReading> {
	const steps = readRelease(source, reading, options);
	while (!(await steps.next()).done);
	return reading;
}
