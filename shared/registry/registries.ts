/**
 * The port: the one way to read from registries and to write to them.
 * Bindings: over HTTP to the proxy, direct, the embedded store, a fake for tests; all of them pass
 * the same contract (test/unit/registry/contract.ts).
 *
 * Everything is batched and streamed. A part that fails is a result with a problem, never a thrown
 * error that takes the other parts with it. Methods that yield nothing but values throw `ProblemError`.
 */
import type { Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import type { Descriptor } from '../oci/manifest.ts';
import type { DigestReference, Reference, Repository } from '../oci/reference.ts';
import type { Problem } from './problem.ts';

export interface CallOptions {
	readonly signal?: AbortSignal | undefined;
	/** Ask the registry, also where a copy is kept. Bindings that keep nothing do so anyway. */
	readonly fresh?: boolean | undefined;
	/**
	 * At the very repositories that are named, whatever mirrors there are: asked of what is to be written there.
	 * The same goes for every request that is `forWriting`.
	 */
	readonly exact?: boolean | undefined;
}

/** One document to read. Results carry the very same request object. */
export interface DocumentRequest<R extends Reference = Reference> {
	readonly reference: R;
	/**
	 * The registry whose content named this reference; absent where the user did.
	 * Content may not lead to private addresses that the user did not name.
	 */
	readonly namedBy?: string | undefined;
	/**
	 * Asked as who is about to write there. Many registries show a repository that does not exist yet, or what is
	 * in a private one, only to a login that may push to it.
	 */
	readonly forWriting?: boolean | undefined;
}

export type DocumentResult<R extends Reference = Reference> =
	| {
			readonly ok: true;
			readonly request: DocumentRequest<R>;
			/** Held against its digest, on every side that it passed. */
			readonly document: Document;
			/** When it was last seen in that repository, in milliseconds since 1970. */
			readonly checkedAt: number;
			/** Where it was read, where that is not the repository that was asked: a mirror of it. */
			readonly readFrom?: Repository;
	  }
	| { readonly ok: false; readonly request: DocumentRequest<R>; readonly problem: Problem };

export interface BlobRequest extends DocumentRequest<DigestReference> {
	/** As its descriptor states it; a blob of any other size is refused, and never read beyond it. */
	readonly sizeBytes?: number | undefined;
}

export interface PresenceRequest extends DocumentRequest<DigestReference> {
	readonly kind: 'manifest' | 'blob';
}

export type PresenceResult =
	| {
			readonly ok: true;
			readonly request: PresenceRequest;
			readonly present: boolean;
			readonly checkedAt: number;
			/** Where it is, where that is not the repository that was asked: a mirror of it. */
			readonly readFrom?: Repository;
	  }
	| { readonly ok: false; readonly request: PresenceRequest; readonly problem: Problem };

/** A blob on its way. Iterating fails at the end where size or digest are not as promised. */
export interface BlobStream {
	readonly sizeBytes: number | undefined;
	readonly chunks: AsyncIterable<Uint8Array>;
}

export interface ReferrersOptions extends CallOptions {
	/** as in `DocumentRequest` */
	readonly namedBy?: string | undefined;
}

export interface RegistryReader {
	/** Manifests and indexes, by tag or digest, in the order in which they arrive. */
	readManifests(
		requests: readonly DocumentRequest[],
		options?: CallOptions,
	): AsyncIterable<DocumentResult>;
	/** Image configs: small JSON documents that registries keep as blobs. */
	readConfigs(
		requests: readonly DocumentRequest<DigestReference>[],
		options?: CallOptions,
	): AsyncIterable<DocumentResult<DigestReference>>;
	exists(
		requests: readonly PresenceRequest[],
		options?: CallOptions,
	): AsyncIterable<PresenceResult>;
	readBlob(request: BlobRequest, options?: CallOptions): Promise<BlobStream>;
	/** All tags, all pages, in the registry's order. */
	tags(repository: Repository, options?: CallOptions): AsyncIterable<string>;
	/** All pages; a registry without the referrers API is asked for the tag that stands in for it. */
	referrers(subject: DigestReference, options?: ReferrersOptions): AsyncIterable<Descriptor>;
	repositories(registry: string, options?: CallOptions): AsyncIterable<string>;
}

export interface BlobCopy {
	readonly to: DigestReference;
	readonly sizeBytes: number;
	/** Where the blob is known to be, best first; mounted from the first that shares `to`'s registry. */
	readonly from: readonly Repository[];
}

/** `bytes` counts what has gone out since the blob was begun; it starts over where the copy has to. */
export type BlobCopyEvent = { readonly copy: BlobCopy } & (
	| { readonly state: 'copying'; readonly bytes: number }
	| { readonly state: 'existed' | 'mounted' | 'copied' }
	| { readonly state: 'failed'; readonly problem: Problem }
);

export interface BlobUpload {
	readonly to: DigestReference;
	readonly sizeBytes: number;
	/** Called again where the upload has to start over. */
	readonly content: () => AsyncIterable<Uint8Array>;
}

export type BlobUploadEvent = { readonly upload: BlobUpload } & (
	| { readonly state: 'sending'; readonly bytes: number }
	| { readonly state: 'existed' | 'sent' }
	| { readonly state: 'failed'; readonly problem: Problem }
);

/** A manifest by digest: bytes that the caller has, or a copy from where it is, best first. Never moves a tag. */
export type ManifestPush = {
	readonly to: DigestReference;
	readonly mediaType: string;
	/** The target said a moment ago that it has it not: it is not asked once more. */
	readonly isMissing?: boolean | undefined;
} & ({ readonly bytes: Uint8Array } | { readonly from: readonly Repository[] });

export type ManifestPushResult = { readonly push: ManifestPush } & (
	{ readonly state: 'existed' | 'pushed' } | { readonly state: 'failed'; readonly problem: Problem }
);

/** A tag to set or, where `digest` is `absent`, to remove; only if it still points where the plan saw it. */
export interface TagMove extends Repository {
	readonly tag: string;
	/** of a manifest that is in the repository already */
	readonly digest: Digest | 'absent';
	readonly expect: Digest | 'absent';
}

export type TagMoveResult = { readonly move: TagMove } & (
	| { readonly state: 'moved' | 'already-there' }
	/** It points elsewhere by now; nothing was written. */
	| { readonly state: 'conflict'; readonly found: Digest | 'absent' }
	/** Another tag of the batch had a conflict before anything was written. */
	| { readonly state: 'held-back' }
	| { readonly state: 'failed'; readonly problem: Problem }
);

/**
 * Every event and result carries the very request object, and each request ends in exactly one final state.
 * Equal requests of one call, and of calls that run at the same time, are carried out once.
 */
export interface RegistryWriter {
	/** Registry to registry: hashed on the way, never complete at the target before the digest is right. */
	copyBlobs(copies: readonly BlobCopy[], options?: CallOptions): AsyncIterable<BlobCopyEvent>;
	putBlobs(uploads: readonly BlobUpload[], options?: CallOptions): AsyncIterable<BlobUploadEvent>;
	/** In any order: what a manifest refers to must be there before. */
	pushManifests(
		pushes: readonly ManifestPush[],
		options?: CallOptions,
	): AsyncIterable<ManifestPushResult>;
	/**
	 * Looks at all tags first: where one is neither as expected nor at its new digest already, none is moved
	 * and the others are held back. Then moves them side by side, each looked at again just before.
	 */
	moveTags(moves: readonly TagMove[], options?: CallOptions): AsyncIterable<TagMoveResult>;
}

export type Registries = RegistryReader & RegistryWriter;
