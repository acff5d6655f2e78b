/** The writing half of the port: what is written when, and from where it comes. One for each set of logins. */
import { setMaxListeners } from 'node:events';
import {
	byDigest,
	formatReference,
	formatRepository,
	type DigestReference,
	type Repository,
} from '../../shared/oci/reference.ts';
import { problemOf, type Problem } from '../../shared/registry/problem.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	BlobUpload,
	BlobUploadEvent,
	CallOptions,
	ManifestPush,
	ManifestPushResult,
	RegistryReader,
	RegistryWriter,
	TagMove,
	TagMoveResult,
} from '../../shared/registry/registries.ts';
import { abortReason } from '../upstream/exchange.ts';
import { realPace, type Pace } from '../upstream/retry.ts';
import { BlobTransfer, type BlobOutcome, type BlobSource } from './blob-transfer.ts';
import { heldBack } from './held-back.ts';
import { InFlight, type WorkOptions } from './in-flight.ts';
import { pushManifest } from './manifest-push.ts';
import { beginOrder } from './order.ts';
import { sideBySide } from './side-by-side.ts';
import {
	heldBackByOthers,
	keyOfMove,
	makeMove,
	prepareMove,
	withRequest,
	type TagOutcome,
} from './tag-moves.ts';
import type { Target } from './target.ts';
import { Traffic } from './traffic.ts';

export interface TransferOptions {
	readonly reader: RegistryReader;
	readonly targetOf: (registry: string) => Target;
	readonly pace?: Pace;
	/** the places of all transfers of this process */
	readonly traffic?: Traffic;
}

interface ReadyTag {
	readonly move: TagMove;
	readonly manifest: Parameters<typeof makeMove>[1];
}

type PushOutcome =
	| { readonly state: 'existed' | 'pushed' }
	| { readonly state: 'failed'; readonly problem: Problem };

function isSame(one: Repository, other: Repository): boolean {
	return formatRepository(one) === formatRepository(other);
}

function keyOf({ to }: { readonly to: DigestReference }): string {
	return formatReference(byDigest(to, to.digest));
}

function sourcesOf(work: BlobCopy | ManifestPush): string {
	return 'from' in work ? work.from.map(formatRepository).join(' ') : '';
}

function isSameCopy(one: BlobCopy, other: BlobCopy): boolean {
	return one.sizeBytes === other.sizeBytes && sourcesOf(one) === sourcesOf(other);
}

function isSameUpload(one: BlobUpload, other: BlobUpload): boolean {
	return one.sizeBytes === other.sizeBytes && one.content === other.content;
}

function isSamePush(one: ManifestPush, other: ManifestPush): boolean {
	if (one.mediaType !== other.mediaType) return false;
	return 'bytes' in one && 'bytes' in other
		? one.bytes === other.bytes
		: 'bytes' in one === 'bytes' in other && sourcesOf(one) === sourcesOf(other);
}

/** A failure is an answer only to who would have done the very same. */
function answersLike<W>(isLike: (one: W, other: W) => boolean) {
	return (done: W, outcome: { readonly state: string }, other: W): boolean =>
		outcome.state !== 'failed' || isLike(done, other);
}

export class Transfer implements RegistryWriter {
	readonly #reader: RegistryReader;
	readonly #targetOf: (registry: string) => Target;
	readonly #pace: Pace;
	readonly #traffic: Traffic;
	readonly #copies: InFlight<BlobCopy, BlobOutcome>;
	readonly #uploads: InFlight<BlobUpload, BlobOutcome>;
	readonly #pushes: InFlight<ManifestPush, PushOutcome>;
	readonly #moves: InFlight<ReadyTag, TagOutcome>;

