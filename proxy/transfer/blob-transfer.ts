/** One blob on its way into a repository: looked for, mounted, or streamed; nothing of it is kept. */
import {
	formatReference,
	type DigestReference,
	type Repository,
} from '../../shared/oci/reference.ts';
import {
	ProblemError,
	problemOf,
	saysBroken,
	type Problem,
	type ProblemCode,
} from '../../shared/registry/problem.ts';
import type { Places } from '../upstream/places.ts';
import { asksForLess, type Pace } from '../upstream/retry.ts';
import { detourFor, mostTelling, nextStep, type Failure } from './attempts.ts';
import type { BodyPlace, BodyPlaces } from './body-places.ts';
import type { OpenUpload, Target } from './target.ts';

/** Opens the content anew. @throws ProblemError */
export type BlobSource = (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

export interface BlobWork {
	readonly to: DigestReference;
	readonly sizeBytes: number;
	/** a repository of the same registry that has the blob */
	readonly mountFrom: Repository | undefined;
	/** best first */
	readonly sources: readonly BlobSource[];
}

export interface BlobSurroundings {
	readonly target: Target;
	readonly bodies: BodyPlaces;
	/** for looking and beginning; kept while an upload that was begun waits for its place */
	readonly beginnings: Places;
	readonly pace: Pace;
	readonly signal: AbortSignal;
	/** told how many bytes of this attempt have gone out */
	readonly onBytes: (bytes: number) => void;
}

export type BlobState = 'existed' | 'mounted' | 'transferred';
export type BlobOutcome =
	{ readonly state: BlobState } | { readonly state: 'failed'; readonly problem: Problem };

type Attempt = BlobState | Failure;

export class BlobTransfer {
	readonly #work: BlobWork;
	readonly #surroundings: BlobSurroundings;
	#mountFrom: Repository | undefined;
	#bytesWereSent = false;

	constructor(work: BlobWork, surroundings: BlobSurroundings) {
		this.#work = work;
		this.#surroundings = surroundings;
		this.#mountFrom = work.mountFrom;
	}

	/** Fails only where the signal was aborted. */
	async run(): Promise<BlobOutcome> {
		const { pace, signal } = this.#surroundings;
		const { sources } = this.#work;
		const problems: Problem[] = [];
		let source = 0;
		let before: Failure | undefined;
		const detours = new Set<ProblemCode>();
		for (let attempts = 1; ; attempts += 1) {
			const attempt = await this.#attempt(sources[source]);
			signal.throwIfAborted();
			if (typeof attempt === 'string') return { state: attempt };
			const soFar = { attempts, sourcesLeft: sources.length - source - 1, detours };
			const next = nextStep(attempt, soFar, pace.random);
			const detour = detourFor(attempt);
			if (detour !== undefined) detours.add(detour);
			if (next.kind === 'give-up') {
				return { state: 'failed', problem: mostTelling(problems, cause(before, attempt)) };
			}
			if (next.kind === 'again') {
				before = attempt;
				await pace.wait(next.afterMs, signal);
			} else {
				before = undefined;
				problems.push(attempt.problem);
				source += 1;
				attempts = 0;
			}
		}
	}

	async #attempt(source: BlobSource | undefined): Promise<Attempt> {
		const { beginnings, signal } = this.#surroundings;
		await beginnings.enter();
		let isBeginning = true;
		try {
			signal.throwIfAborted();
			const begun = await this.#begin();
			if (typeof begun === 'string') return begun;
			if (!begun) {
				beginnings.leave();
				isBeginning = false;
			}
			return await this.#deliver(source, begun);
		} catch (error) {
			return { side: 'target', problem: problemOf(error) };
		} finally {
			if (isBeginning) beginnings.leave();
		}
	}

	/** Undefined where the blob is not there and nothing was begun. */
	async #begin(): Promise<BlobState | OpenUpload | undefined> {
		const { target, signal } = this.#surroundings;
		const from = this.#mountFrom;
		// A registry that did not mount it once is not asked again.
		this.#mountFrom = undefined;
		const begun = from && (await target.mount(this.#work.to, from, signal));
		if (begun === 'mounted') return begun;
		let isNeeded = false;
		try {
			isNeeded = !(await this.#isThere());
		} finally {
			if (!isNeeded) void begun?.cancel().catch(() => undefined);
		}
		if (isNeeded) return begun;
		// The answer to an upload may have been lost, and the upload not.
		return this.#bytesWereSent ? 'transferred' : 'existed';
	}

	/** docker-registry answers 500 for ever where a full disk cut a blob's link short; sending it again heals that. */
	async #isThere(): Promise<boolean> {
		const { target, signal } = this.#surroundings;
		try {
			return await target.hasBlob(this.#work.to, signal);
		} catch (error) {
			signal.throwIfAborted();
			if (saysBroken(problemOf(error))) return false;
			throw error;
		}
	}

	async #deliver(source: BlobSource | undefined, begun: OpenUpload | undefined): Promise<Attempt> {
		const { bodies, signal } = this.#surroundings;
		if (!source) {
			void begun?.cancel().catch(() => undefined);
			return { side: 'source', problem: nowhere(this.#work.to) };
		}
		let place: BodyPlace;
		try {
			place = await bodies.enter(this.#work.sizeBytes, signal);
		} catch (error) {
			void begun?.cancel().catch(() => undefined);
			throw error;
		}
		let attempt: Attempt | undefined;
		try {
			attempt = await this.#stream(source, begun, place);
			return attempt;
		} finally {
			place.leave(howItWent(attempt));
		}
	}

	/** Opens both sides at once. What is left open on either when this ends without success is closed. */
	async #stream(
		openSource: BlobSource,
		begun: OpenUpload | undefined,
		place: BodyPlace,
	): Promise<Attempt> {
		const { target, signal } = this.#surroundings;
		const attempt = new AbortController();
		const both = AbortSignal.any([signal, attempt.signal]);
		let failure: Failure | undefined;
		const failing =
			(side: Failure['side'], isMidway = false) =>
			(error: unknown) => {
				failure ??= { side, problem: problemOf(error), isMidway };
				attempt.abort();
			};
		const opening = openSource(both).catch(failing('source'));
		const starting = Promise.resolve(begun ?? target.startUpload(this.#work.to, both)).catch(
			failing('target'),
		);
		const [chunks, upload] = await Promise.all([opening, starting]);
		if (chunks && upload && !failure) {
			await this.#send(upload, watched(chunks, failing('source')), { place, signal: both }).catch(
				failing('target', true),
			);
		}
		if (!failure) return 'transferred';
		void upload?.cancel().catch(() => undefined);
		return failure;
	}

	async #send(
		upload: OpenUpload,
		chunks: AsyncIterable<Uint8Array>,
		{ place, signal }: { readonly place: BodyPlace; readonly signal: AbortSignal },
	): Promise<void> {
		let sent = 0;
		const onBytes = (bytes: number): void => {
			sent += bytes;
			this.#bytesWereSent = true;
			place.took(bytes);
			this.#surroundings.onBytes(sent);
		};
		await upload.send({ sizeBytes: this.#work.sizeBytes, chunks, onBytes }, signal);
	}
}

/** Content that cannot be had a second time is not why the first time failed. */
function cause(before: Failure | undefined, { side, problem }: Failure): Problem {
	return side === 'source' && before?.side === 'target' ? before.problem : problem;
}

function howItWent(attempt: Attempt | undefined): 'done' | 'struggling' | 'failed' {
	if (typeof attempt === 'string') return 'done';
	if (attempt?.side !== 'target') return 'failed';
	const { code, status } = attempt.problem;
	const isStruggling = asksForLess(code) || code === 'rate-limited' || asksForLess(status ?? 0);
	return isStruggling ? 'struggling' : 'failed';
}

function nowhere(to: DigestReference): Problem {
	const reference = formatReference(to);
	const { registry } = to;
	const reason = `${reference} is not there, and no other repository is known to have it.`;
	return { code: 'blob-unknown', origin: 'registry', reason, registry, reference };
}

/** Tells of a failure while reading, before whoever reads makes something else of it. */
async function* watched(
	chunks: AsyncIterable<Uint8Array>,
	onFailure: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
	try {
		yield* chunks;
	} catch (error) {
		onFailure(error);
		throw error instanceof Error ? error : new ProblemError(problemOf(error));
	}
}
