/** What is known of one image: whether it is there, whole, and for the platform it is listed under (D20). */
import { isDigest } from '../oci/digest.ts';
import { readConfig, readManifest } from '../oci/document.ts';
import type { Descriptor, ImageConfig, ImageManifest } from '../oci/manifest.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import { platformKey, type PlatformKey } from '../oci/platform.ts';
import type { Repository } from '../oci/reference.ts';
import { saysAbsent, saysDamaged, type Problem } from '../registry/problem.ts';
import type { DocumentResult } from '../registry/registries.ts';
import type { Documents } from './documents.ts';

/** A descriptor's promise, to be held against what is there. */
export interface PromisedImage {
	readonly digest: string;
	readonly sizeBytes: number;
	readonly promised: PlatformKey | undefined;
}

export type ImageState =
	/** Not asked for yet. */
	| { readonly kind: 'pending' }
	/** The registry did not let us look, or the digest cannot be verified. */
	| { readonly kind: 'unchecked'; readonly reason: string; readonly problem?: Problem }
	/** Its manifest or config is not there, or is not what its descriptor says. */
	| { readonly kind: 'broken'; readonly reason: string; readonly problem?: Problem }
	/** Its manifest is there and whole, and so is its config where that was read. */
	| {
			readonly kind: 'read';
			readonly manifest: ImageManifest;
			readonly config: ImageConfig | undefined;
			readonly platform: PlatformKey | undefined;
			/** False where the config was not read, or not yet: its manifest is there, its platform is taken as listed. */
			readonly compared: boolean;
			/** Set where the config disagrees with the listed platform: a sentence that names both. */
			readonly disagreement?: string;
			readonly checkedAt: number;
			/** Where its manifest was read, where that is a mirror of the repository. */
			readonly readFrom?: Repository;
	  };

type Failure = Extract<ImageState, { kind: 'unchecked' | 'broken' }>;

/** What a failed read of a listed thing means for whoever relies on it. */
export function failure(what: 'manifest' | 'config' | 'index', problem: Problem): Failure {
	if (saysAbsent(problem)) {
		return {
			kind: 'broken',
			reason: `Its ${what} is listed, but it is not in the registry.`,
			problem,
		};
	}
	if (saysDamaged(problem)) {
		return { kind: 'broken', reason: `Its ${what} is damaged: ${problem.reason}`, problem };
	}
	return { kind: 'unchecked', reason: problem.reason, problem };
}

function readImageManifest(
	result: Extract<DocumentResult, { ok: true }>,
	sizeBytes: number,
): ImageManifest | Failure {
	const { document } = result;
	if (document.bytes.length !== sizeBytes) {
		return {
			kind: 'broken',
			reason: `Its manifest has ${document.bytes.length} bytes, its descriptor says ${sizeBytes}.`,
		};
	}
	const content = readManifest(document);
	if (content.kind === 'image') return content.manifest;
	const reason =
		content.kind === 'malformed'
			? `Its manifest cannot be read: ${content.reason}.`
			: `It is listed as an image, but it is ${content.kind === 'index' ? 'an index' : document.mediaType}.`;
	return { kind: 'broken', reason };
}

function isFailure(value: ImageManifest | ImageConfig | Failure): value is Failure {
	return 'kind' in value && (value.kind === 'broken' || value.kind === 'unchecked');
}

function readImageConfig(result: DocumentResult, descriptor: Descriptor): ImageConfig | Failure {
	if (!result.ok) return failure('config', result.problem);
	const { bytes } = result.document;
	if (bytes.length !== descriptor.size) {
		return {
			kind: 'broken',
			reason: `Its config has ${bytes.length} bytes, its descriptor says ${descriptor.size}.`,
		};
	}
	const content = readConfig(bytes);
	return content.kind === 'config'
		? content.config
		: { kind: 'broken', reason: `Its config cannot be read: ${content.reason}.` };
}

function configPlatform(config: ImageConfig): PlatformKey | undefined {
	return config.os && config.architecture ? platformKey(config) : undefined;
}

/** Variants and OS versions count only where both sides state them; peers leave them out of configs freely. */
function disagree(promised: PlatformKey, found: PlatformKey): boolean {
	const [promisedOs, promisedArchitecture, promisedVariant] = promised
		.replace(/\([^()]*\)/, '')
		.split('/');
	const [foundOs, foundArchitecture, foundVariant] = found.replace(/\([^()]*\)/, '').split('/');
	return (
		promisedOs !== foundOs ||
		promisedArchitecture !== foundArchitecture ||
		(promisedVariant !== undefined &&
			foundVariant !== undefined &&
			promisedVariant !== foundVariant)
	);
}

function disagreement(
	promised: PlatformKey | undefined,
	found: PlatformKey | undefined,
): string | undefined {
	if (promised === undefined) return undefined;
	if (found === undefined) return `It is listed as ${promised}, but its config names no platform.`;
	return disagree(promised, found)
		? `It is listed as ${promised}, but its config says ${found}.`
		: undefined;
}

type ReadState = Extract<ImageState, { kind: 'read' }>;

/** Something listed under a platform that is no image at all. */
function artifactState(manifest: ImageManifest, promised: PlatformKey | undefined) {
	const { mediaType } = manifest.config;
	return {
		config: undefined,
		platform: undefined,
		compared: true,
		...(promised && {
			disagreement: `It is listed as ${promised}, but it is an artifact (${mediaType}).`,
		}),
	};
}

function comparedState(config: ImageConfig, promised: PlatformKey | undefined) {
	const platform = configPlatform(config);
	const sentence = disagreement(promised, platform);
	return { config, platform, compared: true, ...(sentence && { disagreement: sentence }) };
}

function readState(
	repository: Repository,
	{ promised }: PromisedImage,
	manifest: ImageManifest,
	documents: Documents,
): Omit<ReadState, 'kind' | 'manifest' | 'checkedAt' | 'readFrom'> | Failure | { kind: 'pending' } {
	if (!isImageConfigType(manifest.config.mediaType)) return artifactState(manifest, promised);
	const result = documents.config(repository, manifest.config.digest);
	if (result) {
		const config = readImageConfig(result, manifest.config);
		return isFailure(config) ? config : comparedState(config, promised);
	}
	if (promised === undefined) return { kind: 'pending' };
	return { config: undefined, platform: promised, compared: false };
}

/** Holds an image's promise against the documents read so far. */
export function imageState(
	repository: Repository,
	image: PromisedImage,
	documents: Documents,
): ImageState {
	const { digest } = image;
	if (!isDigest(digest)) {
		const algorithm = digest.slice(0, digest.indexOf(':'));
		const reason = `Its digest uses ${algorithm}, which cannot be verified here.`;
		return { kind: 'unchecked', reason };
	}
	const result = documents.manifest(repository, digest);
	if (!result) return { kind: 'pending' };
	if (!result.ok) return failure('manifest', result.problem);
	const manifest = readImageManifest(result, image.sizeBytes);
	if (isFailure(manifest)) return manifest;
	const state = readState(repository, image, manifest, documents);
	if ('kind' in state) return state;
	const { checkedAt, readFrom } = result;
	return { kind: 'read', ...state, manifest, checkedAt, ...(readFrom && { readFrom }) };
}
