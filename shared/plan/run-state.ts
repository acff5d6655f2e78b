/** How far a run is: every step's state, bytes, and how it ended. It grows while the plan is carried out. */
import { formatReference } from '../oci/reference.ts';
import type { Problem, ProblemCode } from '../registry/problem.ts';
import type { TagMove, TagMoveResult } from '../registry/registries.ts';
import { contentAt, stepsOf, type ManifestStep, type Plan, type Step } from './plan.ts';
import type { OpenSteps } from './sparse.ts';

export type RunPhase =
	| 'waiting'
	/** looking what is there already */
	| 'checking'
	| 'copying'
	| 'pushing'
	/** every manifest is read back by its digest */
	| 'verifying'
	| 'tagging'
	| 'reading-tags'
	| 'ended';

export type ItemState =
	| 'queued'
	/** bytes are on their way */
	| 'active'
	| 'existed'
	| 'mounted'
	| 'copied'
	| 'sent'
	| 'pushed'
	| 'moved'
	| 'already-there'
	| 'failed';

/** One step and what has become of it. */
export interface Item {
	readonly step: Step;
	/** 0 for tags */
	readonly sizeBytes: number;
	state: ItemState;
	/** sent since it was last begun */
	bytes: number;
	problem: Problem | undefined;
	/** read back by digest, or for a tag, read back to point where it should */
	verified: boolean;
}

export type RunOutcome =
	| { readonly kind: 'verified' }
	| { readonly kind: 'failed'; readonly problem: Problem }
	/** Somebody ended it. No tag was moved unless items say so. */
	| { readonly kind: 'stopped' };

/** Sums of sizes, in bytes. */
export interface RunBytes {
	/** everything that the plan would have at its targets */
	readonly total: number;
	/** found there, or in a manifest that was there */
	readonly existed: number;
	readonly mounted: number;
	/** gone over the wire, of items that are done */
	readonly copied: number;
	/** gone over the wire so far, of items under way */
	readonly active: number;
	readonly failed: number;
}

/** Failures that everything else for that registry would share. */
const hopeless: ReadonlySet<ProblemCode> = new Set([
	'storage-full',
	'unauthorized',
	'denied',
	'credentials-unusable',
	'host-unknown',
	'connection-refused',
	'tls-failure',
	'egress-blocked',
	'not-served',
	'outgoing-proxy-failed',
	'proxy-unreachable',
	'token-missing',
	'token-rejected',
]);

type Found = Extract<TagMoveResult, { state: 'conflict' }>['found'];

/** What is said where a tag is neither where it was seen nor where it is to be. */
export function conflictProblem({
	move,
	found,
}: {
	readonly move: TagMove;
	readonly found: Found;
}): Problem {
	const { registry, repository, tag, expect } = move;
	const reference = formatReference({ registry, repository, tag });
	const was = expect === 'absent' ? 'was not there' : `pointed to ${expect}`;
	const is = found === 'absent' ? 'is gone' : `points to ${found}`;
	const reason = `When this was planned, ${reference} ${was}; now it ${is}. It was left as it is.`;
	return { code: 'conflict', origin: 'registry', reason, registry, reference };
}

/** What is said where a tag points elsewhere after this run has seen to it. */
export function movedAgainProblem(
	{ registry, repository, tag, digest }: TagMove,
	found: Found,
): Problem {
	const reference = formatReference({ registry, repository, tag });
	const is = found === 'absent' ? 'it is gone' : `it points to ${found}`;
	const reason = `${reference} was seen to, but read back ${is}, not ${digest === 'absent' ? 'gone' : `to ${digest}`}: somebody has moved it again.`;
	return { code: 'conflict', origin: 'registry', reason, registry, reference };
}

export class Run {
	readonly plan: Plan;
	readonly items: readonly Item[];
	phase: RunPhase = 'waiting';
	outcome: RunOutcome | undefined;
	/** An error that is none of a registry's: a defect to be reported. */
	defect: unknown;
	readonly #byStep: ReadonlyMap<Step, Item>;
	/** Blobs and uploads by place and content. */
	readonly #blobs: ReadonlyMap<string, Item>;
	#isHopeless = false;

