/** What the store needs to know of a manifest, and what it demands of one that is pushed. */
import type { Digest } from '../../shared/oci/digest.ts';
import { manifestMediaType, readManifest, type Document } from '../../shared/oci/document.ts';
import { descriptorSchema, type Descriptor } from '../../shared/oci/manifest.ts';
import {
	isImageManifestType,
	isIndexType,
	manifestMediaTypes,
} from '../../shared/oci/media-type.ts';
import { StoreError } from './store-error.ts';

/** A push larger than this is refused (distribution-spec, "Pushing Manifests"). */
export const mostManifestBytes = 4 * 1024 * 1024;

export interface ManifestFacts {
	readonly mediaType: string;
	readonly digest: Digest;
	readonly size: number;
	/** config and layers that have to be in the same repository */
	readonly blobs: readonly string[];
	/** children of an index, with the media type their descriptor gives them */
	readonly children: readonly { readonly digest: string; readonly mediaType: string }[];
	readonly subject: Digest | undefined;
	/** as a referrers listing states it: the manifest's own, or the type of its config */
	readonly artifactType: string | undefined;
	readonly annotations: Readonly<Record<string, string>> | undefined;
}

// Layers that may stay at the URLs their descriptor names.
const nonDistributable = /nondistributable|\.foreign\./;

function factsOfIndex(document: Document): ManifestFacts | string {
	const content = readManifest(document);
	if (content.kind !== 'index') return describe(content);
	const { index } = content;
	const subject = descriptorSchema.nullish().safeParse(index['subject']);
	if (!subject.success) return 'its subject is not a descriptor whose digest can be verified';
	return {
		...sizeAndType(document),
		blobs: [],
		children: index.manifests.map(({ digest, mediaType }) => ({ digest, mediaType })),
		subject: subject.data?.digest,
		artifactType: index.artifactType,
		annotations: index.annotations ?? undefined,
	};
}

function factsOfImage(document: Document): ManifestFacts | string {
	const content = readManifest(document);
	if (content.kind !== 'image') return describe(content);
	const { manifest } = content;
	const needed = [
		manifest.config,
		...manifest.layers.filter(({ mediaType }) => !nonDistributable.test(mediaType)),
	];
	return {
		...sizeAndType(document),
		blobs: needed.map(({ digest }) => digest),
		children: [],
		subject: manifest.subject?.digest,
		artifactType: manifest.artifactType ?? manifest.config.mediaType,
		annotations: manifest.annotations ?? undefined,
	};
}

function describe(content: ReturnType<typeof readManifest>): string {
	return content.kind === 'malformed' ? content.reason : 'it is not what its media type says';
}

function sizeAndType({ mediaType, digest, bytes }: Document) {
	return { mediaType, digest, size: bytes.length };
}

function factsOf(document: Document): ManifestFacts | string {
	if (isIndexType(document.mediaType)) return factsOfIndex(document);
	if (isImageManifestType(document.mediaType)) return factsOfImage(document);
	if (!manifestMediaTypes.includes(document.mediaType)) return 'it is no manifest';
	return {
		...sizeAndType(document),
		blobs: [],
		children: [],
		subject: undefined,
		artifactType: undefined,
		annotations: undefined,
	};
}

/** The facts of a stored document; undefined where it is no manifest. */
export function manifestFacts(document: Document): ManifestFacts | undefined {
	const facts = factsOf(document);
	return typeof facts === 'string' ? undefined : facts;
}

/**
 * The facts of a manifest that somebody wants to push. Its media type must be one that its bytes
 * alone would give it again, because the bytes are all that is kept.
 * @param contentType the bare Content-Type, or '' to take the document's own word
 * @throws StoreError `manifestInvalid`
 */
export function pushedManifestFacts(
	digest: Digest,
	bytes: Uint8Array,
	contentType: string,
): ManifestFacts {
	const refuse = (reason: string) =>
		new StoreError('manifestInvalid', `The manifest is refused: ${reason}.`, { details: [digest] });
	const own = manifestMediaType(bytes, '');
	const mediaType = contentType || own;
	if (!isIndexType(mediaType) && !isImageManifestType(mediaType)) {
		throw refuse(`only image manifests and indexes are kept, not ${mediaType}`);
	}
	const facts = factsOf({ mediaType, digest, bytes });
	if (typeof facts === 'string') throw refuse(facts);
	if (own !== mediaType) throw refuse(`it was sent as ${mediaType}, but its fields make it ${own}`);
	return facts;
}

/** An entry of a referrers listing (distribution-spec, "Listing Referrers"). */
export function referrerDescriptor(facts: ManifestFacts): Descriptor {
	return {
		mediaType: facts.mediaType,
		digest: facts.digest,
		size: facts.size,
		...(facts.artifactType !== undefined && { artifactType: facts.artifactType }),
		...(facts.annotations && { annotations: facts.annotations }),
	};
}
