/** The port over the embedded registry, for references whose registry is `store`. */
import { createHash } from 'node:crypto';
import { algorithmOf, digestOf, type Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import type { Descriptor } from '../../shared/oci/manifest.ts';
import {
	formatReference,
	storeRegistry,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../shared/oci/reference.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import type {
	BlobRequest,
	BlobStream,
	CallOptions,
	DocumentRequest,
	DocumentResult,
	PresenceRequest,
	PresenceResult,
	RegistryReader,
} from '../../shared/registry/registries.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';
import { asCompleted } from './as-completed.ts';
import { readChunks } from './content-file.ts';
import { hashBytes } from '../hashing.ts';
import type { Layout } from './layout.ts';
import type { Store } from './store.ts';
import { StoreError } from './store-error.ts';

const readsAtOnce = 16;

/** Reads from the store without going over HTTP. */
export class StoreReader implements RegistryReader {
	readonly #store: Store;
	readonly #now: () => number;

	/** @param now the time in milliseconds since 1970, for `checkedAt` */
	constructor(store: Store, now: () => number = Date.now) {
		this.#store = store;
		this.#now = now;
	}

	readManifests(
		requests: readonly DocumentRequest[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult> {
		return this.#documents(requests, options, async ({ reference }) => {
			const repository = this.#repository(reference);
			const digest = reference.digest ?? (await repository.resolve(reference.tag ?? 'latest'));
			return await repository.readManifest(digest);
		});
	}

	readConfigs(
		requests: readonly DocumentRequest<DigestReference>[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult<DigestReference>> {
		return this.#documents(requests, options, ({ reference }) => this.#readConfig(reference));
	}

	exists(
		requests: readonly PresenceRequest[],
		{ signal }: CallOptions = {},
	): AsyncIterable<PresenceResult> {
		const look = async (request: PresenceRequest): Promise<PresenceResult> => {
			try {
				const present = await this.#isPresent(request);
				return { ok: true, request, present, checkedAt: this.#now() };
			} catch (error) {
				return { ok: false, request, problem: problemOf(error) };
			}
		};
		return asCompleted(requests, look, { width: readsAtOnce, signal });
	}

	/** @throws ProblemError `blob-unknown`, `repository-unknown`, `malformed`; while iterating, `digest-mismatch` */
	async readBlob(
		{ reference, sizeBytes: statedBytes }: BlobRequest,
		{ signal }: CallOptions = {},
	): Promise<BlobStream> {
		signal?.throwIfAborted();
		const repository = this.#repository(reference);
		const { handle, sizeBytes } = await repository.openBlob(reference.digest);
		// Opened again when it is read: a stream that nobody reads must not keep a file open.
		await handle.close();
		if (statedBytes !== undefined && statedBytes !== sizeBytes) {
			throw otherSize(reference, sizeBytes, statedBytes);
		}
		return { sizeBytes, chunks: verifiedChunks(repository, reference, signal) };
	}

	/** @throws ProblemError `repository-unknown` */
	async *tags(repository: Repository, { signal }: CallOptions = {}): AsyncGenerator<string> {
		for (const tag of await this.#repository(repository).tags()) {
			signal?.throwIfAborted();
			yield tag;
		}
	}

	/** Nothing for a subject or repository that is not there, as the referrers API has it. */
	async *referrers(
		subject: DigestReference,
		{ signal }: CallOptions = {},
	): AsyncGenerator<Descriptor> {
		for (const descriptor of await this.#repository(subject).referrers(subject.digest)) {
			signal?.throwIfAborted();
			yield descriptor;
		}
	}

	async *repositories(registry: string, { signal }: CallOptions = {}): AsyncGenerator<string> {
		checkRegistry(registry);
		for (const name of await this.#store.repositories()) {
			signal?.throwIfAborted();
			yield name;
		}
	}

	#repository({ registry, repository }: Repository): Layout {
		checkRegistry(registry);
		return this.#store.repository(repository);
	}

	#documents<R extends Reference>(
		requests: readonly DocumentRequest<R>[],
		{ signal }: CallOptions,
		read: (request: DocumentRequest<R>) => Promise<Document>,
	): AsyncIterable<DocumentResult<R>> {
		const work = async (request: DocumentRequest<R>): Promise<DocumentResult<R>> => {
			try {
				return { ok: true, request, document: await read(request), checkedAt: this.#now() };
			} catch (error) {
				return { ok: false, request, problem: problemOf(error) };
			}
		};
		return asCompleted(requests, work, { width: readsAtOnce, signal });
	}

	async #readConfig(reference: DigestReference): Promise<Document> {
		const file = await this.#repository(reference).openBlob(reference.digest);
		try {
			if (file.sizeBytes > limits.documentBytes) {
				throw new StoreError(
					'blobTooLarge',
					`${formatReference(reference)} has ${file.sizeBytes} bytes: too large for a config.`,
					{ reference: formatReference(reference) },
				);
			}
			const bytes = new Uint8Array(await file.handle.readFile());
			return await verifyDocument(reference, { bytes, mediaType: '' }, hashBytes);
		} finally {
			await file.handle.close();
		}
	}

	/** As over HTTP: what is not in a repository that is not there either is absent, no failure. */
	async #isPresent({ reference, kind }: PresenceRequest): Promise<boolean> {
		const repository = this.#repository(reference);
		return kind === 'blob'
			? (await repository.blobSize(reference.digest)) !== undefined
			: (await repository.manifestFacts(reference.digest)) !== undefined;
	}
}

function checkRegistry(registry: string): void {
	if (registry === storeRegistry) return;
	throw new ProblemError({
		code: 'request-invalid',
		origin: 'proxy',
		reason: `${registry} is not the embedded registry.`,
		registry,
	});
}

function otherSize(
	reference: DigestReference,
	foundBytes: number,
	statedBytes: number,
): ProblemError {
	const name = formatReference(reference);
	return new ProblemError({
		code: 'malformed',
		origin: 'content',
		reason: `${name} has ${foundBytes} bytes, but ${statedBytes} according to its descriptor.`,
		registry: storeRegistry,
		reference: name,
	});
}

function mismatch(reference: DigestReference, actual: Digest): ProblemError {
	return new ProblemError({
		code: 'digest-mismatch',
		origin: 'content',
		reason: `The file of ${formatReference(reference)} is damaged: its digest is ${actual}.`,
		registry: storeRegistry,
		reference: formatReference(reference),
	});
}

/** Holds the last chunk back until all of it has its digest, so that nobody takes a damaged blob for whole. */
async function* verifiedChunks(
	repository: Layout,
	reference: DigestReference,
	signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
	const file = await repository.openBlob(reference.digest);
	const algorithm = algorithmOf(reference.digest);
	const hash = createHash(algorithm);
	let held: Uint8Array | undefined;
	try {
		for await (const chunk of readChunks(file)) {
			signal?.throwIfAborted();
			if (held) yield held;
			hash.update(chunk);
			held = chunk;
		}
		const actual = digestOf(algorithm, hash.digest());
		if (actual !== reference.digest) throw mismatch(reference, actual);
		if (held) yield held;
	} finally {
		await file.handle.close();
	}
}
