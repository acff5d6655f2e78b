/** Runs and receipts for a terminal: how far it is, what failed, what was left where, what was done. */
import { nextSteps } from '../plan/next-steps.ts';
import { contentAt, repositoryAt, type Plan } from '../plan/plan.ts';
import type { Receipt } from '../plan/receipt.ts';
import type { RunPace } from '../plan/run-pace.ts';
import type { Item, Run, RunPhase } from '../plan/run-state.ts';
import { byDigest, formatReference } from '../oci/reference.ts';
import type { Problem } from '../registry/problem.ts';
import { explain } from './explain.ts';
import { printable } from './printable.ts';
import { table } from './text.ts';
import { formatBytes, formatCount, formatDuration } from './units.ts';

export const phaseWords: Readonly<Record<RunPhase, string>> = {
	waiting: 'Waiting',
	checking: 'Looking what is there',
	copying: 'Copying',
	pushing: 'Pushing manifests',
	verifying: 'Reading everything back',
	tagging: 'Moving tags',
	'reading-tags': 'Reading tags back',
	ended: 'Ended',
};

/** What went over the wire so far, for `RunPace`. */
export function sentBytes({ bytes: { copied, active } }: Run): number {
	return copied + active;
}

/** One line: the phase, and while bytes move how many, how fast and for how long still. */
export function progressText(run: Run, pace: Pick<RunPace, 'rate' | 'remainingMs'>): string {
	const { total, existed, mounted, copied, active, failed } = run.bytes;
	const done = existed + mounted + copied + active;
	const words = [phaseWords[run.phase], `${formatBytes(done)} of ${formatBytes(total)}`];
	if (run.phase === 'copying') {
		const { rate } = pace;
		const remainingMs = pace.remainingMs(total - done - failed);
		if (rate !== undefined && rate >= 1) words.push(`${formatBytes(rate)}/s`);
		if (remainingMs !== undefined) words.push(`about ${formatDuration(remainingMs)} left`);
		if (run.active.length > 0) words.push(`${run.active.length} under way`);
	}
	if (run.failed.length > 0) words.push(`${run.failed.length} failed`);
	return printable(words.join(', '));
}

const mostShown = 10;

function nameOf(plan: Plan, { step }: Item): string {
	const repository = repositoryAt(plan, step.to);
	return step.kind === 'tag'
		? formatReference({ ...repository, tag: step.tag })
		: formatReference(byDigest(repository, contentAt(plan, step.content).digest));
}

/** The digests that a registry lacks, one a line. */
function missingLines({ missing = [] }: Problem): readonly string[] {
	const more = missing.length - mostShown;
	return [
		...missing.slice(0, mostShown).map((digest) => `  missing there: ${digest}`),
		...(more > 0 ? [`  and ${more} more`] : []),
	];
}

function problemLines(problem: Problem): readonly string[] {
	const { title, why, remedies } = explain(problem);
	return [
		`${title}. ${why}`,
		...missingLines(problem),
		...remedies.map((remedy) => `  - ${remedy}`),
	];
}

/** Those of one kind, each with why, and once what to do about it. */
function kindLines(plan: Plan, items: readonly FailedItem[]): readonly string[] {
	const [first] = items;
	if (!first) return [];
	const { title, remedies } = explain(first.problem);
	const more = items.length - mostShown;
	return [
		`${title}:`,
		...items
			.slice(0, mostShown)
			.flatMap((item) => [
				`  ${nameOf(plan, item)}`,
				`    ${item.problem.reason}`,
				...missingLines(item.problem).map((line) => `  ${line}`),
			]),
		...(more > 0 ? [`  and ${more} more`] : []),
		...remedies.map((remedy) => `  - ${remedy}`),
	];
}

type FailedItem = Item & { readonly problem: Problem };

function hasProblem(item: Item): item is FailedItem {
	return item.problem !== undefined;
}

