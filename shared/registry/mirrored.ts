/**
 * The port, read through mirrors: what a name stands for is read where the rules say, and results tell where that was.
 * What is written, or asked because it is about to be written, stays where it is named.
 */
import type { Descriptor } from '../oci/manifest.ts';
import {
	formatReference,
	formatRepository,
	hasDigest,
	type DigestReference,
	type Reference,
	type Repository,
} from '../oci/reference.ts';
import { limits } from './limits.ts';
import {
	copySources,
	readingPlaces,
	ruleFor,
	type AskedBy,
	type MirrorRules,
} from './mirror-rules.ts';
import { ProblemError, problemOf, saysAbsent, type Problem, type ProblemCode } from './problem.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	BlobRequest,
	BlobStream,
	BlobUpload,
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
} from './registries.ts';

/** Tags that stand for what is attached to a digest: referrers without an API, and cosign's; they are where the digest is. */
const attachmentTag = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})(?:\.[a-z]+)?$/;

function askedBy(reference: Reference): AskedBy {
	return hasDigest(reference) || attachmentTag.test(reference.tag ?? '') ? 'digest' : 'tag';
}

/** Failures that say nothing of the place: another one would fail in the same way. */
const ours: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
	'cancelled',
	'internal',
	'proxy-unreachable',
	'token-missing',
	'token-rejected',
	'request-invalid',
	'reference-invalid',
]);

interface Failure {
	readonly place: Repository;
	readonly problem: Problem;
}

/** A place that has nothing of this name at all is no reason to doubt what the others say. */
function saysNothingThere(problem: Problem): boolean {
	return saysAbsent(problem) || problem.code === 'repository-unknown';
}

/** Absent only where that is what all say: one that could not be asked might have it. */
function mostTelling(failures: readonly Failure[]): Problem | undefined {
	const last = failures.at(-1)?.problem;
	if (!last || !saysNothingThere(last)) return last;
	const unasked = failures.findLast(({ problem }) => !saysNothingThere(problem))?.problem;
	const absent = failures.findLast(({ problem }) => saysAbsent(problem))?.problem;
	return unasked ?? absent ?? last;
}

function blocked(reference: Reference): Problem {
	const { registry } = reference;
	const name = formatReference(reference);
	const reason = `The mirror rules forbid to contact ${formatRepository(reference)}, and name no mirror for it by ${askedBy(reference)}.`;
	return { code: 'source-blocked', origin: 'content', reason, registry, reference: name };
}

/** The most telling problem, with all that was tried in its reason. */
function joinFailures(failures: readonly Failure[], asked: Reference): Problem {
	const telling = mostTelling(failures);
	if (!telling) return blocked(asked);
	const [only, ...more] = failures;
	if (only && more.length === 0 && formatRepository(only.place) === formatRepository(asked)) {
		return telling;
	}
	const tried = failures.map(
		({ place, problem }) => `${formatRepository(place)} (${problem.reason.replace(/\.$/, '')})`,
	);
	const reason = `It was tried where the mirror rules say, in this order: ${tried.join('; ')}.`;
	return { ...telling, reason };
}

type Result<Request> = { readonly ok: boolean; readonly request: Request };

/** What one kind of question and its answers have to themselves. */
interface Question<Request, Answer> {
	readonly ask: (requests: readonly Request[]) => AsyncIterable<Answer>;
	/** Why the next place is asked; undefined for an answer that is wanted. */
	readonly problemIn: (answer: Answer) => Problem | undefined;
	readonly answered: (answer: Answer, request: Request, readFrom: Repository | undefined) => Answer;
	readonly failed: (answer: Answer | undefined, request: Request, problem: Problem) => Answer;
}

/** One request on its way through its places. */
interface Search<Request> {
	readonly request: Request;
	readonly places: readonly Repository[];
	readonly failures: Failure[];
}

function documentQuestion<R extends Reference>(
	ask: (requests: readonly DocumentRequest<R>[]) => AsyncIterable<DocumentResult<R>>,
): Question<DocumentRequest<R>, DocumentResult<R>> {
	return {
		ask,
		problemIn: (result) => (result.ok ? undefined : result.problem),
		answered: (result, request, readFrom) => ({
			...result,
			request,
			...(readFrom && { readFrom }),
		}),
		failed: (_, request, problem) => ({ ok: false, request, problem }),
	};
}

function absentAt({ reference, kind }: PresenceRequest): Problem {
	const name = formatReference(reference);
	return {
		code: kind === 'blob' ? 'blob-unknown' : 'manifest-unknown',
		origin: 'registry',
		reason: `It has no ${kind} ${name}.`,
		registry: reference.registry,
		reference: name,
	};
}

function presenceQuestion(
	ask: (requests: readonly PresenceRequest[]) => AsyncIterable<PresenceResult>,
): Question<PresenceRequest, PresenceResult> {
	return {
		ask,
		problemIn: (result) => {
			if (!result.ok) return result.problem;
			return result.present ? undefined : absentAt(result.request);
		},
		answered: (result, request, readFrom) => ({
			...result,
			request,
			...(readFrom && { readFrom }),
		}),
		failed: (result, request, problem) =>
			result?.ok && saysAbsent(problem) ? { ...result, request } : { ok: false, request, problem },
	};
}

