/** Registries in memory, with whatever goes wrong on purpose. The port's fake binding. */
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { digestOf, type Algorithm, type Digest } from '../../shared/oci/digest.ts';
import { readManifest } from '../../shared/oci/document.ts';
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
	type ProblemCode,
} from '../../shared/registry/problem.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	BlobRequest,
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
	Registries,
	TagMove,
	TagMoveResult,
} from '../../shared/registry/registries.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';

interface Stored {
	readonly bytes: Uint8Array;
	readonly mediaType: string;
}

/** The same in Node and in a browser, so that component tests can use this binding too. */
export const hashOf = (algorithm: Algorithm, bytes: Uint8Array): Digest =>
	digestOf(algorithm, { sha256, sha512 }[algorithm](bytes));

/** What is about to be written. */
export interface FakeWrite {
	readonly kind: 'blob' | 'manifest' | 'tag';
	readonly reference: Reference;
}

type FakeBlobState = 'existed' | 'mounted' | 'copied';

export class FakeRegistries implements Registries {
	readonly #manifests = new Map<string, Stored>();
	readonly #blobs = new Map<string, Uint8Array>();
	readonly #tags = new Map<string, Map<string, Digest>>();
	readonly #problems = new Map<string, Problem>();
	/** Every reference that was asked for, in order. */
	readonly asked: string[] = [];
	/** Beside it, the registry whose content named it; `undefined` where the user did. */
	readonly namedBy: (string | undefined)[] = [];
	now = 1_000_000;
	/** Registries that take indexes whose children are not there. */
	readonly sparseRegistries = new Set<string>();
	/** What was written, in order: `blob registry/repository@digest`, `tag registry/repository:tag digest`. */
	readonly written: string[] = [];
	/** A problem to answer with instead of writing. */
	failWrites: ((write: FakeWrite) => Problem | undefined) | undefined;
	/** Every manifest whose referrers were asked for, in order. */
	readonly referrersAsked: string[] = [];
	/** A problem to answer with instead of listing referrers. */
	failReferrers: ((subject: DigestReference) => Problem | undefined) | undefined;
	/** Holds every write back until it is through. */
	beforeWrite: ((write: FakeWrite) => Promise<void>) | undefined;
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

	/** What a clean-up does to a manifest; tags that point to it stay. */
	forget(reference: DigestReference): void {
		this.#manifests.delete(formatReference(reference));
	}

