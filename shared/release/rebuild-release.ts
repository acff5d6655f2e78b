/** Puts rewritten payloads into release images: layer, config, manifest and index, each edited where it has to be. */
import type { Gzip } from '../archive/gzip.ts';
import { editedJson } from '../index/edited-json.ts';
import type { ListedImage } from '../index/images.ts';
import { algorithmOf, isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import type { JsonEdit } from '../oci/json-text.ts';
import type { Descriptor, ImageConfig, ImageManifest } from '../oci/manifest.ts';
import type { PlatformKey } from '../oci/platform.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { ProblemError } from '../registry/problem.ts';
import {
	rewritePayload,
	type PayloadChanges,
	type Renaming,
	type RewrittenPayload,
} from './payload-rewrite.ts';
import type { ImagePayload, PayloadLayer } from './read-payload.ts';
import { releaseLabel, type ReleaseReading } from './read-release.ts';
import type { Refusals } from './refusals.ts';

/** A blob that exists nowhere yet. */
export interface MadeBlob {
	readonly digest: Digest;
	readonly mediaType: string;
	readonly bytes: Uint8Array;
}

/** A release image with everything that is needed to make another one of it. */
export interface ReadReleaseImage {
	readonly platform: PlatformKey | undefined;
	readonly document: Document;
	readonly manifest: ImageManifest;
	readonly config: Document;
	readonly labels: Readonly<Record<string, string>>;
	readonly diffId: string;
	readonly layer: PayloadLayer;
	/** as its own payload states it */
	readonly version: string;
}

/** What changes in every payload; each is renamed from the version that it has. */
export interface ReleaseChanges extends Pick<PayloadChanges, 'pullspecs'> {
	readonly rename?: Omit<Renaming, 'from'> | undefined;
}

export interface RebuildTools {
	readonly hash: HashBytes;
	readonly gzip: Gzip;
}

export interface RebuiltImages {
	/** By the digest of the image that was; only where it changed. */
	readonly replaced: ReadonlyMap<string, Document>;
	readonly blobs: readonly MadeBlob[];
	/** One for each payload content that was there. */
	readonly payloads: readonly RewrittenPayload[];
}

function nameOf({ platform, digest }: Pick<ListedImage, 'platform' | 'digest'>): string {
	return platform ? `The release image for ${platform}` : `The release image ${digest}`;
}

function layerOf(
	{ diffId, layer }: ImagePayload,
	manifest: ImageManifest,
	config: ImageConfig,
): { readonly diffId: string; readonly layer: PayloadLayer } | string {
	const diffIds = config.rootfs?.diff_ids ?? [];
	if (diffIds.length !== manifest.layers.length) {
		return `its config names ${diffIds.length} layers, its manifest ${manifest.layers.length}.`;
	}
	if (!layer || diffId === undefined || diffIds[layer.position] !== diffId) {
		return 'the layer of its payload is not known.';
	}
	return { diffId, layer };
}

function readImage(reading: ReleaseReading, image: ListedImage): ReadReleaseImage | string {
	const { digest, platform, state } = image;
	const { asked, documents, payloads } = reading;
	if (state.kind !== 'read') return state.kind === 'pending' ? 'it is not read yet.' : state.reason;
	const read = isDigest(digest) ? documents.manifest(asked, digest) : undefined;
	const config = documents.config(asked, state.manifest.config.digest);
	if (!read?.ok || !config?.ok || !state.config) return 'its manifest or config is not read.';
	const payload = payloads.find((each) => each.digest === digest);
	if (!payload?.payload) return payload?.problem?.reason ?? 'its payload is not read.';
	const found = layerOf(payload, state.manifest, state.config);
	if (typeof found === 'string') return found;
	return {
		platform,
		document: read.document,
		manifest: state.manifest,
		config: config.document,
		labels: state.config.config?.Labels ?? {},
		version: payload.payload.metadata.version,
		...found,
	};
}

/** The release images that stay, each once; what could not be read goes to `refusals`. */
export function readReleaseImages(
	reading: ReleaseReading,
	kept: readonly ListedImage[],
	refusals: Refusals,
): readonly ReadReleaseImage[] {
	const images = new Map<string, ReadReleaseImage>();
	for (const image of kept) {
		const read = readImage(reading, image);
		if (typeof read !== 'string') images.set(image.digest, read);
		else refusals.add(`${nameOf(image)} has to be made anew, but: ${read}`);
	}
	return [...images.values()];
}

interface RewrittenLayer {
	readonly payload: RewrittenPayload;
	readonly diffId: string;
	/** undefined where nothing changed */
	readonly blob?: MadeBlob;
}

function refuse(reason: string): never {
	throw new ProblemError({ code: 'plan-impossible', origin: 'content', reason });
}

function refuseEmbedded(image: Document, descriptor: Descriptor): void {
	if (descriptor['data'] === undefined) return;
	refuse(
		`The release image ${image.digest} embeds the content of ${descriptor.digest} in its descriptor; a changed one cannot be listed there.`,
	);
}

class ReleaseRebuilder {
	readonly #changes: ReleaseChanges;
	readonly #tools: RebuildTools;
	readonly #layers = new Map<Uint8Array, RewrittenLayer>();
	readonly #blobs = new Map<Digest, MadeBlob>();
	readonly #replaced = new Map<string, Document>();

	constructor(changes: ReleaseChanges, tools: RebuildTools) {
		this.#changes = changes;
		this.#tools = tools;
	}

	/** Images with the same payload content get one layer. */
	async #layerFor(image: ReadReleaseImage): Promise<RewrittenLayer> {
		const known = this.#layers.get(image.layer.archive);
		if (known) return known;
		const made = await this.#rewrite(image);
		this.#layers.set(image.layer.archive, made);
		return made;
	}

	async #rewrite(image: ReadReleaseImage): Promise<RewrittenLayer> {
		const { layer, diffId, document, version: from } = image;
		const { archive, descriptor } = layer;
		const { pullspecs, rename } = this.#changes;
		const payload = await rewritePayload(archive, {
			pullspecs,
			rename: rename && rename.to !== from ? { ...rename, from } : undefined,
		});
		if (payload.archive === archive) return { payload, diffId };
		const found = await this.#tools.hash('sha256', archive);
		if (isDigest(diffId) && algorithmOf(diffId) === 'sha256' && found !== diffId) {
			refuse(
				`The payload layer of the release image ${document.digest} unpacks to ${found}, but its config says ${diffId}.`,
			);
		}
		const bytes = await this.#tools.gzip(payload.archive);
		const blob = await this.#makeBlob(descriptor, descriptor.mediaType, bytes);
		return { payload, diffId: await this.#tools.hash('sha256', payload.archive), blob };
	}

	/** With a digest of the kind that was there. */
	async #makeBlob(
		{ digest }: Pick<Descriptor, 'digest'>,
		mediaType: string,
		bytes: Uint8Array,
	): Promise<MadeBlob> {
		const blob = { digest: await this.#tools.hash(algorithmOf(digest), bytes), mediaType, bytes };
		this.#blobs.set(blob.digest, blob);
		return blob;
	}

	async #rebuildConfig(image: ReadReleaseImage, layer: RewrittenLayer): Promise<MadeBlob> {
		const { manifest, config, labels } = image;
		const { rename } = this.#changes;
		const edits: JsonEdit[] = [
			{ path: ['rootfs', 'diff_ids', image.layer.position], value: layer.diffId },
		];
		if (rename && releaseLabel in labels) {
			edits.push({ path: ['config', 'Labels', releaseLabel], value: rename.to });
		}
		const bytes = editedJson(`The config ${config.digest}`, config.bytes, edits);
		return this.#makeBlob(manifest.config, manifest.config.mediaType, bytes);
	}

	async rebuild(image: ReadReleaseImage): Promise<void> {
		const layer = await this.#layerFor(image);
		if (!layer.blob) return;
		const { document, manifest } = image;
		const { position, descriptor } = image.layer;
		refuseEmbedded(document, manifest.config);
		refuseEmbedded(document, descriptor);
		const config = await this.#rebuildConfig(image, layer);
		const bytes = editedJson(`The manifest ${document.digest}`, document.bytes, [
			{ path: ['config', 'digest'], value: config.digest },
			{ path: ['config', 'size'], value: config.bytes.length },
			{ path: ['layers', position, 'digest'], value: layer.blob.digest },
			{ path: ['layers', position, 'size'], value: layer.blob.bytes.length },
		]);
		const digest = await this.#tools.hash(algorithmOf(document.digest), bytes);
		const made = { mediaType: document.mediaType, digest, bytes };
		if (readManifest(made).kind !== 'image') refuse(`${document.digest} cannot be made anew.`);
		this.#replaced.set(document.digest, made);
	}

	result(): RebuiltImages {
		return {
			replaced: this.#replaced,
			blobs: [...this.#blobs.values()],
			payloads: [...this.#layers.values()].map(({ payload }) => payload),
		};
	}
}

/**
 * Makes images anew whose payload changes; where nothing does, everything stays as it is.
 * @throws ProblemError `plan-impossible`, and whatever `rewritePayload` refuses
 */
export async function rebuildImages(
	images: readonly ReadReleaseImage[],
	changes: ReleaseChanges,
	tools: RebuildTools,
): Promise<RebuiltImages> {
	const rebuilder = new ReleaseRebuilder(changes, tools);
	for (const image of images) await rebuilder.rebuild(image);
	return rebuilder.result();
}