class MirroredRegistries implements Registries {
	readonly #inner: Registries;
	readonly #rules: MirrorRules;
	/** Mirrors where a tag of a repository was answered. */
	readonly #answeredTags = new Set<string>();

	constructor(inner: Registries, rules: MirrorRules) {
		this.#inner = inner;
		this.#rules = rules;
	}

	#places(reference: Reference): readonly Repository[] {
		const by = askedBy(reference);
		const answeredTag = (mirror: Repository) =>
			this.#answeredTags.has(`${formatRepository(reference)} ${formatRepository(mirror)}`);
		return readingPlaces(this.#rules, reference, { by, answeredTag });
	}

	/** Where it is to be written, nothing stands in for it. */
	#isExact({ reference, forWriting }: DocumentRequest, { exact }: CallOptions): boolean {
		return exact === true || forWriting === true || !ruleFor(this.#rules, reference);
	}

	/** The request at one of its places; the very same where that is what was asked for. */
	#at<Request extends DocumentRequest>(request: Request, place: Repository): Request {
		const { reference } = request;
		if (formatRepository(place) === formatRepository(reference)) return request;
		const { registry, repository } = place;
		return { ...request, reference: { ...reference, registry, repository }, namedBy: undefined };
	}

	#remember({ reference }: DocumentRequest, place: Repository): void {
		if (askedBy(reference) === 'digest') return;
		this.#answeredTags.add(`${formatRepository(reference)} ${formatRepository(place)}`);
	}

	/** All first places in one batch; what failed there in the next one at its second place, and so on. */
	async *#search<Request extends DocumentRequest, Answer extends Result<Request>>(
		requests: readonly Request[],
		options: CallOptions,
		question: Question<Request, Answer>,
	): AsyncGenerator<Answer> {
		let open: readonly Search<Request>[] = requests.map((request) => ({
			request,
			places: this.#isExact(request, options)
				? [request.reference]
				: this.#places(request.reference),
			failures: [],
		}));
		for (const { request, places } of open) {
			if (places.length > 0) continue;
			yield question.failed(undefined, request, blocked(request.reference));
		}
		open = open.filter(({ places }) => places.length > 0);
		while (open.length > 0) {
			const asked = new Map<Request, Search<Request>>();
			for (const search of open) {
				const place = search.places[search.failures.length] ?? search.request.reference;
				asked.set(this.#at(search.request, place), search);
			}
			const failed: Search<Request>[] = [];
			for await (const answer of question.ask([...asked.keys()])) {
				const search = asked.get(answer.request);
				if (!search) continue;
				const settled = this.#settle(search, answer, question);
				if (settled) yield settled;
				else failed.push(search);
			}
			open = failed;
		}
	}

	/** What to say of an answer; nothing where another place is to be asked. */
	#settle<Request extends DocumentRequest, Answer extends Result<Request>>(
		{ request, places, failures }: Search<Request>,
		answer: Answer,
		question: Question<Request, Answer>,
	): Answer | undefined {
		const place = places[failures.length] ?? request.reference;
		const problem = question.problemIn(answer);
		if (!problem) {
			const isElsewhere = answer.request !== request;
			if (isElsewhere) this.#remember(request, place);
			const { registry, repository } = place;
			return question.answered(answer, request, isElsewhere ? { registry, repository } : undefined);
		}
		failures.push({ place, problem });
		if (failures.length < places.length && !ours.has(problem.code)) return undefined;
		const joined = ours.has(problem.code) ? problem : joinFailures(failures, request.reference);
		return question.failed(answer, request, joined);
	}

	readManifests(
		requests: readonly DocumentRequest[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult> {
		const question = documentQuestion<Reference>((asked) =>
			this.#inner.readManifests(asked, options),
		);
		return this.#search(requests, options, question);
	}

	readConfigs(
		requests: readonly DocumentRequest<DigestReference>[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult<DigestReference>> {
		const question = documentQuestion<DigestReference>((asked) =>
			this.#inner.readConfigs(asked, options),
		);
		return this.#search(requests, options, question);
	}

	exists(
		requests: readonly PresenceRequest[],
		options: CallOptions = {},
	): AsyncIterable<PresenceResult> {
		const question = presenceQuestion((asked) => this.#inner.exists(asked, options));
		return this.#search(requests, options, question);
	}

	/**
	 * What fits into memory is read to its end before it is given out, so that another place can stand in for one
	 * with wrong bytes; what is larger only until it has begun.
	 */
	async readBlob(request: BlobRequest, options: CallOptions = {}): Promise<BlobStream> {
		if (this.#isExact(request, options)) return this.#inner.readBlob(request, options);
		const places = this.#places(request.reference);
		const failures: Failure[] = [];
		for (const place of places) {
			try {
				const stream = await this.#inner.readBlob(this.#at(request, place), options);
				const isLast = failures.length === places.length - 1;
				const sizeBytes = request.sizeBytes ?? stream.sizeBytes ?? Infinity;
				return isLast || sizeBytes > limits.payloadBytes ? stream : await whole(stream);
			} catch (error) {
				options.signal?.throwIfAborted();
				const problem = problemOf(error);
				if (ours.has(problem.code)) throw error;
				failures.push({ place, problem });
			}
		}
		throw new ProblemError(joinFailures(failures, request.reference));
	}

	/** Of the first place that lists them. */
	tags(repository: Repository, options: CallOptions = {}): AsyncIterable<string> {
		const places = options.exact ? [repository] : this.#places(repository);
		return this.#firstListing(repository, places, {
			list: (place) => this.#inner.tags(place, options),
			isAnswer: () => true,
		});
	}

	/** Of the first place that has any: images are mirrored without what refers to them more often than not. */
	referrers(subject: DigestReference, options: ReferrersOptions = {}): AsyncIterable<Descriptor> {
		const places = options.exact ? [subject] : this.#places(subject);
		return this.#firstListing(subject, places, {
			list: ({ registry, repository }) =>
				this.#inner.referrers({ ...subject, registry, repository }, options),
			isAnswer: (count) => count > 0,
		});
	}

	/** @throws ProblemError where none of the places has an answer and one of them could not be asked */
	async *#firstListing<T>(
		asked: Reference,
		places: readonly Repository[],
		listing: {
			readonly list: (place: Repository) => AsyncIterable<T>;
			readonly isAnswer: (count: number) => boolean;
		},
	): AsyncGenerator<T> {
		if (places.length === 0) throw new ProblemError(blocked(asked));
		const failures: Failure[] = [];
		for (const place of places) {
			let count = 0;
			try {
				for await (const item of listing.list(place)) {
					count += 1;
					yield item;
				}
				if (listing.isAnswer(count)) return;
			} catch (error) {
				const problem = problemOf(error);
				if (count > 0 || ours.has(problem.code)) throw error;
				failures.push({ place, problem });
			}
		}
		if (failures.length > 0) throw new ProblemError(joinFailures(failures, asked));
	}

	repositories(registry: string, options?: CallOptions): AsyncIterable<string> {
		return this.#inner.repositories(registry, options);
	}

	async *copyBlobs(
		copies: readonly BlobCopy[],
		options?: CallOptions,
	): AsyncGenerator<BlobCopyEvent> {
		const asked = new Map<BlobCopy, BlobCopy>();
		for (const copy of copies) {
			const moved = this.#moved(copy);
			if (moved) asked.set(moved, copy);
			else yield { copy, state: 'failed', problem: blocked(sourceOf(copy)) };
		}
		for await (const event of this.#inner.copyBlobs([...asked.keys()], options)) {
			const copy = asked.get(event.copy);
			if (copy) yield { ...event, copy };
		}
	}

	putBlobs(uploads: readonly BlobUpload[], options?: CallOptions) {
		return this.#inner.putBlobs(uploads, options);
	}

	async *pushManifests(
		pushes: readonly ManifestPush[],
		options?: CallOptions,
	): AsyncGenerator<ManifestPushResult> {
		const asked = new Map<ManifestPush, ManifestPush>();
		for (const push of pushes) {
			const moved = 'bytes' in push ? push : this.#moved(push);
			if (moved) asked.set(moved, push);
			else if (!('bytes' in push)) {
				yield { push, state: 'failed', problem: blocked(sourceOf(push)) };
			}
		}
		for await (const result of this.#inner.pushManifests([...asked.keys()], options)) {
			const push = asked.get(result.push);
			if (push) yield { ...result, push };
		}
	}

	moveTags(moves: readonly TagMove[], options?: CallOptions) {
		return this.#inner.moveTags(moves, options);
	}

	/** From mirrors first; the very same where no rule applies, undefined where all its sources are forbidden. */
	#moved<W extends Sourced>(work: W): W | undefined {
		if (!work.from.some((source) => ruleFor(this.#rules, source))) return work;
		const from = copySources(this.#rules, work.from, work.to);
		return from.length === 0 ? undefined : { ...work, from };
	}
}

interface Sourced {
	readonly to: DigestReference;
	readonly from: readonly Repository[];
}

/** What is copied, by the name of its first source. */
function sourceOf({ to, from }: Sourced): DigestReference {
	const [{ registry, repository } = to] = from;
	return { registry, repository, digest: to.digest };
}

async function whole({ sizeBytes, chunks }: BlobStream): Promise<BlobStream> {
	const held: Uint8Array[] = [];
	for await (const chunk of chunks) held.push(chunk);
	return { sizeBytes, chunks: again(held) };
}

async function* again(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
	await Promise.resolve();
	yield* chunks;
}

/** The same registries, read by these rules, whatever they are at the time of a call. */
export function mirrored(registries: Registries, rules: MirrorRules): Registries {
	return new MirroredRegistries(registries, rules);
}
