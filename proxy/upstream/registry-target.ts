/** Remote registries as places to write to: blobs, manifests by digest, and tags with a condition. */
import type { Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import { byDigest, formatReference } from '../../shared/oci/reference.ts';
import type { DigestReference, Repository } from '../../shared/oci/reference.ts';
import {
	blobRequest,
	forWriting,
	manifestPushRequest,
	manifestRequest,
	mountRequest,
	startUploadRequest,
	type RegistryRequest,
} from '../../shared/registry/distribution.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import { refusesLogin } from '../../shared/registry/write-refusal.ts';
import type { OpenUpload, TagPlace, TagWrite, Target } from '../transfer/target.ts';
import { statedSize } from './blob-stream.ts';
import { BlobUpload } from './blob-upload.ts';
import { BoundedMap } from './bounded-map.ts';
import { refuseStore } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import { answersGetOnly, statusOfGet } from './presence.ts';
import type { Call, RegistryClient } from './registry-client.ts';
import { Tags } from './tag-write.ts';
import { uploadUrl } from './upload-location.ts';
import { isTaken } from './upload-session.ts';
import { UploadWays } from './upload-ways.ts';

/** How long a repository from which nothing may be taken over is not tried again. */
const mountRefusalMs = 60_000;
const mostPairs = 10_000;

type ByKind = (reference: DigestReference, method?: 'GET' | 'HEAD') => RegistryRequest;

export class RegistryTarget implements Target {
	readonly #client: RegistryClient;
	readonly #tags: Tags;
	readonly #ways: UploadWays;
	/** Until when a pair of repositories counts as one between which nothing can be mounted. */
	readonly #unmountable = new BoundedMap<string, number>(mostPairs);

	constructor(client: RegistryClient, ways = new UploadWays()) {
		this.#client = client;
		this.#ways = ways;
		this.#tags = new Tags(client);
	}

	hasBlob(blob: DigestReference, signal?: AbortSignal): Promise<boolean> {
		return this.#has(blob, blobRequest, signal);
	}

	hasManifest(manifest: DigestReference, signal?: AbortSignal): Promise<boolean> {
		return this.#has(manifest, manifestRequest, signal);
	}

	/** Whatever goes wrong with a mount, an upload without one may still go well. */
	async mount(
		blob: DigestReference,
		from: Repository,
		signal?: AbortSignal,
	): Promise<'mounted' | OpenUpload | undefined> {
		const call = this.#call(blob, signal);
		if (!this.#isMountable(blob, from)) return undefined;
		const request = mountRequest(blob, from);
		try {
			const answer = await this.#client.collect(request, call);
			if (answer.status === 401 || answer.status === 403) this.#noteUnmountable(blob, from);
			if (!isTaken(answer)) return undefined;
			if (answer.status !== 201) return this.#opened(blob, request, answer);
			const stored = answer.headers['docker-content-digest'];
			return stored === undefined || stored === blob.digest ? 'mounted' : undefined;
		} catch (error) {
			if (call.signal?.aborted) throw error;
			// Some token servers give nothing for two scopes where one of them is refused.
			if (refusesLogin(problemOf(error))) this.#noteUnmountable(blob, from);
			return undefined;
		}
	}

	async startUpload(blob: DigestReference, signal?: AbortSignal): Promise<OpenUpload> {
		const call = this.#call(blob, signal);
		const request = startUploadRequest(blob);
		const answer = await this.#client.collect(request, call);
		if (!isTaken(answer)) throw await this.#client.refusal(request, call, answer);
		return this.#opened(blob, request, answer);
	}

	async putManifest(
		{ registry, repository }: Repository,
		manifest: Document,
		signal?: AbortSignal,
	): Promise<void> {
		const to = byDigest({ registry, repository }, manifest.digest);
		const call = this.#call(to, signal);
		const request = manifestPushRequest(to, manifest);
		const answer = await this.#client.collect(request, call);
		if (!isTaken(answer)) throw await this.#client.refusal(request, call, answer);
		const stored = answer.headers['docker-content-digest'];
		if (stored === manifest.digest) return;
		if (stored === undefined && (await this.hasManifest(to, signal))) return;
		throw notKept(to, stored);
	}

	resolveTag(place: TagPlace, tag: string, signal?: AbortSignal): Promise<Digest | 'absent'> {
		return this.#tags.resolve(place, tag, signal);
	}

	setTag(
		tag: TagWrite,
		manifest: Document,
		signal?: AbortSignal,
	): Promise<'set' | { readonly found: Digest | 'absent' }> {
		return this.#tags.set(tag, manifest, signal);
	}

	removeTag(
		tag: TagWrite,
		signal?: AbortSignal,
	): Promise<'removed' | { readonly found: Digest | 'absent' }> {
		return this.#tags.remove(tag, signal);
	}

	#call({ registry }: Repository, signal: AbortSignal | undefined): Call {
		refuseStore(registry);
		return { registry, signal, capBytes: limits.documentBytes };
	}

	/** Some registries forbid to look into repositories that are not there yet; writing tells the truth about those. */
	async #has(
		reference: DigestReference,
		toRequest: ByKind,
		signal: AbortSignal | undefined,
	): Promise<boolean> {
		const call = this.#call(reference, signal);
		const head = forWriting(toRequest(reference, 'HEAD'));
		const answer = await this.#client.collect(head, call);
		const status = answersGetOnly(answer.status)
			? await statusOfGet(this.#client, forWriting(toRequest(reference)), call)
			: answer.status;
		if (status === 200) return true;
		if (status === 404 || status === 403) return false;
		throw await this.#client.refusal(head, call, { ...answer, status });
	}

	#isMountable(to: Repository, from: Repository): boolean {
		if (from.registry !== to.registry || from.repository === to.repository) return false;
		return (this.#unmountable.get(pairOf(to, from)) ?? 0) <= this.#client.pace.clock();
	}

	#noteUnmountable(to: Repository, from: Repository): void {
		this.#unmountable.set(pairOf(to, from), this.#client.pace.clock() + mountRefusalMs);
	}

	#opened(blob: DigestReference, request: RegistryRequest, { headers }: Answer): OpenUpload {
		const endpoint = this.#client.endpoint(blob.registry);
		const asked = new URL(request.path, endpoint.origin);
		return new BlobUpload({
			client: this.#client,
			blob,
			url: uploadUrl(headers['location'], asked, endpoint),
			leastPartBytes: statedSize(headers['oci-chunk-min-length']) ?? 0,
			ways: this.#ways,
			isPresent: (signal) => this.hasBlob(blob, signal),
		});
	}
}

function pairOf(to: Repository, from: Repository): string {
	return `${to.registry} ${to.repository} ${from.repository}`;
}

function notKept(to: DigestReference, stored: string | undefined): ProblemError {
	const { registry } = to;
	const reference = formatReference(to);
	const place = { origin: 'registry', registry, reference } as const;
	if (stored === undefined) {
		const reason = `${registry} took ${reference} and does not have it.`;
		return new ProblemError({ code: 'registry-failure', reason, ...place });
	}
	const shown = JSON.stringify(stored.slice(0, 150));
	const reason = `${registry} took ${reference} and keeps it as ${shown}, so it has changed it.`;
	return new ProblemError({ code: 'digest-mismatch', reason, ...place });
}
