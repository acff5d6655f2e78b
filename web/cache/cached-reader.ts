/**
 * The port with a memory: what was read by digest is not read again. Tags and listings are always asked for,
 * so that writing, which changes nothing else, goes through as it is.
 */
import type { Digest } from '../../shared/oci/digest.ts';
import type { Descriptor } from '../../shared/oci/manifest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import {
	byDigest,
	formatReference,
	hasDigest,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../shared/oci/reference.ts';
import { limits } from '../../shared/registry/limits.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	BlobStream,
	BlobUpload,
	BlobUploadEvent,
	CallOptions,
	DocumentRequest,
	DocumentResult,
	ManifestPush,
	ManifestPushResult,
	PresenceRequest,
	PresenceResult,
	ReferrersOptions,
	Registries,
	TagMove,
	TagMoveResult,
} from '../../shared/registry/registries.ts';
import type { Database, KeptDocument, Sighting } from './database.ts';

export interface CacheOptions {
	readonly database: Database;
	/** in milliseconds since 1970 */
	readonly now: () => number;
	/** False while the user does not want anything kept. */
	readonly keeps: () => boolean;
	/** Runs work that nobody waits for, when there is time. */
	readonly later: (work: () => void) => void;
}

const writtenAtOnce = 250;

/** Collects what arrives and writes it in a few large transactions. */
class Batch {
	readonly #options: CacheOptions;
	#documents: KeptDocument[] = [];
	#sightings: Sighting[] = [];

	constructor(options: CacheOptions) {
		this.#options = options;
	}

	add(result: DocumentResult): void {
		if (!result.ok) return;
		const { digest, mediaType, bytes } = result.document;
		const reference = formatReference(byDigest(result.request.reference, digest));
		this.#documents.push({ digest, mediaType, bytes, usedAt: this.#options.now() });
		this.#sightings.push({ reference, checkedAt: result.checkedAt });
		if (this.#documents.length >= writtenAtOnce) this.flush();
	}

	/** Writing goes on by itself; nobody waits for the cache. */
	flush(): void {
		if (this.#documents.length > 0 && this.#options.keeps()) {
			const documents = this.#documents;
			const sightings = this.#sightings;
			this.#options.later(() => {
				// It may have been switched off, and everything forgotten, in between.
				if (this.#options.keeps()) void this.#options.database.keep(documents, sightings);
			});
		}
		this.#documents = [];
		this.#sightings = [];
	}
}

export class CachedReader implements Registries {
	readonly #inner: Registries;
	readonly #options: CacheOptions;

	constructor(inner: Registries, options: CacheOptions) {
		this.#inner = inner;
		this.#options = options;
	}

	async #find(references: readonly DigestReference[]) {
		const wanted = references.map(({ registry, repository, digest }) => ({
			reference: formatReference({ registry, repository, digest }),
			digest,
		}));
		const found = await this.#options.database.find(wanted);
		void this.#options.database.touch(
			found.flatMap((hit) => hit?.document ?? []),
			this.#options.now(),
		);
		return found;
	}

	async *#read<R extends Reference>(
		requests: readonly DocumentRequest<R>[],
		{ fresh }: CallOptions,
		read: (requests: readonly DocumentRequest<R>[]) => AsyncIterable<DocumentResult<R>>,
	): AsyncGenerator<DocumentResult<R>> {
		const lookable =
			fresh || !this.#options.keeps()
				? []
				: requests.filter(({ reference, forWriting }) => !forWriting && hasDigest(reference));
		const found = await this.#find(
			lookable.flatMap(({ reference }) => (hasDigest(reference) ? [reference] : [])),
		);
		const hits = new Map<DocumentRequest<R>, DocumentResult<R>>();
		for (const [at, request] of lookable.entries()) {
			const hit = found[at];
			if (hit) {
				hits.set(request, { ok: true, request, document: hit.document, checkedAt: hit.checkedAt });
			}
		}
		yield* hits.values();
		const batch = new Batch(this.#options);
		try {
			for await (const result of read(requests.filter((request) => !hits.has(request)))) {
				batch.add(result);
				yield result;
			}
		} finally {
			batch.flush();
		}
	}

	readManifests(
		requests: readonly DocumentRequest[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult> {
		return this.#read(requests, options, (missing) => this.#inner.readManifests(missing, options));
	}

	readConfigs(
		requests: readonly DocumentRequest<DigestReference>[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult<DigestReference>> {
		return this.#read(requests, options, (missing) => this.#inner.readConfigs(missing, options));
	}

	/** Small blobs, such as payload layers, are kept whole. */
	async readBlob(
		request: DocumentRequest<DigestReference>,
		options: CallOptions = {},
	): Promise<BlobStream> {
		const asks = options.fresh || request.forWriting || !this.#options.keeps();
		const [hit] = asks ? [] : await this.#find([request.reference]);
		if (hit) return { sizeBytes: hit.document.bytes.length, chunks: once(hit.document.bytes) };
		const stream = await this.#inner.readBlob(request, options);
		const isSmall = stream.sizeBytes !== undefined && stream.sizeBytes <= limits.documentBytes;
		return isSmall
			? { ...stream, chunks: this.#keeping(request.reference, stream.chunks) }
			: stream;
	}

	async *#keeping(
		reference: DigestReference,
		chunks: AsyncIterable<Uint8Array>,
	): AsyncGenerator<Uint8Array> {
		const parts: Uint8Array[] = [];
		for await (const chunk of chunks) {
			parts.push(chunk);
			yield chunk;
		}
		const bytes = new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
		const digest: Digest = reference.digest;
		const checkedAt = this.#options.now();
		const batch = new Batch(this.#options);
		const document = { digest, bytes, mediaType: mediaTypes.octetStream };
		batch.add({ ok: true, request: { reference }, document, checkedAt });
		batch.flush();
	}

	exists(
		requests: readonly PresenceRequest[],
		options?: CallOptions,
	): AsyncIterable<PresenceResult> {
		return this.#inner.exists(requests, options);
	}

	tags(repository: Repository, options?: CallOptions): AsyncIterable<string> {
		return this.#inner.tags(repository, options);
	}

	referrers(subject: DigestReference, options?: ReferrersOptions): AsyncIterable<Descriptor> {
		return this.#inner.referrers(subject, options);
	}

	repositories(registry: string, options?: CallOptions): AsyncIterable<string> {
		return this.#inner.repositories(registry, options);
	}

	copyBlobs(copies: readonly BlobCopy[], options?: CallOptions): AsyncIterable<BlobCopyEvent> {
		return this.#inner.copyBlobs(copies, options);
	}

	putBlobs(uploads: readonly BlobUpload[], options?: CallOptions): AsyncIterable<BlobUploadEvent> {
		return this.#inner.putBlobs(uploads, options);
	}

	pushManifests(
		pushes: readonly ManifestPush[],
		options?: CallOptions,
	): AsyncIterable<ManifestPushResult> {
		return this.#inner.pushManifests(pushes, options);
	}

	moveTags(moves: readonly TagMove[], options?: CallOptions): AsyncIterable<TagMoveResult> {
		return this.#inner.moveTags(moves, options);
	}
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield await Promise.resolve(bytes);
}
