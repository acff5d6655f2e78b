/** The images that a reference stands for: an index's children, through nested indexes, or the image itself. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { readManifest } from '../oci/document.ts';
import { isAttestation, mostChildren, type Child } from '../oci/manifest.ts';
import { isImageManifestType, isIndexType } from '../oci/media-type.ts';
import { platformKey, type PlatformKey } from '../oci/platform.ts';
import type { Repository } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import type { Documents } from './documents.ts';
import { failure, imageState, type ImageState } from './image-state.ts';

/** One image as an index promises it. */
export interface ListedImage {
	readonly digest: string;
	readonly mediaType: string;
	/** From the descriptor; where that has none, from the image's config once it is read. */
	readonly platform: PlatformKey | undefined;
	readonly state: ImageState;
}

/** True for a child that is an image to be run. BuildKit’s attestations carry a platform that is none. */
export function isRunnable(child: Child): boolean {
	const isUnknown = child.platform?.os === 'unknown' && child.platform.architecture === 'unknown';
	return !isUnknown && !isAttestation(child) && isImageManifestType(child.mediaType);
}

class ImageLister {
	readonly #repository: Repository;
	readonly #documents: Documents;
	readonly #above = new Set<string>();
	/** Indexes that list each other many times would stand for more images than anything can hold. */
	#listed = 0;

	constructor(repository: Repository, documents: Documents) {
		this.#repository = repository;
		this.#documents = documents;
	}

	#image(child: Child): ListedImage {
		const { digest, mediaType, size } = child;
		const promised = child.platform ? platformKey(child.platform) : undefined;
		const state = imageState(
			this.#repository,
			{ digest, sizeBytes: size, promised },
			this.#documents,
		);
		const found = state.kind === 'read' ? state.platform : undefined;
		return { digest, mediaType, platform: promised ?? found, state };
	}

	/** A nested index that could not be looked into stands as one image of unknown platform, so that nothing looks absent. */
	#unread(child: Child, state: ImageState): ListedImage {
		const platform = child.platform ? platformKey(child.platform) : undefined;
		return { digest: child.digest, mediaType: child.mediaType, platform, state };
	}

	#nested(child: Child): readonly ListedImage[] {
		const { digest } = child;
		if (!isDigest(digest)) return [this.#image(child)];
		if (this.#above.size > limits.indexDepth) {
			return [this.#unread(child, { kind: 'unchecked', reason: 'It is nested too deep.' })];
		}
		if (this.#listed > mostChildren) {
			const reason = `More than ${mostChildren} images are listed.`;
			return [this.#unread(child, { kind: 'unchecked', reason })];
		}
		const result = this.#documents.manifest(this.#repository, digest);
		if (!result) return [this.#unread(child, { kind: 'pending' })];
		if (!result.ok) return [this.#unread(child, failure('index', result.problem))];
		return this.below(digest);
	}

	below(digest: Digest): readonly ListedImage[] {
		const result = this.#documents.manifest(this.#repository, digest);
		if (!result?.ok || this.#above.has(digest)) return [];
		const { mediaType, bytes } = result.document;
		const content = readManifest(result.document);
		if (content.kind === 'image') return [this.#image({ mediaType, digest, size: bytes.length })];
		if (content.kind === 'malformed') {
			const reason = `It cannot be read: ${content.reason}.`;
			return [{ digest, mediaType, platform: undefined, state: { kind: 'broken', reason } }];
		}
		if (content.kind !== 'index') return [];
		this.#above.add(digest);
		this.#listed += content.index.manifests.length;
		const images = content.index.manifests.flatMap((child) => {
			if (isIndexType(child.mediaType)) return this.#nested(child);
			return isRunnable(child) ? [this.#image(child)] : [];
		});
		this.#above.delete(digest);
		return images;
	}
}

/**
 * The images below a manifest, in listed order (the first of two with one platform is the one that counts:
 * image-index.md, "the first matching entry SHOULD be used"). Attestations and other artifacts are left out.
 */
export function listImages(
	repository: Repository,
	root: Digest,
	documents: Documents,
): readonly ListedImage[] {
	return new ImageLister(repository, documents).below(root);
}
