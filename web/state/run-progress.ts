/** How far a run is, as it is shown: numbers out of the growing `Run`, taken a few times a second. */
import type { Plan } from '../../shared/plan/plan.ts';
import type {
	Item,
	ItemState,
	Run,
	RunBytes,
	RunOutcome,
	RunPhase,
} from '../../shared/plan/run-state.ts';
import { isRefusedRemoval } from '../../shared/plan/move-tags.ts';
import { formatReference } from '../../shared/oci/reference.ts';
import { contentAt, repositoryAt, type Step } from '../../shared/plan/plan.ts';
import type { Problem } from '../../shared/registry/problem.ts';
import type { StepGroup } from './run-groups.ts';

export type ItemCounts = Readonly<Record<ItemState, number>>;

export interface GroupProgress {
	readonly name: string;
	readonly state: 'waiting' | 'active' | 'done' | 'failed';
	readonly done: number;
	readonly total: number;
	readonly doneBytes: number;
	readonly totalBytes: number;
}

/** What failed for one reason. */
export interface Failure {
	readonly problem: Problem;
	/** digests or tags where they were to go */
	readonly references: readonly string[];
}

export interface RunProgress {
	readonly phase: RunPhase;
	readonly outcome: RunOutcome | undefined;
	readonly bytes: RunBytes;
	/** 0 to 100; 100 only where everything is verified */
	readonly percent: number;
	readonly counts: ItemCounts;
	readonly groups: readonly GroupProgress[];
	readonly failures: readonly Failure[];
	/** All that failed are tags that their registry removes for nobody: running it again changes nothing. */
	readonly onlyRemovalsRefused: boolean;
	/** tags that point where the plan wants them, of all that it names */
	readonly tags: { readonly moved: number; readonly total: number };
	readonly defect: unknown;
}

const final: ReadonlySet<ItemState> = new Set([
	'existed',
	'mounted',
	'copied',
	'sent',
	'pushed',
	'moved',
	'already-there',
]);

function countStates(items: readonly Pick<Item, 'state'>[]): ItemCounts {
	const counts: Record<ItemState, number> = {
		queued: 0,
		active: 0,
		existed: 0,
		mounted: 0,
		copied: 0,
		sent: 0,
		pushed: 0,
		moved: 0,
		'already-there': 0,
		failed: 0,
	};
	for (const { state } of items) counts[state] += 1;
	return counts;
}

/** What a run that has ended broke off is still to be done. */
function settled(item: Item, { outcome }: Run): Pick<Item, 'state' | 'bytes' | 'sizeBytes'> {
	const { state, bytes, sizeBytes } = item;
	return { state: outcome && state === 'active' ? 'queued' : state, bytes, sizeBytes };
}

function progressOf({ name, steps }: StepGroup, run: Run): GroupProgress {
	const items = steps.map((step) => settled(run.item(step), run));
	const done = items.filter(({ state }) => final.has(state)).length;
	const isFailed = items.some(({ state }) => state === 'failed');
	const isActive = (done > 0 && !run.outcome) || items.some(({ state }) => state === 'active');
	const doneBytes = items.reduce(
		(sum, { state, bytes, sizeBytes }) =>
			sum + (final.has(state) ? sizeBytes : state === 'active' ? bytes : 0),
		0,
	);
	return {
		name,
		state: isFailed ? 'failed' : done === items.length ? 'done' : isActive ? 'active' : 'waiting',
		done,
		total: items.length,
		doneBytes,
		totalBytes: items.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
	};
}

function nameOf(plan: Plan, step: Step): string {
	const repository = repositoryAt(plan, step.to);
	return step.kind === 'tag'
		? formatReference({ ...repository, tag: step.tag })
		: formatReference({ ...repository, digest: contentAt(plan, step.content).digest });
}

function failuresOf(run: Run): readonly Failure[] {
	const byReason = new Map<string, { problem: Problem; references: string[] }>();
	for (const { problem, step } of run.failed) {
		if (!problem) continue;
		const reason = `${problem.code} ${problem.reason}`;
		const failure = byReason.get(reason) ?? { problem, references: [] };
		failure.references.push(nameOf(run.plan, step));
		byReason.set(reason, failure);
	}
	return [...byReason.values()];
}

/** Bytes count where there are many; what has none counts by steps. */
function percentOf(run: Run, bytes: RunBytes, counts: ItemCounts): number {
	if (run.outcome?.kind === 'verified') return 100;
	const steps = run.items.length - counts.queued - counts.active - counts.failed;
	const byBytes = bytes.existed + bytes.mounted + bytes.copied + bytes.active;
	const share = bytes.total > 0 ? byBytes / bytes.total : steps / Math.max(1, run.items.length);
	return Math.min(99, Math.floor(share * 100));
}

/** It has come as far as it ever will. */
export function hasOnlyRefusedRemovals({ outcome, failed, defect }: Run): boolean {
	return (
		outcome?.kind === 'failed' &&
		defect === undefined &&
		failed.length > 0 &&
		failed.every(isRefusedRemoval)
	);
}

export function readProgress(run: Run, groups: readonly StepGroup[]): RunProgress {
	const bytes = run.outcome ? { ...run.bytes, active: 0 } : run.bytes;
	const counts = countStates(run.items.map((item) => settled(item, run)));
	return {
		phase: run.phase,
		outcome: run.outcome,
		bytes,
		percent: percentOf(run, bytes, counts),
		counts,
		groups: groups.map((group) => progressOf(group, run)),
		failures: failuresOf(run),
		onlyRemovalsRefused: hasOnlyRefusedRemovals(run),
		tags: {
			moved: counts.moved + counts['already-there'],
			total: run.items.filter(({ step }) => step.kind === 'tag').length,
		},
		defect: run.defect,
	};
}