/** What failed and why, kind by kind, with what to do about it. */
export function failuresText({ plan, failed, outcome }: Run): string {
	const kinds = new Map<Problem['code'], FailedItem[]>();
	for (const item of failed.filter(hasProblem)) {
		const others = kinds.get(item.problem.code);
		if (others) others.push(item);
		else kinds.set(item.problem.code, [item]);
	}
	const lines = [...kinds.values()].flatMap((items) => kindLines(plan, items));
	if (lines.length > 0) return print(lines);
	return outcome?.kind === 'failed' ? print(problemLines(outcome.problem)) : '';
}

function isDone({ state }: Item): boolean {
	return state !== 'queued' && state !== 'active' && state !== 'failed';
}

function ofAll(items: readonly Item[], noun: string): string {
	return `${items.filter(isDone).length} of ${formatCount(items.length, noun)}`;
}

/** What an unfinished run leaves behind: what is known to be at the targets, and which tags were moved. */
export function leftBehindText({ items, plan }: Run): string {
	const tags = items.filter(({ step }) => step.kind === 'tag');
	const manifests = items.filter(({ step }) => step.kind === 'manifest');
	const blobs = items.filter(({ step }) => step.kind === 'blob' || step.kind === 'upload');
	const moved = tags.filter(({ state }) => state === 'moved');
	return print([
		`Known to be at the target: ${ofAll(blobs, 'blob')}, ${ofAll(manifests, 'manifest')}.`,
		...(moved.length === 0
			? ['No tag was moved.']
			: [
					`${moved.length} of ${formatCount(tags.length, 'tag')} ${moved.length === 1 ? 'was' : 'were'} moved:`,
					...moved.map((item) => `  ${nameOf(plan, item)}`),
				]),
	]);
}

function blobLines({ blobs }: Receipt): readonly string[] {
	const kinds = [
		['copied', blobs.copied],
		['mounted within the registry', blobs.mounted],
		['made here and uploaded', blobs.uploaded],
		['there already', blobs.existed],
	] as const;
	return kinds.flatMap(([what, { count, bytes }]) =>
		count === 0 ? [] : [`${formatCount(count, 'blob')} ${what}, ${formatBytes(bytes)}`],
	);
}

function tagRow({
	repository,
	tag,
	before,
	after,
	moved,
}: Receipt['tags'][number]): readonly string[] {
	const where = moved ? `${before} → ${after}` : `${after}, there already`;
	return [`${repository}:${tag}`, where];
}

/** Moved tags all, of many new ones the first and the most important. */
function tagLines(tags: Receipt['tags']): readonly string[] {
	const hidden = new Set(
		tags
			.slice(0, -1)
			.filter(({ before, moved }) => before === 'absent' || !moved)
			.slice(mostShown),
	);
	return [
		...table(tags.filter((tag) => !hidden.has(tag)).map(tagRow)),
		...(hidden.size > 0 ? [`and ${formatCount(hidden.size, 'more tag')}`] : []),
	];
}

/** What was done, and what to type next. @param flags what espalier needs to reach the same registries */
export function receiptText(receipt: Receipt, flags = ''): string {
	const { manifests, tags, subject } = receipt;
	const pushed = manifests.filter((manifest) => manifest.pushed).length;
	const left = new Set(manifests.flatMap(({ without = [] }) => without)).size;
	const steps = subject.kind === 'prune-release' ? nextSteps(subject, flags) : [];
	return print([
		`Verified: ${formatCount(manifests.length, 'manifest')} and ${formatCount(tags.length, 'tag')} read back, all as planned.`,
		...blobLines(receipt).map((line) => `  ${line}`),
		...(manifests.length > 0
			? [`  ${formatCount(pushed, 'manifest')} pushed, ${manifests.length - pushed} there already`]
			: []),
		...(left > 0
			? [`  ${formatCount(left, 'child', 'children')} of sparse indexes: listed, not copied`]
			: []),
		'',
		'Tags',
		...tagLines(tags).map((line) => `  ${line}`),
		...steps.flatMap(({ title, text, note }) => [
			'',
			`${title}:`,
			...text
				.trimEnd()
				.split('\n')
				.map((line) => `  ${line}`),
			...(note === undefined ? [] : [`  (${note})`]),
		]),
	]);
}

function print(lines: readonly string[]): string {
	return lines.map((line) => `${printable(line)}\n`).join('');
}
