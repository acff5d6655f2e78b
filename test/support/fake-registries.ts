/** Registries in memory, with whatever goes wrong on purpose. The port's fake binding. */
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { digestOf, type Algorithm, type Digest } from '../../shared/oci/digest.ts';
import type { Descriptor } from '../../shared/oci/manifest.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../shared/oci/reference.ts';
import {
	ProblemError,
	problemOf,
	saysAbsent,
	type Problem,
} from '../../shared/registry/problem.ts';
import type {
	BlobStream,
	CallOptions,
	DocumentRequest,
	DocumentResult,
	PresenceRequest,
	PresenceResult,
	RegistryReader,
} from '../../shared/registry/registries.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';

interface Stored {
	readonly bytes: Uint8Array;
	readonly mediaType: string;
}

/** The same in Node and in a browser, so that component tests can use this binding too. */
export const hashOf = (algorithm: Algorithm, bytes: Uint8Array): Digest =>
	digestOf(algorithm, { sha256, sha512 }[algorithm](bytes));

export class FakeRegistries implements RegistryReader {
	readonly #manifests = new Map<string, Stored>();
	readonly #blobs = new Map<string, Uint8Array>();
	readonly #tags = new Map<string, Map<string, Digest>>();
	readonly #problems = new Map<string, Problem>();
	/** Every reference that was asked for, in order. */
	readonly asked: string[] = [];
	/** Beside it, the registry whose content named it; `undefined` where the user did. */
	readonly namedBy: (string | undefined)[] = [];
	now = 1_000_000;
	/** Holds every document back until it is through. */
	beforeRead: ((reference: Reference) => Promise<void>) | undefined;

	putManifest(
		repository: Repository,
		content: { mediaType: string; bytes: Uint8Array },
		tag?: string,
	): DigestReference {
		const digest = hashOf('sha256', content.bytes);
		const reference = byDigest(repository, digest);
		this.#manifests.set(formatReference(reference), content);
		const tags = this.#tags.get(formatRepository(repository)) ?? new Map<string, Digest>();
		this.#tags.set(formatRepository(repository), tags);
		if (tag) tags.set(tag, digest);
		return reference;
	}

	putBlob(
		repository: Repository,
		bytes: Uint8Array,
		digest = hashOf('sha256', bytes),
	): DigestReference {
		const reference = byDigest(repository, digest);
		this.#blobs.set(formatReference(reference), bytes);
		return reference;
	}

	/** From now on this reference answers with a problem; `undefined` heals it. */
	fail(reference: Reference, problem: Problem | undefined): void {
		if (problem) this.#problems.set(formatReference(reference), problem);
		else this.#problems.delete(formatReference(reference));
	}

	/** Keeps the name, changes the content: what a broken disk does. */
	corrupt(reference: DigestReference, bytes: Uint8Array): void {
		const name = formatReference(reference);
		const manifest = this.#manifests.get(name);
		if (manifest) this.#manifests.set(name, { ...manifest, bytes });
		else this.#blobs.set(name, bytes);
	}

	remove(reference: DigestReference): void {
		this.#manifests.delete(formatReference(reference));
		this.#blobs.delete(formatReference(reference));
	}

	#resolve(reference: Reference): DigestReference | undefined {
		if (reference.digest) return byDigest(reference, reference.digest);
		const digest = this.#tags.get(formatRepository(reference))?.get(reference.tag ?? 'latest');
		return digest && byDigest(reference, digest);
	}

	#find({ reference, namedBy }: DocumentRequest, kind: 'manifest' | 'blob'): Stored {
		this.asked.push(formatReference(reference));
		this.namedBy.push(namedBy);
		const problem = this.#problems.get(formatReference(reference));
		if (problem) throw new ProblemError(problem);
		const resolved = this.#resolve(reference);
		const name = resolved && formatReference(resolved);
		const bytes = name && this.#blobs.get(name);
		const found =
			kind === 'blob' ? bytes && { bytes, mediaType: '' } : name && this.#manifests.get(name);
		if (found) return found;
		const { registry } = reference;
		throw new ProblemError({
			code:
				kind === 'blob'
					? 'blob-unknown'
					: this.#tags.has(formatRepository(reference))
						? 'manifest-unknown'
						: 'repository-unknown',
			origin: 'registry',
			reason: `${registry} has no ${kind} ${formatReference(reference)}.`,
			registry,
			reference: formatReference(reference),
		});
	}

	async *#read<R extends Reference>(
		requests: readonly DocumentRequest<R>[],
		kind: 'manifest' | 'blob',
		signal?: AbortSignal,
	): AsyncGenerator<DocumentResult<R>> {
		for (const request of requests) {
			await Promise.resolve();
			signal?.throwIfAborted();
			await this.beforeRead?.(request.reference);
			signal?.throwIfAborted();
			try {
				const document = await verifyDocument(request.reference, this.#find(request, kind), hashOf);
				yield { ok: true, request, document, checkedAt: this.now };
			} catch (error) {
				yield { ok: false, request, problem: problemOf(error) };
			}
		}
	}

	readManifests(requests: readonly DocumentRequest[], options?: CallOptions) {
		return this.#read(requests, 'manifest', options?.signal);
	}

	readConfigs(requests: readonly DocumentRequest<DigestReference>[], options?: CallOptions) {
		return this.#read(requests, 'blob', options?.signal);
	}

	async *exists(
		requests: readonly PresenceRequest[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<PresenceResult> {
		for (const request of requests) {
			signal?.throwIfAborted();
			try {
				this.#find(request, request.kind);
				yield { ok: true, request, present: true, checkedAt: this.now };
			} catch (error) {
				const problem = problemOf(error);
				yield saysAbsent(problem) || problem.code === 'repository-unknown'
					? { ok: true, request, present: false, checkedAt: this.now }
					: { ok: false, request, problem };
			}
		}
	}

	async readBlob(
		request: DocumentRequest<DigestReference>,
		{ signal }: CallOptions = {},
	): Promise<BlobStream> {
		signal?.throwIfAborted();
		const { bytes } = this.#find(request, 'blob');
		return { sizeBytes: bytes.length, chunks: verified(request.reference, bytes) };
	}

	async *tags(repository: Repository, { signal }: CallOptions = {}): AsyncGenerator<string> {
		signal?.throwIfAborted();
		const tags = this.#tags.get(formatRepository(repository));
		if (!tags) {
			throw new ProblemError({
				code: 'repository-unknown',
				origin: 'registry',
				reason: `${repository.registry} knows no ${repository.repository}.`,
				registry: repository.registry,
			});
		}
		yield* tags.keys();
	}

	async *referrers(subject: DigestReference): AsyncGenerator<Descriptor> {
		for (const [name, { bytes, mediaType }] of this.#manifests) {
			if (!name.startsWith(`${formatRepository(subject)}@`)) continue;
			const json = JSON.parse(new TextDecoder().decode(bytes)) as { subject?: { digest?: string } };
			if (json.subject?.digest !== subject.digest) continue;
			yield { mediaType, digest: hashOf('sha256', bytes), size: bytes.length };
		}
	}

	async *repositories(registry: string): AsyncGenerator<string> {
		for (const name of this.#tags.keys()) {
			if (name.startsWith(`${registry}/`)) yield name.slice(registry.length + 1);
		}
	}
}

async function* verified(
	reference: DigestReference,
	bytes: Uint8Array,
): AsyncGenerator<Uint8Array> {
	const half = Math.ceil(bytes.length / 2);
	yield bytes.subarray(0, half);
	await verifyDocument(reference, { bytes, mediaType: '' }, hashOf);
	yield bytes.subarray(half);
}