	forgetBlob(reference: DigestReference): void {
		this.#blobs.delete(formatReference(reference));
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

	/** Where a tag points, for looking from outside. */
	tagOf(repository: Repository, tag: string): Digest | 'absent' {
		return this.#tags.get(formatRepository(repository))?.get(tag) ?? 'absent';
	}

	hasBlob(reference: DigestReference): boolean {
		return this.#blobs.has(formatReference(byDigest(reference, reference.digest)));
	}

	hasManifest(reference: DigestReference): boolean {
		return this.#manifests.has(formatReference(byDigest(reference, reference.digest)));
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

	async readBlob(request: BlobRequest, { signal }: CallOptions = {}): Promise<BlobStream> {
		signal?.throwIfAborted();
		const { bytes } = this.#find(request, 'blob');
		const { reference, sizeBytes = bytes.length } = request;
		checkSize(reference, { found: bytes.length, sizeBytes });
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
		this.referrersAsked.push(formatReference(subject));
		await Promise.resolve();
		const problem = this.failReferrers?.(subject);
		if (problem) throw new ProblemError(problem);
		for (const [name, { bytes, mediaType }] of this.#manifests) {
			if (!name.startsWith(`${formatRepository(subject)}@`)) continue;
			const text = new TextDecoder().decode(bytes);
			if (!text.includes('"subject"')) continue;
			const json = JSON.parse(text) as { subject?: { digest?: string } };
			if (json.subject?.digest !== subject.digest) continue;
			yield { mediaType, digest: hashOf('sha256', bytes), size: bytes.length };
		}
	}

	async *repositories(registry: string): AsyncGenerator<string> {
		for (const name of this.#tags.keys()) {
			if (name.startsWith(`${registry}/`)) yield name.slice(registry.length + 1);
		}
	}

	async *copyBlobs(
		copies: readonly BlobCopy[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<BlobCopyEvent> {
		for (const copy of copies) {
			await turn(signal);
			try {
				const bytes = this.#blobAt(copy);
				if (bytes && !this.hasBlob(copy.to)) {
					yield { copy, state: 'copying', bytes: bytes.length };
					await turn(signal);
				}
				yield { copy, state: await this.#copy(copy, signal) };
			} catch (error) {
				signal?.throwIfAborted();
				yield { copy, state: 'failed', problem: problemOf(error) };
			}
		}
	}

	/** The first sound one of the sources. */
	#blobAt({ to, from }: Pick<BlobCopy, 'to' | 'from'>): Uint8Array | undefined {
		return from
			.map((repository) => this.#blobs.get(formatReference(byDigest(repository, to.digest))))
			.find((bytes) => bytes !== undefined);
	}

	async #copy(copy: BlobCopy, signal: AbortSignal | undefined): Promise<FakeBlobState> {
		const { to, from, sizeBytes } = copy;
		if (this.hasBlob(to)) return 'existed';
		let failure: unknown = new ProblemError(absent('blob-unknown', to));
		for (const repository of from) {
			const reference = byDigest(repository, to.digest);
			try {
				const { bytes } = this.#find({ reference }, 'blob');
				await verifyDocument(reference, { bytes, mediaType: '' }, hashOf);
				checkSize(to, { found: bytes.length, sizeBytes });
				await this.#write({ kind: 'blob', reference: to }, signal);
				this.#keepBlob(to, bytes);
				return repository.registry === to.registry ? 'mounted' : 'copied';
			} catch (error) {
				failure = error;
			}
		}
		throw failure;
	}

	async *putBlobs(
		uploads: readonly BlobUpload[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<BlobUploadEvent> {
		for (const upload of uploads) {
			await turn(signal);
			try {
				const isThere = this.hasBlob(upload.to);
				if (!isThere) await this.#putContent(upload, signal);
				yield { upload, state: isThere ? 'existed' : 'sent' };
			} catch (error) {
				signal?.throwIfAborted();
				yield { upload, state: 'failed', problem: problemOf(error) };
			}
		}
	}

	async #putContent(
		{ to, sizeBytes, content }: BlobUpload,
		signal: AbortSignal | undefined,
	): Promise<void> {
		const chunks: number[] = [];
		for await (const chunk of content()) chunks.push(...chunk);
		const bytes = Uint8Array.from(chunks);
		checkSize(to, { found: bytes.length, sizeBytes });
		await verifyDocument(to, { bytes, mediaType: '' }, hashOf);
		await this.#write({ kind: 'blob', reference: to }, signal);
		this.#keepBlob(to, bytes);
	}

	async *pushManifests(
		pushes: readonly ManifestPush[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<ManifestPushResult> {
		for (const push of pushes) {
			await turn(signal);
			try {
				const isThere = !push.isMissing && this.hasManifest(push.to);
				if (!isThere) await this.#push(push, signal);
				yield { push, state: isThere ? 'existed' : 'pushed' };
			} catch (error) {
				signal?.throwIfAborted();
				yield { push, state: 'failed', problem: problemOf(error) };
			}
		}
	}

	async #push(push: ManifestPush, signal: AbortSignal | undefined): Promise<void> {
		const { to, mediaType } = push;
		const bytes = 'bytes' in push ? push.bytes : this.#manifestAt(push);
		await verifyDocument(to, { bytes, mediaType }, hashOf);
		this.#checkParts(to, { mediaType, bytes });
		await this.#write({ kind: 'manifest', reference: to }, signal);
		this.putManifest(to, { mediaType, bytes });
		this.written.push(`manifest ${formatReference(byDigest(to, to.digest))}`);
	}

	#manifestAt({ to, from }: Pick<BlobCopy, 'to' | 'from'>): Uint8Array {
		let failure: unknown = new ProblemError(absent('manifest-unknown', to));
		for (const repository of from) {
			try {
				return this.#find({ reference: byDigest(repository, to.digest) }, 'manifest').bytes;
			} catch (error) {
				failure = error;
			}
		}
		throw failure;
	}

	#checkParts(to: DigestReference, { mediaType, bytes }: Stored): void {
		const content = readManifest({ digest: to.digest, mediaType, bytes });
		const blobs =
			content.kind === 'image' ? [content.manifest.config, ...content.manifest.layers] : [];
		const children = content.kind === 'index' ? content.index.manifests : [];
		const listed = this.sparseRegistries.has(to.registry) ? [] : children;
		const missing = [
			...blobs.map(({ digest }) => digest).filter((digest) => !this.hasBlob(byDigest(to, digest))),
			...listed
				.map(({ digest }) => digest as Digest)
				.filter((digest) => !this.hasManifest(byDigest(to, digest))),
		];
		if (missing.length === 0) return;
		throw new ProblemError({ ...absent('parts-missing', to), missing });
	}

	async *moveTags(
		moves: readonly TagMove[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<TagMoveResult> {
		signal?.throwIfAborted();
		const looks = moves.map((move) => this.#lookAt(move));
		const isHeldBack = looks.some((look) => look && look.state !== 'already-there');
		for (const [at, move] of moves.entries()) {
			await turn(signal);
			yield (
				looks[at] ?? (isHeldBack ? { move, state: 'held-back' } : await this.#move(move, signal))
			);
		}
	}

	/** What there is to say of a tag that will not be moved. */
	#lookAt(move: TagMove): TagMoveResult | undefined {
		const found = this.tagOf(move, move.tag);
		if (found === move.digest) return { move, state: 'already-there' };
		if (found !== move.expect) return { move, state: 'conflict', found };
		if (move.digest === 'absent' || this.hasManifest(byDigest(move, move.digest))) return undefined;
		const problem = absent('manifest-unknown', byDigest(move, move.digest));
		return { move, state: 'failed', problem };
	}

	async #move(move: TagMove, signal: AbortSignal | undefined): Promise<TagMoveResult> {
		const { registry, repository, tag, digest } = move;
		const reference = { registry, repository, tag };
		try {
			await this.#write({ kind: 'tag', reference }, signal);
			// Somebody may have been faster.
			const found = this.tagOf(move, tag);
			if (found === digest) return { move, state: 'moved' };
			if (found !== move.expect) return { move, state: 'conflict', found };
			const tags = this.#tags.get(formatRepository(move)) ?? new Map<string, Digest>();
			this.#tags.set(formatRepository(move), tags);
			if (digest === 'absent') tags.delete(tag);
			else tags.set(tag, digest);
			this.written.push(`tag ${formatReference(reference)} ${digest}`);
			return { move, state: 'moved' };
		} catch (error) {
			signal?.throwIfAborted();
			return { move, state: 'failed', problem: problemOf(error) };
		}
	}

	async #write(write: FakeWrite, signal: AbortSignal | undefined): Promise<void> {
		await this.beforeWrite?.(write);
		signal?.throwIfAborted();
		const problem = this.failWrites?.(write);
		if (problem) throw new ProblemError(problem);
	}

	#keepBlob(to: DigestReference, bytes: Uint8Array): void {
		this.putBlob(to, bytes, to.digest);
		this.written.push(`blob ${formatReference(byDigest(to, to.digest))}`);
	}
}

async function turn(signal: AbortSignal | undefined): Promise<void> {
	await Promise.resolve();
	signal?.throwIfAborted();
}

function absent(code: ProblemCode, reference: DigestReference): Problem {
	const { registry } = reference;
	const name = formatReference(reference);
	const reason =
		code === 'parts-missing'
			? `${registry} misses parts of ${name}.`
			: `${registry} has no ${name}.`;
	return { code, origin: 'registry', reason, registry, reference: name };
}

function checkSize(
	to: DigestReference,
	{ found, sizeBytes }: { readonly found: number; readonly sizeBytes: number },
): void {
	if (found === sizeBytes) return;
	const reason = `${formatReference(to)} has ${found} bytes instead of ${sizeBytes}.`;
	throw new ProblemError({ code: 'malformed', origin: 'content', reason });
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