	constructor({
		reader,
		targetOf,
		pace = realPace,
		traffic = new Traffic(pace.clock),
	}: TransferOptions) {
		this.#traffic = traffic;
		this.#reader = reader;
		this.#targetOf = targetOf;
		this.#pace = pace;
		this.#copies = new InFlight<BlobCopy, BlobOutcome>({
			keyOf,
			run: (copy, work) => this.#copy(copy, work),
			answers: answersLike(isSameCopy),
		});
		this.#uploads = new InFlight<BlobUpload, BlobOutcome>({
			keyOf,
			run: (upload, work) => this.#upload(upload, work),
			answers: answersLike(isSameUpload),
		});
		this.#pushes = new InFlight<ManifestPush, PushOutcome>({
			keyOf,
			run: (push, { signal }) => this.#push(push, signal),
			answers: answersLike(isSamePush),
		});
		this.#moves = new InFlight<ReadyTag, TagOutcome>({
			keyOf: ({ move }) => keyOfMove(move),
			run: ({ move, manifest }, { signal }) =>
				makeMove(move, manifest, { target: this.#targetOf(move.registry), signal }),
			answers: () => true,
		});
	}

	copyBlobs(copies: readonly BlobCopy[], options: CallOptions = {}): AsyncIterable<BlobCopyEvent> {
		return sideBySide<BlobCopy, BlobOutcome, BlobCopyEvent>(beginOrder(copies), {
			begin: (copy, onBytes) => this.#copies.join(copy, onBytes),
			progress: (copy, bytes) => ({ copy, state: 'copying', bytes }),
			final: (copy, outcome) => {
				if (outcome.state === 'failed') return { copy, ...outcome };
				return { copy, state: outcome.state === 'transferred' ? 'copied' : outcome.state };
			},
			clock: this.#pace.clock,
			signal: options.signal,
		});
	}

	putBlobs(
		uploads: readonly BlobUpload[],
		options: CallOptions = {},
	): AsyncIterable<BlobUploadEvent> {
		return sideBySide<BlobUpload, BlobOutcome, BlobUploadEvent>(beginOrder(uploads), {
			begin: (upload, onBytes) => this.#uploads.join(upload, onBytes),
			progress: (upload, bytes) => ({ upload, state: 'sending', bytes }),
			final: (upload, outcome) => {
				if (outcome.state === 'transferred') return { upload, state: 'sent' };
				if (outcome.state === 'failed') return { upload, ...outcome };
				return { upload, state: 'existed' };
			},
			clock: this.#pace.clock,
			signal: options.signal,
		});
	}

	pushManifests(
		pushes: readonly ManifestPush[],
		options: CallOptions = {},
	): AsyncIterable<ManifestPushResult> {
		return sideBySide<ManifestPush, PushOutcome, ManifestPushResult>(pushes, {
			begin: (push) => this.#pushes.join(push),
			final: (push, outcome) => ({ push, ...outcome }),
			clock: this.#pace.clock,
			signal: options.signal,
		});
	}

	async *moveTags(
		moves: readonly TagMove[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<TagMoveResult, void, undefined> {
		if (signal?.aborted) throw abortReason(signal);
		const looking = AbortSignal.any(signal ? [signal] : []);
		setMaxListeners(0, looking);
		const prepared = await Promise.all(moves.map((move) => this.#prepare(move, looking)));
		const isHeldBack = heldBackByOthers(prepared.map(({ look }) => look));
		const ready: ReadyTag[] = [];
		for (const { move, look } of prepared) {
			signal?.throwIfAborted();
			if (look.state !== 'ready') yield withRequest(move, look);
			else if (isHeldBack) yield { move, state: 'held-back' };
			else ready.push({ move, manifest: look.manifest });
		}
		yield* sideBySide<ReadyTag, TagOutcome, TagMoveResult>(ready, {
			begin: (tag) => this.#moves.join(tag),
			final: ({ move }, outcome) => withRequest(move, outcome),
			clock: this.#pace.clock,
			signal,
		});
	}

	/** Where the blob is in its own repository already, or nowhere else, it is only looked for. */
	#copy({ to, sizeBytes, from }: BlobCopy, options: WorkOptions): Promise<BlobOutcome> {
		const others = from.filter((repository) => !isSame(repository, to));
		const isHere = others.length < from.length;
		const mountFrom = isHere ? undefined : others.find(({ registry }) => registry === to.registry);
		const sources = others.map((repository): BlobSource => async (signal) => {
			const reference = byDigest(repository, to.digest);
			return (await this.#reader.readBlob({ reference, sizeBytes }, { signal })).chunks;
		});
		return this.#transfer({ to, sizeBytes, mountFrom, sources }, options);
	}

	#upload({ to, sizeBytes, content }: BlobUpload, options: WorkOptions): Promise<BlobOutcome> {
		const source: BlobSource = async () => {
			await Promise.resolve();
			return heldBack(content(), { to, sizeBytes });
		};
		return this.#transfer({ to, sizeBytes, mountFrom: undefined, sources: [source] }, options);
	}

	async #transfer(
		work: ConstructorParameters<typeof BlobTransfer>[0],
		options: WorkOptions,
	): Promise<BlobOutcome> {
		const { bodies, beginnings } = this.#traffic.to(work.to);
		try {
			const target = this.#targetOf(work.to.registry);
			const surroundings = { target, bodies, beginnings, pace: this.#pace, ...options };
			return await new BlobTransfer(work, surroundings).run();
		} catch (error) {
			options.signal.throwIfAborted();
			return { state: 'failed', problem: problemOf(error) };
		}
	}

	async #push(push: ManifestPush, signal: AbortSignal): Promise<PushOutcome> {
		const { manifests } = this.#traffic.to(push.to);
		await manifests.enter();
		try {
			signal.throwIfAborted();
			const target = this.#targetOf(push.to.registry);
			return { state: await pushManifest(push, { reader: this.#reader, target, signal }) };
		} catch (error) {
			signal.throwIfAborted();
			return { state: 'failed', problem: problemOf(error) };
		} finally {
			manifests.leave();
		}
	}

	async #prepare(move: TagMove, signal: AbortSignal) {
		const { manifests } = this.#traffic.to(move);
		await manifests.enter();
		try {
			signal.throwIfAborted();
			const target = this.#targetOf(move.registry);
			return { move, look: await prepareMove(move, { reader: this.#reader, target, signal }) };
		} catch (error) {
			signal.throwIfAborted();
			const look: TagOutcome = { state: 'failed', problem: problemOf(error) };
			return { move, look };
		} finally {
			manifests.leave();
		}
	}
}
