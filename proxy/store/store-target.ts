/** The embedded registry as a place to write to, without going over HTTP. */
import type { Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import {
	storeRegistry,
	type DigestReference,
	type Repository,
} from '../../shared/oci/reference.ts';
import { problemOf } from '../../shared/registry/problem.ts';
import type { OpenUpload, TagWrite, Target, UploadBody } from '../transfer/target.ts';
import type { Layout, TagExpectation } from './layout.ts';
import type { Store } from './store.ts';
import { StoreError } from './store-error.ts';

export class StoreTarget implements Target {
	readonly #store: Store;

	constructor(store: Store) {
		this.#store = store;
	}

	async hasBlob(blob: DigestReference, signal?: AbortSignal): Promise<boolean> {
		signal?.throwIfAborted();
		return (await this.#layout(blob).blobSize(blob.digest)) !== undefined;
	}

	async mount(
		{ repository, digest }: DigestReference,
		from: Repository,
		signal?: AbortSignal,
	): Promise<'mounted' | undefined> {
		signal?.throwIfAborted();
		if (from.registry !== storeRegistry) return undefined;
		const isMounted = await this.#store.mountBlob(repository, digest, from.repository);
		return isMounted ? 'mounted' : undefined;
	}

	async startUpload(
		{ repository, digest }: DigestReference,
		signal?: AbortSignal,
	): Promise<OpenUpload> {
		await Promise.resolve();
		signal?.throwIfAborted();
		return {
			send: (body, sending) => this.#store.putBlob(repository, digest, counted(body, sending)),
			// Nothing is begun before the first byte.
			cancel: () => Promise.resolve(),
		};
	}

	/** A damaged one counts as absent: a push replaces it. */
	async hasManifest(manifest: DigestReference, signal?: AbortSignal): Promise<boolean> {
		signal?.throwIfAborted();
		try {
			return (await this.#layout(manifest).manifestFacts(manifest.digest)) !== undefined;
		} catch (error) {
			if (problemOf(error).code === 'digest-mismatch') return false;
			throw error;
		}
	}

	async putManifest(
		repository: Repository,
		{ bytes, digest, mediaType }: Document,
		signal?: AbortSignal,
	): Promise<void> {
		signal?.throwIfAborted();
		await this.#layout(repository).putManifest(bytes, { digest, mediaType });
	}

	async resolveTag(
		repository: Repository,
		tag: string,
		signal?: AbortSignal,
	): Promise<Digest | 'absent'> {
		signal?.throwIfAborted();
		try {
			return await this.#layout(repository).resolve(tag);
		} catch (error) {
			const { code } = problemOf(error);
			if (code === 'manifest-unknown' || code === 'repository-unknown') return 'absent';
			throw error;
		}
	}

	async setTag(
		write: TagWrite,
		{ bytes, digest, mediaType }: Document,
		signal?: AbortSignal,
	): Promise<'set' | { readonly found: Digest | 'absent' }> {
		signal?.throwIfAborted();
		const { tag } = write;
		const expect = expectation(write);
		try {
			await this.#layout(write).putManifest(bytes, { digest, mediaType, tag, expect });
			return 'set';
		} catch (error) {
			const found = await this.#foundInstead(error, write);
			return found === digest ? 'set' : { found };
		}
	}

	async removeTag(
		write: TagWrite,
		signal?: AbortSignal,
	): Promise<'removed' | { readonly found: Digest | 'absent' }> {
		signal?.throwIfAborted();
		try {
			await this.#layout(write).deleteTag(write.tag, expectation(write));
			return 'removed';
		} catch (error) {
			const found = await this.#foundInstead(error, write);
			return found === 'absent' ? 'removed' : { found };
		}
	}

	/** @throws whatever else went wrong */
	async #foundInstead(error: unknown, write: TagWrite): Promise<Digest | 'absent'> {
		if (!(error instanceof StoreError) || error.kind !== 'precondition') throw error;
		return this.resolveTag(write, write.tag);
	}

	#layout({ repository }: Repository): Layout {
		return this.#store.repository(repository);
	}
}

function expectation({ expect }: TagWrite): TagExpectation {
	return expect === 'absent' ? 'absent' : [expect];
}

async function* counted(
	{ chunks, onBytes }: UploadBody,
	signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
	for await (const chunk of chunks) {
		signal?.throwIfAborted();
		yield chunk;
		onBytes(chunk.length);
	}
}
