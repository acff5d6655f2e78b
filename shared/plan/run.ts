/**
 * Carries a plan out: blobs, what the plan made, manifests, then reads all of it back, and only then moves tags,
 * the root's last. Every step may be repeated; a run that was stopped and is begun again does only what is missing.
 */
import { referencedDigests } from '../index/closure.ts';
import type { Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import { byDigest, formatReference, type DigestReference } from '../oci/reference.ts';
import { ProblemError, problemOf, saysNoTag, type Problem } from '../registry/problem.ts';
import type {
	BlobCopy,
	BlobUpload,
	CallOptions,
	DocumentRequest,
	ManifestPush,
	PresenceRequest,
	Registries,
	TagMove,
} from '../registry/registries.ts';
import { batches, type Gate } from './batches.ts';
import type { Pause } from './pause.ts';
import {
	contentAt,
	isInPlace,
	repositoryAt,
	stepsOf,
	type BlobStep,
	type ManifestStep,
	type Plan,
	type Step,
	type TagStep,
	type UploadStep,
} from './plan.ts';
import { conflictProblem, movedAgainProblem, type Item, type Run } from './run-state.ts';
import { presentManifests } from './survey.ts';

export interface RunOptions {
	readonly signal?: AbortSignal | undefined;
	/** While it is set nothing new is begun; what is under way goes on to its end. */
	readonly pause?: Pause | undefined;
	/** Asks for every blob too before tags move: manifests that were there before vouch for theirs otherwise. */
	readonly deep?: boolean | undefined;
}

/** Stops a run where going on makes no sense; the reason is told by the run. */
class Stopped extends Error {
	readonly problem: Problem;

	constructor(problem: Problem) {
		super(problem.reason);
		this.problem = problem;
	}
}

function targetOf(plan: Plan, step: Exclude<Step, TagStep>): DigestReference {
	return byDigest(repositoryAt(plan, step.to), contentAt(plan, step.content).digest);
}

/** Many registries remove no tags: only `undo` ever asks for it. */
function isRefusedRemoval({ step, problem }: Item): boolean {
	return step.kind === 'tag' && step.content === undefined && problem?.code === 'unsupported';
}

function lostBlob({ reference }: PresenceRequest): Problem {
	const { registry } = reference;
	const name = formatReference(reference);
	const reason = `${registry} took ${name}, or a manifest that needs it, but does not have it.`;
	return { code: 'blob-unknown', origin: 'registry', reason, registry, reference: name };
}

interface FoundTag {
	readonly step: TagStep;
	readonly move: TagMove;
	readonly found?: Digest | 'absent';
	/** why it could not be looked at */
	readonly problem?: Problem;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield await Promise.resolve(bytes);
}

class Runner {
	readonly #registries: Registries;
	readonly #run: Run;
	readonly #plan: Plan;
	readonly #call: CallOptions;
	readonly #gate: Gate;
	readonly #deep: boolean;
	/** What the target was asked for and has not. */
	#missing: readonly ManifestStep[] = [];

	constructor(registries: Registries, run: Run, options: RunOptions) {
		this.#registries = registries;
		this.#run = run;
		this.#plan = run.plan;
		const { signal, pause, deep = false } = options;
		this.#deep = deep;
		this.#call = { signal };
		this.#gate = {
			// What failed would fail for everything after it too.
			get isShut() {
				return run.isHopeless;
			},
			get isHeld() {
				return pause?.isSet ?? false;
			},
			passed: async () => pause?.passed(signal),
		};
	}

	async *all(): AsyncGenerator<Run> {
		yield* this.#survey();
		// What is there by its digest's word may still be gone when it is read back: then it is written once more.
		for (let round = 1; ; round += 1) {
			yield* this.#write();
			const missing = yield* this.#verify();
			if (missing.length === 0) break;
			const [first] = missing;
			if (round === 2 && first?.problem) throw new Stopped(first.problem);
			this.#missing = missing.flatMap(({ step }) => (step.kind === 'manifest' ? [step] : []));
			for (const item of missing) this.#run.requeue(item.step);
		}
		yield* this.#moveTags();
		yield* this.#readTags();
	}

	async *#survey(): AsyncGenerator<Run> {
		this.#run.phase = 'checking';
		yield this.#run;
		const options = { ...this.#call, failuresAreMissing: true, asWriter: true };
		const present = await presentManifests(this.#plan, this.#registries, options);
		this.#run.skipPresent(present);
		this.#missing = stepsOf(this.#plan, 'manifest').filter((step) => !present.has(step));
		yield this.#run;
	}

	async *#write(): AsyncGenerator<Run> {
		const { blobs, uploads, manifests } = this.#run.missing();
		this.#run.phase = 'copying';
		yield* this.#copy(blobs);
		yield* this.#upload(uploads);
		this.#stopOnFailure();
		this.#run.phase = 'pushing';
		for (const level of this.#levels(manifests)) {
			yield* this.#push(level);
			this.#stopOnFailure();
		}
	}

	/** Two batches at a time, so that one is still busy when the other runs out. */
	async *#copy(steps: readonly BlobStep[]): AsyncGenerator<Run> {
		const copies = new Map<BlobCopy, Item>();
		const requests = steps.map((step): BlobCopy => {
			const { sizeBytes } = contentAt(this.#plan, step.content);
			const from = step.from.map((place) => repositoryAt(this.#plan, place));
			const copy = { to: targetOf(this.#plan, step), sizeBytes, from };
			copies.set(copy, this.#run.item(step));
			return copy;
		});
		const begin = (batch: readonly BlobCopy[]) => this.#registries.copyBlobs(batch, this.#call);
		for await (const event of batches(requests, begin, this.#gate)) {
			const item = copies.get(event.copy);
			if (!item) continue;
			if (event.state === 'copying') this.#run.progress(item, event.bytes);
			else if (event.state === 'failed') this.#run.fail(item, event.problem);
			else this.#run.finish(item, event.state);
			yield this.#run;
		}
	}

	async *#upload(steps: readonly UploadStep[]): AsyncGenerator<Run> {
		const uploads = new Map<BlobUpload, Item>();
		for (const step of steps) {
			const { bytes = new Uint8Array(), sizeBytes } = contentAt(this.#plan, step.content);
			const upload = { to: targetOf(this.#plan, step), sizeBytes, content: () => once(bytes) };
			uploads.set(upload, this.#run.item(step));
		}
		const begin = (batch: readonly BlobUpload[]) => this.#registries.putBlobs(batch, this.#call);
		for await (const event of batches([...uploads.keys()], begin, this.#gate)) {
			const item = uploads.get(event.upload);
			if (!item) continue;
			if (event.state === 'sending') this.#run.progress(item, event.bytes);
			else if (event.state === 'failed') this.#run.fail(item, event.problem);
			else this.#run.finish(item, event.state);
			yield this.#run;
		}
	}

	async *#push(steps: readonly ManifestStep[]): AsyncGenerator<Run> {
		const pushes = new Map<ManifestPush, Item>();
		const missing = new Set(this.#missing);
		for (const step of steps) {
			const { bytes, mediaType } = contentAt(this.#plan, step.content);
			const to = targetOf(this.#plan, step);
			const from = step.from.map((place) => repositoryAt(this.#plan, place));
			const push = { to, mediaType, isMissing: missing.has(step) };
			pushes.set(bytes ? { ...push, bytes } : { ...push, from }, this.#run.item(step));
		}
		const begin = (batch: readonly ManifestPush[]) =>
			this.#registries.pushManifests(batch, this.#call);
		for await (const result of batches([...pushes.keys()], begin, this.#gate)) {
			const item = pushes.get(result.push);
			if (!item) continue;
			if (result.state === 'failed') this.#run.fail(item, result.problem);
			else this.#run.finish(item, result.state);
			yield this.#run;
		}
	}

	/** Children before what lists them: a level holds nothing that another of its manifests needs. */
	*#levels(steps: readonly ManifestStep[]): Generator<readonly ManifestStep[]> {
		let open = steps;
		while (open.length > 0) {
			const waiting = new Set(open.map(({ to, content }) => `${to} ${content}`));
			const ready = open.filter(
				({ to, needs }) => !needs.some((content) => waiting.has(`${to} ${content}`)),
			);
			yield ready.length > 0 ? ready : open;
			open = ready.length > 0 ? open.filter((step) => !ready.includes(step)) : [];
		}
	}

	/** Reads every manifest by digest; those that are not there or not whole are returned. */
	async *#verify(): AsyncGenerator<Run, readonly Item[]> {
		this.#run.phase = 'verifying';
		yield this.#run;
		const items = new Map(
			stepsOf(this.#plan, 'manifest').map((step) => [
				formatReference(targetOf(this.#plan, step)),
				this.#run.item(step),
			]),
		);
		const missing: Item[] = [];
		const requests = stepsOf(this.#plan, 'manifest')
			.filter((step) => !this.#run.item(step).verified)
			.map((step) => ({ reference: targetOf(this.#plan, step), forWriting: true }));
		const options = { ...this.#call, fresh: true };
		for await (const result of this.#registries.readManifests(requests, options)) {
			const item = items.get(formatReference(result.request.reference));
			if (!item) continue;
			const problem = result.ok ? this.#understated(item, result.document) : result.problem;
			if (problem) missing.push(this.#run.fail(item, problem));
			else item.verified = true;
			yield this.#run;
		}
		if (this.#deep && missing.length === 0) missing.push(...(yield* this.#askForBlobs()));
		return missing;
	}

	/** A plan may come from anybody: what it says a manifest needs has to be what the manifest says. */
	#understated({ step }: Item, document: Document): Problem | undefined {
		if (step.kind !== 'manifest' || isInPlace(step)) return undefined;
		const needed = new Set<string>(step.needs.map((place) => contentAt(this.#plan, place).digest));
		const unstated = referencedDigests(document).find((digest) => !needed.has(digest));
		if (unstated === undefined) return undefined;
		const reason = `The plan does not say that ${document.digest} needs ${unstated}: it is incomplete, and no tag is moved.`;
		return { code: 'plan-invalid', origin: 'content', reason };
	}

	/** Those that are not there although the registry took them, or took a manifest that needs them. */
	async *#askForBlobs(): AsyncGenerator<Run, readonly Item[]> {
		const steps = this.#plan.steps.filter(
			(step): step is BlobStep | UploadStep => step.kind === 'blob' || step.kind === 'upload',
		);
		const items = new Map<PresenceRequest, Item>();
		for (const step of steps) {
			const reference = targetOf(this.#plan, step);
			items.set({ kind: 'blob', reference, forWriting: true }, this.#run.item(step));
		}
		const missing: Item[] = [];
		const options = { ...this.#call, fresh: true };
		for await (const result of this.#registries.exists([...items.keys()], options)) {
			const item = items.get(result.request);
			if (!item || (result.ok && result.present)) continue;
			missing.push(this.#run.fail(item, result.ok ? lostBlob(result.request) : result.problem));
			yield this.#run;
		}
		return missing;
	}

	/** All but the root's first; and none at all where the root's could not follow. */
	async *#moveTags(): AsyncGenerator<Run> {
		this.#run.phase = 'tagging';
		yield this.#run;
		const steps = stepsOf(this.#plan, 'tag');
		const root = steps.slice(-1);
		yield* this.#lookAt(root);
		for (const group of [steps.slice(0, -1), root]) {
			await this.#gate.passed();
			const moves = new Map<TagMove, Item>();
			for (const step of group) moves.set(this.#moveOf(step), this.#run.item(step));
			for await (const result of this.#registries.moveTags([...moves.keys()], this.#call)) {
				const item = moves.get(result.move);
				if (!item) continue;
				if (result.state === 'conflict') this.#run.fail(item, conflictProblem(result));
				else if (result.state === 'failed') this.#run.fail(item, result.problem);
				else if (result.state !== 'held-back') this.#run.finish(item, result.state);
				yield this.#run;
			}
			// What a registry cannot do at all is told at the end; the other tags go where they belong.
			if (this.#run.failed.some((item) => !isRefusedRemoval(item))) this.#stopOnFailure();
		}
	}

	/** Fails those of the tags that are neither where they were seen nor where they are to be. */
	async *#lookAt(steps: readonly TagStep[]): AsyncGenerator<Run> {
		for await (const { step, move, found, problem } of this.#findTags(steps)) {
			const item = this.#run.item(step);
			if (problem) this.#run.fail(item, problem);
			else if (found && found !== move.expect && found !== move.digest) {
				this.#run.fail(item, conflictProblem({ move, found }));
			}
			yield this.#run;
		}
		this.#stopOnFailure();
	}

	/** The last word: where every tag points now, asked of the registry. */
	async *#readTags(): AsyncGenerator<Run> {
		this.#run.phase = 'reading-tags';
		yield this.#run;
		for await (const { step, move, found, problem } of this.#findTags(stepsOf(this.#plan, 'tag'))) {
			const item = this.#run.item(step);
			if (item.state === 'failed') continue;
			if (problem) this.#run.fail(item, problem);
			else if (found === move.digest) item.verified = true;
			else if (found) this.#run.fail(item, movedAgainProblem(move, found));
			yield this.#run;
		}
		this.#stopOnFailure();
	}

	async *#findTags(steps: readonly TagStep[]): AsyncGenerator<FoundTag> {
		const moves = new Map<DocumentRequest, { readonly step: TagStep; readonly move: TagMove }>();
		for (const step of steps) {
			const move = this.#moveOf(step);
			const { registry, repository, tag } = move;
			moves.set({ reference: { registry, repository, tag }, forWriting: true }, { step, move });
		}
		const options = { ...this.#call, fresh: true };
		for await (const result of this.#registries.readManifests([...moves.keys()], options)) {
			const tag = moves.get(result.request);
			if (!tag) continue;
			if (result.ok) yield { ...tag, found: result.document.digest };
			else if (saysNoTag(result.problem)) yield { ...tag, found: 'absent' };
			else yield { ...tag, problem: result.problem };
		}
	}

	#moveOf(step: TagStep): TagMove {
		const { registry, repository } = repositoryAt(this.#plan, step.to);
		const digest =
			step.content === undefined ? 'absent' : contentAt(this.#plan, step.content).digest;
		return { registry, repository, tag: step.tag, digest, expect: step.expect };
	}

	#stopOnFailure(): void {
		const [failed] = this.#run.failed;
		if (failed?.problem) throw new Stopped(failed.problem);
	}
}

/**
 * Runs a plan, and yields the same growing `run` at every step. Never throws: how it ended is in `run.outcome`.
 * A run that failed or was stopped may be given again; what it had done stays done.
 */
export async function* runPlan(
	registries: Registries,
	run: Run,
	options: RunOptions = {},
): AsyncGenerator<Run> {
	run.begin();
	try {
		yield* new Runner(registries, run, options).all();
		run.end({ kind: 'verified' });
	} catch (error) {
		if (options.signal?.aborted) run.end({ kind: 'stopped' });
		else {
			const problem = error instanceof Stopped ? error.problem : problemOf(error);
			run.end({ kind: 'failed', problem });
		}
		if (!(error instanceof Stopped) && !(error instanceof ProblemError)) run.defect = error;
	}
	yield run;
}
