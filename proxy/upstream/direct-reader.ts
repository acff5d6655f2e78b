/** The reading half of the port, straight to the registries: the one place where their answers become documents. */
import * as z from 'zod';
import { isDigest, isDigestSyntax } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import { descriptorSchema, type Descriptor } from '../../shared/oci/manifest.ts';
import { bareMediaType, mediaTypes } from '../../shared/oci/media-type.ts';
import {
	isRepositoryName,
	isTag,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../shared/oci/reference.ts';
import { pull, push, type Access } from '../../shared/registry/access.ts';
import {
	blobRequest,
	manifestRequest,
	referrersRequest,
	referrersTag,
	repositoriesRequest,
	tagsRequest,
	type RegistryRequest,
} from '../../shared/registry/distribution.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf, saysAbsent } from '../../shared/registry/problem.ts';
import type {
	BlobRequest,
	BlobStream,
	CallOptions,
	DocumentRequest,
	DocumentResult,
	PresenceRequest,
	PresenceResult,
	ReferrersOptions,
	RegistryReader,
} from '../../shared/registry/registries.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';
import { refusedToWriter, refusesLogin } from '../../shared/registry/write-refusal.ts';
import { arrivals } from './arrivals.ts';
import { BlobDownload } from './blob-stream.ts';
import type { CredentialSource } from './credentials/credential.ts';
import { refuseStore } from './endpoint.ts';
import { abortReason } from './exchange.ts';
import { hashBytes } from '../hashing.ts';
import { listingPages } from './listing.ts';
import { openNetwork, type Network, type NetworkOptions } from './network.ts';
import type { RegistryClient } from './registry-client.ts';
import { type Call } from './registry-client.ts';
import { RegistryTarget } from './registry-target.ts';
import type { Pace } from './retry.ts';
import { answersGetOnly, statusOfGet } from './presence.ts';

export interface DirectReaderOptions extends NetworkOptions {
	readonly credentials: CredentialSource;
	/** Ends everything, as `close` does. */
	readonly signal?: AbortSignal;
}

const tagsSchema = z.looseObject({ tags: z.array(z.string()).nullish() });
const catalogSchema = z.looseObject({ repositories: z.array(z.string()).nullish() });
const referrersSchema = z.looseObject({
	mediaType: z.unknown(),
	manifests: z.array(z.unknown()),
});

/** Statuses by which registries say that they have no referrers API; any other means that it failed. */
const withoutReferrersApi: ReadonlySet<number> = new Set([400, 404, 405, 406]);
function readJson<S extends z.ZodType>(schema: S, bytes: Uint8Array, call: Call): z.output<S> {
	try {
		return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
	} catch (cause) {
		const { registry } = call;
		const reason = `${registry} answered with something that is no listing.`;
		throw new ProblemError({ code: 'malformed', origin: 'content', reason, registry }, { cause });
	}
}

/** The referrers API answers with an OCI index; whatever else has the status 200 comes from somebody else. */
function refuseOtherThanIndex(
	{ mediaType }: z.infer<typeof referrersSchema>,
	contentType: string | undefined,
	{ registry }: Call,
): void {
	if ([bareMediaType(contentType ?? ''), mediaType].includes(mediaTypes.ociIndex)) return;
	const reason = `${registry} answered a request for referrers with something that is no index.`;
	throw new ProblemError({ code: 'malformed', origin: 'content', reason, registry });
}

/** Entries whose digest cannot be verified are left out: nothing could be read through them. */
function descriptorsOf(manifests: readonly unknown[], call: Call): Descriptor[] {
	return manifests.flatMap((entry) => {
		const parsed = descriptorSchema.safeParse(entry);
		if (parsed.success) return [parsed.data];
		const digest = z.object({ digest: z.string() }).safeParse(entry).data?.digest ?? '';
		if (isDigestSyntax(digest) && !isDigest(digest)) return [];
		const { registry } = call;
		const reason = `${registry} lists a referrer that is no descriptor.`;
		throw new ProblemError({ code: 'malformed', origin: 'content', reason, registry });
	});
}

/**
 * Asks as who may write where that is wanted. Where that is refused, as who may read: some token servers give
 * nothing to whom they do not let write, and what is readable need not be writable.
 */
async function asWanted<T>(
	{ reference, forWriting }: DocumentRequest,
	ask: (access: Access) => Promise<T>,
): Promise<T> {
	if (!forWriting) return ask(pull);
	try {
		return await ask(push);
	} catch (cause) {
		const refusal = problemOf(cause);
		if (!refusesLogin(refusal)) throw cause;
		return await ask(pull).catch((error: unknown) => {
			if (!refusesLogin(problemOf(error))) throw error;
			throw new ProblemError(refusedToWriter(refusal, reference), { cause });
		});
	}
}

export class DirectReader implements RegistryReader {
	readonly #network: Network;
	readonly #client: RegistryClient;
	readonly #pace: Pace;
	/** Writes to the same registries, over the same connections and with the same logins. */
	readonly target: RegistryTarget;
	/** Documents on their way, by what was asked for. */
	readonly #flights = new Map<string, Promise<Document>>();

	constructor(network: Network, credentials: CredentialSource) {
		this.#network = network;
		this.#client = network.clientFor(credentials);
		this.#pace = network.pace;
		this.target = new RegistryTarget(this.#client, network.ways);
	}

	/** A reader with connections of its own. */
	static open({ credentials, signal, ...options }: DirectReaderOptions): DirectReader {
		const reader = new DirectReader(openNetwork(options), credentials);
		signal?.addEventListener('abort', () => void reader.close(), { once: true });
		return reader;
	}

	/** Ends all connections of its network. */
	close(): Promise<void> {
		return this.#network.close();
	}

	readManifests(
		requests: readonly DocumentRequest[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult> {
		return this.#documents(requests, manifestRequest, options);
	}

	readConfigs(
		requests: readonly DocumentRequest<DigestReference>[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult<DigestReference>> {
		return this.#documents(requests, blobRequest, options);
	}

	exists(
		requests: readonly PresenceRequest[],
		options: CallOptions = {},
	): AsyncIterable<PresenceResult> {
		return arrivals<PresenceRequest, PresenceResult>(requests, {
			signal: options.signal,
			groupOf: ({ reference }) => reference.registry,
			run: async (request, signal) => {
				try {
					const present = await asWanted(request, (access) =>
						this.#isPresent(request, access, signal),
					);
					return { ok: true, request, present, checkedAt: this.#pace.clock() };
				} catch (error) {
					if (signal.aborted) throw error;
					return { ok: false, request, problem: problemOf(error) };
				}
			},
		});
	}

	async readBlob(
		{ reference, namedBy, sizeBytes }: BlobRequest,
		{ signal }: CallOptions = {},
	): Promise<BlobStream> {
		const { registry } = reference;
		refuseStore(registry);
		const call: Call = { registry, namedBy, signal, capBytes: 0 };
		return new BlobDownload({ client: this.#client, call, reference, sizeBytes }).open();
	}

	async *tags(repository: Repository, { signal }: CallOptions = {}): AsyncGenerator<string> {
		const { registry } = repository;
		refuseStore(registry);
		const call: Call = { registry, signal, capBytes: limits.listingPageBytes };
		const request = tagsRequest(repository);
		for await (const { bytes } of listingPages(this.#client, request, call, limits.tagPages)) {
			// Names outside the grammar could never be asked for.
			yield* (readJson(tagsSchema, bytes, call).tags ?? []).filter(isTag);
		}
	}

	async *repositories(registry: string, { signal }: CallOptions = {}): AsyncGenerator<string> {
		refuseStore(registry);
		const call: Call = { registry, signal, capBytes: limits.listingPageBytes };
		const request = repositoriesRequest(registry);
		for await (const { bytes } of listingPages(this.#client, request, call, limits.tagPages)) {
			yield* (readJson(catalogSchema, bytes, call).repositories ?? []).filter(isRepositoryName);
		}
	}

	async *referrers(
		subject: DigestReference,
		{ signal, namedBy }: ReferrersOptions = {},
	): AsyncGenerator<Descriptor> {
		const { registry } = subject;
		refuseStore(registry);
		const call: Call = { registry, namedBy, signal, capBytes: limits.listingPageBytes };
		const request = referrersRequest(subject);
		const pages = listingPages(this.#client, request, call, limits.referrerPages);
		let first = true;
		try {
			for await (const { bytes, headers } of pages) {
				first = false;
				const listing = readJson(referrersSchema, bytes, call);
				refuseOtherThanIndex(listing, headers['content-type'], call);
				yield* descriptorsOf(listing.manifests, call);
			}
		} catch (error) {
			const status = error instanceof ProblemError ? error.problem.status : undefined;
			if (!first || status === undefined || !withoutReferrersApi.has(status)) throw error;
			yield* await this.#taggedReferrers(subject, call);
		}
	}

	/** Referrers under the tag that stands in for the API; a missing tag means that there are none. */
	async #taggedReferrers(subject: DigestReference, call: Call): Promise<Descriptor[]> {
		const { registry, repository } = subject;
		const reference: Reference = { registry, repository, tag: referrersTag(subject.digest) };
		const { namedBy, signal } = call;
		try {
			const { bytes } = await this.#read(
				{ reference, namedBy },
				manifestRequest(reference),
				signal,
			);
			return descriptorsOf(readJson(referrersSchema, bytes, call).manifests, call);
		} catch (error) {
			if (error instanceof ProblemError && saysAbsent(error.problem)) return [];
			throw error;
		}
	}

	#documents<R extends Reference>(
		requests: readonly DocumentRequest<R>[],
		toRequest: (reference: R) => RegistryRequest,
		{ signal: outer }: CallOptions,
	): AsyncIterable<DocumentResult<R>> {
		return arrivals<DocumentRequest<R>, DocumentResult<R>>(requests, {
			signal: outer,
			groupOf: ({ reference }) => reference.registry,
			run: async (request, signal) => {
				try {
					const document = await this.#shared(request, toRequest, signal);
					return { ok: true, request, document, checkedAt: this.#pace.clock() };
				} catch (error) {
					if (signal.aborted) throw error;
					return { ok: false, request, problem: problemOf(error) };
				}
			},
		});
	}

	/** Joins a read of the same document that is under way. One given up by whoever began it is begun anew. */
	async #shared<R extends Reference>(
		request: DocumentRequest<R>,
		toRequest: (reference: R) => RegistryRequest,
		signal: AbortSignal,
	): Promise<Document> {
		const { reference, namedBy = '', forWriting = false } = request;
		const read = (): Promise<Document> =>
			asWanted(request, (access) =>
				this.#read(request, { ...toRequest(reference), access }, signal),
			);
		if (reference.digest === undefined) return read();
		const key = `${namedBy} ${forWriting} ${reference.registry}${toRequest(reference).path}`;
		for (;;) {
			const running = this.#flights.get(key);
			if (!running) break;
			try {
				return await running;
			} catch (error) {
				if (signal.aborted) throw abortReason(signal);
				if (problemOf(error).code !== 'cancelled') throw error;
			}
		}
		const flight = read().finally(() => this.#flights.delete(key));
		this.#flights.set(key, flight);
		return flight;
	}

	async #read(
		{ reference, namedBy }: DocumentRequest,
		request: RegistryRequest,
		signal: AbortSignal | undefined,
	): Promise<Document> {
		const { registry } = reference;
		refuseStore(registry);
		const call: Call = { registry, namedBy, signal, capBytes: limits.documentBytes };
		const answer = await this.#client.collect(request, call);
		if (answer.status !== 200) throw await this.#client.refusal(request, call, answer);
		const received = {
			bytes: answer.bytes,
			mediaType: bareMediaType(answer.headers['content-type'] ?? ''),
			statedDigest: answer.headers['docker-content-digest'],
		};
		return verifyDocument(reference, received, hashBytes);
	}

	/** HEAD, or the beginning of a GET where a registry does not answer HEAD. */
	async #isPresent(
		{ reference, namedBy, kind }: PresenceRequest,
		access: Access,
		signal: AbortSignal,
	): Promise<boolean> {
		const { registry } = reference;
		refuseStore(registry);
		const toRequest = kind === 'manifest' ? manifestRequest : blobRequest;
		const call: Call = { registry, namedBy, signal, capBytes: limits.documentBytes };
		const head = { ...toRequest(reference, 'HEAD'), access };
		const answer = await this.#client.collect(head, call);
		const status = answersGetOnly(answer.status)
			? await statusOfGet(this.#client, { ...toRequest(reference), access }, call)
			: answer.status;
		if (status === 200) return true;
		if (status === 404) return false;
		throw await this.#client.refusal(head, call, { ...answer, status });
	}
}
