/**
 * One registry as a place to write to, one thing at a time. What is written when, how many at once, and from
 * where it comes is the transfer's business; how this registry takes it is the target's.
 */
import type { Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import type { DigestReference, Repository } from '../../shared/oci/reference.ts';

/** An upload that the registry has begun and nobody has sent anything to. */
export interface OpenUpload {
	/** Sends all of it and completes it. May be called once. @throws ProblemError */
	send(body: UploadBody, signal: AbortSignal | undefined): Promise<void>;
	/** Tells the registry that nothing will come, as far as it listens. */
	cancel(): Promise<void>;
}

export interface UploadBody {
	readonly sizeBytes: number;
	/** Ends only when size and digest are right; fails before its last chunk otherwise. */
	readonly chunks: AsyncIterable<Uint8Array>;
	/** told of every chunk that the registry has taken */
	readonly onBytes: (bytes: number) => void;
}

/** A tag to write with a condition. */
export interface TagWrite extends Repository {
	readonly tag: string;
	readonly expect: Digest | 'absent';
}

/** Where a tag is looked for, and where it is thought to point: looks that much depends on may be made more carefully. */
export interface TagPlace extends Repository {
	readonly expect?: Digest | 'absent' | undefined;
	/** where it is to point, which it may do already */
	readonly digest?: Digest | 'absent' | undefined;
}

/** All methods throw `ProblemError`, and retry what may be retried without anybody's bytes. */
export interface Target {
	hasBlob(blob: DigestReference, signal?: AbortSignal): Promise<boolean>;
	/**
	 * Takes the blob over from another repository of the same registry.
	 * @returns the upload that the registry begins instead, or undefined where it does neither
	 */
	mount(
		blob: DigestReference,
		from: Repository,
		signal?: AbortSignal,
	): Promise<'mounted' | OpenUpload | undefined>;
	startUpload(blob: DigestReference, signal?: AbortSignal): Promise<OpenUpload>;
	hasManifest(manifest: DigestReference, signal?: AbortSignal): Promise<boolean>;
	putManifest(repository: Repository, manifest: Document, signal?: AbortSignal): Promise<void>;
	/** Where the tag points now, asked of the registry itself. */
	resolveTag(place: TagPlace, tag: string, signal?: AbortSignal): Promise<Digest | 'absent'>;
	/** @returns where it points instead, in a conflict that the registry noticed itself */
	setTag(
		tag: TagWrite,
		manifest: Document,
		signal?: AbortSignal,
	): Promise<'set' | { readonly found: Digest | 'absent' }>;
	/** @throws ProblemError `unsupported` where the registry removes no tags */
	removeTag(
		tag: TagWrite,
		signal?: AbortSignal,
	): Promise<'removed' | { readonly found: Digest | 'absent' }>;
}
