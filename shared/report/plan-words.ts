/** A plan in words and rows: what its printed forms have in common. */
import { publishedRelease } from '../plan/next-steps.ts';
import type { Amount, Estimate } from '../plan/estimate.ts';
import type { Plan } from '../plan/plan.ts';
import type { PlannedTag, PlanSummary } from '../plan/summary.ts';
import { modeOf, type PruneSubject, type UndoSubject } from '../plan/subject.ts';
import { formatBytes, formatCount } from './units.ts';

export type Removed = PruneSubject['release']['removed'];

/** What an index loses: `linux/ppc64le, linux/s390x, 2 attestations`; empty where it loses nothing. */
export function lossText(removed: Removed): string {
	const counted = (why: Removed[number]['why']) => removed.filter((child) => child.why === why);
	const attestations = counted('attestation').length;
	const dangling = counted('dangling').length;
	return [
		...counted('dropped').map(({ platform, digest }) => platform ?? digest),
		...(attestations > 0 ? [formatCount(attestations, 'attestation')] : []),
		...(dangling > 0
			? [formatCount(dangling, 'attestation of nothing', 'attestations of nothing')]
			: []),
	].join(', ');
}

/** What a sparse index leaves out: `linux/s390x, 2 more`; empty where it is whole. */
export function leftOutText(left: PruneSubject['release']['left'] = []): string {
	const platforms = left.flatMap(({ platform }) => platform ?? []);
	const others = left.length - platforms.length;
	return [...platforms, ...(others > 0 ? [`${others} without a platform`] : [])].join(', ');
}

/** The indexes that are copied without some of their children; the release among them is named `the release`. */
export function sparseIndexes({ release, components }: PruneSubject): readonly {
	readonly name: string;
	readonly left: PruneSubject['release']['left'];
}[] {
	const all = [{ name: 'the release', left: release.left }, ...components];
	return all.flatMap(({ name, left }) => (left && left.length > 0 ? [{ name, left }] : []));
}

/** The components whose index changes; the others of a plan are copied along as they are. */
export function changedComponents({ components }: PruneSubject): PruneSubject['components'] {
	return components.filter(({ removed }) => removed.length > 0);
}

function leftText({ components, release }: PruneSubject): readonly string[] {
	const losing = components.filter(({ left = [] }) => left.length > 0);
	const children = losing.reduce((sum, { left = [] }) => sum + left.length, 0);
	const { left = [] } = release;
	const parts = [
		...(losing.length > 0
			? [
					`${formatCount(children, 'child', 'children')} of ${formatCount(losing.length, 'component')}`,
				]
			: []),
		...(left.length > 0 ? [formatCount(left.length, 'release image')] : []),
	];
	return parts.length === 0 ? [] : [`listed, not copied: ${parts.join(' and ')}`];
}

/** Of a release that keeps every byte. */
function keptHeadline(subject: PruneSubject): string {
	const { components, choices } = subject;
	const parts = [
		`The release and ${formatCount(components.length, 'component')} are copied ${modeOf(subject) === 'whole' ? 'whole' : 'as they are'}, ${components.length === 1 ? 'the component' : 'components'} to ${choices.repository}`,
		`every digest stays, and the release is at ${publishedRelease(subject)}`,
		...leftText(subject),
	];
	return `${parts.join('; ')}.`;
}

function pruneHeadline(subject: PruneSubject): string {
	if (modeOf(subject) !== 'prune') return keptHeadline(subject);
	const { components, untouched, release, source } = subject;
	const changed = changedComponents(subject);
	const dropped = changed
		.flatMap(({ removed }) => removed)
		.filter(({ why }) => why === 'dropped').length;
	const along = components.length - changed.length;
	const losing = `${changed.length} of ${formatCount(components.length + untouched, 'component')}`;
	const parts = [
		changed.length === 0
			? 'No component changes'
			: `${losing} ${changed.length === 1 ? 'loses' : 'lose'} ${formatCount(dropped, 'child', 'children')}`,
		...(along > 0
			? [`${along} ${along === 1 ? 'is copied along as it is' : 'are copied along as they are'}`]
			: []),
		release.digest === source.digest
			? `the release stays as it is, at ${publishedRelease(subject)}`
			: `the release becomes ${publishedRelease(subject)}`,
		...(release.removed.length > 0 ? [`it loses ${lossText(release.removed)}`] : []),
	];
	return `${parts.join('; ')}.`;
}

function undoHeadline({ plan, finishedAt, notes }: UndoSubject): string {
	const what = `Tags go back to where they were before the run of plan ${plan}, which ended at ${finishedAt}. What was copied stays.`;
	return [what, ...notes].join(' ');
}

/** What a plan says of itself, in one sentence. */
export function planHeadline({ subject }: Pick<Plan, 'subject'>): string {
	return subject.kind === 'undo' ? undoHeadline(subject) : pruneHeadline(subject);
}

/** Where the version stays, and what becomes of it where it does not. */
export function versionText({ from, to }: PruneSubject['version']): string {
	return from === to ? `${from}, kept` : `${from} becomes ${to}`;
}

function amountText({ count, bytes }: Amount): string {
	return count === 0 ? '0' : `${count} (${formatBytes(bytes)})`;
}

/** How much of every kind goes where, with a row of headings. */
export function targetRows({ targets }: PlanSummary): readonly (readonly string[])[] {
	const isSparse = targets.some(({ left }) => left > 0);
	return [
		[
			...['to', 'blobs copied', 'blobs made', 'indexes', 'images'],
			...(isSparse ? ['listed, not copied'] : []),
			'tags',
		],
		...targets.map((target) => [
			target.repository,
			amountText({ count: target.blobs, bytes: target.blobBytes }),
			amountText({ count: target.uploads, bytes: target.uploadBytes }),
			String(target.indexes),
			String(target.images),
			...(isSparse ? [String(target.left)] : []),
			String(target.tags),
		]),
	];
}

export const tagChanges: Readonly<Record<PlannedTag['change'], string>> = {
	create: 'new',
	move: 'moved',
	remove: 'removed',
	none: 'unchanged',
};

/** What running the plan would cost now, one line a kind. */
export function estimateLines(estimate: Estimate): readonly string[] {
	const { present, mountable, toCopy, toUpload, manifests, requests } = estimate;
	const line = (what: string, { count, bytes }: Amount) =>
		count === 0 ? [] : [`${what}: ${formatCount(count, 'blob')}, ${formatBytes(bytes)}`];
	const toSend = [...line('to copy', toCopy), ...line('made here, to upload', toUpload)];
	return [
		...(toSend.length > 0 ? toSend : ['to copy: nothing']),
		...line('mounted within the registry, not sent', mountable),
		...line('there already', present),
		`manifests: ${manifests.toPush} to push, ${manifests.present} there already`,
		`about ${formatCount(requests, 'request')} to the target`,
	];
}
