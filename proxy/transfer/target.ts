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

/** All methods throw `ProblemError`, and retry what may be retried without anybody's bytes. */
export interface Target {
	hasBlob(blob: DigestReference, signal?: AbortSignal): Promise<boolean>;
	/** Begins an upload; with `from`, of the same registry, takes the blob over from there where it can. */
	startUpload(
		blob: DigestReference,
		from: Repository | undefined,
		signal?: AbortSignal,
	): Promise<'mounted' | OpenUpload>;
	hasManifest(manifest: DigestReference, signal?: AbortSignal): Promise<boolean>;
	putManifest(repository: Repository, manifest: Document, signal?: AbortSignal): Promise<void>;
	/** Where the tag points now, asked of the registry itself. */
	resolveTag(repository: Repository, tag: string, signal?: AbortSignal): Promise<Digest | 'absent'>;
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