	constructor(plan: Plan) {
		this.plan = plan;
		this.items = plan.steps.map((step): Item => {
			const sizeBytes = step.kind === 'tag' ? 0 : contentAt(plan, step.content).sizeBytes;
			return { step, sizeBytes, state: 'queued', bytes: 0, problem: undefined, verified: false };
		});
		this.#byStep = new Map(this.items.map((item) => [item.step, item]));
		this.#blobs = new Map(
			this.items.flatMap((item) => {
				const { step } = item;
				const isBlob = step.kind === 'blob' || step.kind === 'upload';
				return isBlob ? [[`${step.to} ${step.content}`, item] as const] : [];
			}),
		);
	}

	item(step: Step): Item {
		const item = this.#byStep.get(step);
		if (!item) throw new RangeError('the step is of another plan');
		return item;
	}

	get failed(): readonly Item[] {
		return this.items.filter(({ state }) => state === 'failed');
	}

	get active(): readonly Item[] {
		return this.items.filter(({ state }) => state === 'active');
	}

	/** Something failed that would fail for everything after it too. */
	get isHopeless(): boolean {
		return this.#isHopeless;
	}

	get bytes(): RunBytes {
		const sums = { total: 0, existed: 0, mounted: 0, copied: 0, active: 0, failed: 0 };
		for (const { state, sizeBytes, bytes } of this.items) {
			sums.total += sizeBytes;
			if (state === 'active') sums.active += bytes;
			else if (state === 'existed' || state === 'mounted' || state === 'failed') {
				sums[state] += sizeBytes;
			} else if (state === 'copied' || state === 'sent' || state === 'pushed') {
				sums.copied += sizeBytes;
			}
		}
		return sums;
	}

	/** Begins it, or begins it again: what failed or was cut off is queued, everything is read back anew. */
	begin(): void {
		this.outcome = undefined;
		this.#isHopeless = false;
		this.defect = undefined;
		for (const item of this.items) {
			item.verified = false;
			const isOpen = item.state === 'failed' || item.state === 'active';
			if (isOpen || item.step.kind === 'tag') this.requeue(item.step);
		}
	}

	requeue(step: Step): void {
		const item = this.item(step);
		item.state = 'queued';
		item.bytes = 0;
		item.problem = undefined;
		if (step.kind !== 'manifest') return;
		item.verified = false;
		for (const content of step.needs) {
			const blob = this.#blobs.get(`${step.to} ${content}`);
			if (!blob) continue;
			blob.state = 'queued';
			blob.bytes = 0;
		}
	}

	/** What needs nothing more, as the manifests that need it are there. */
	skipPresent(present: ReadonlySet<ManifestStep>): void {
		const needed = new Set<string>();
		for (const step of stepsOf(this.plan, 'manifest')) {
			if (present.has(step)) this.#settle(step);
			else for (const content of step.needs) needed.add(`${step.to} ${content}`);
		}
		for (const { step } of this.items) {
			if (step.kind !== 'blob' && step.kind !== 'upload') continue;
			if (!needed.has(`${step.to} ${step.content}`)) this.#settle(step);
		}
	}

	/** What is still to be written. */
	missing(): OpenSteps {
		const isQueued = (step: Step) => this.item(step).state === 'queued';
		return {
			blobs: stepsOf(this.plan, 'blob').filter(isQueued),
			uploads: stepsOf(this.plan, 'upload').filter(isQueued),
			manifests: stepsOf(this.plan, 'manifest').filter(isQueued),
		};
	}

	progress(item: Item, bytes: number): void {
		item.state = 'active';
		item.bytes = bytes;
	}

	finish(item: Item, state: Exclude<ItemState, 'queued' | 'active' | 'failed'>): void {
		item.state = state;
		item.bytes = item.sizeBytes;
	}

	fail(item: Item, problem: Problem): Item {
		item.state = 'failed';
		item.problem = problem;
		this.#isHopeless ||= hopeless.has(problem.code);
		return item;
	}

	end(outcome: RunOutcome): void {
		this.phase = 'ended';
		this.outcome = outcome;
		for (const item of this.active) {
			item.state = 'queued';
			item.bytes = 0;
		}
	}

	#settle(step: Step): void {
		const item = this.item(step);
		if (item.state === 'queued') this.finish(item, 'existed');
	}
}
