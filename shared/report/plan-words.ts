/** A plan in words and rows: what its printed forms have in common. */
import { publishedRelease } from '../plan/next-steps.ts';
import type { Amount, Estimate } from '../plan/estimate.ts';
import type { Plan } from '../plan/plan.ts';
import type { PlannedTag, PlanSummary } from '../plan/summary.ts';
import type { PruneSubject, UndoSubject } from '../plan/subject.ts';
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

/** The components whose index changes; the others of a plan are copied along as they are. */
export function changedComponents({ components }: PruneSubject): PruneSubject['components'] {
	return components.filter(({ removed }) => removed.length > 0);
}

function pruneHeadline(subject: PruneSubject): string {
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
	return [
		['to', 'blobs copied', 'blobs made', 'indexes', 'images', 'tags'],
		...targets.map((target) => [
			target.repository,
			amountText({ count: target.blobs, bytes: target.blobBytes }),
			amountText({ count: target.uploads, bytes: target.uploadBytes }),
			String(target.indexes),
			String(target.images),
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
