/** Plans for a terminal: what is written and where comes from the steps alone, and before what a plan says of itself. */
import { consequencesOf } from '../plan/consequences.ts';
import type { Estimate } from '../plan/estimate.ts';
import type { Plan } from '../plan/plan.ts';
import { summarize, type PlannedTag, type PlanSummary } from '../plan/summary.ts';
import type { PruneSubject } from '../plan/subject.ts';
import {
	changedComponents,
	estimateLines,
	leftOutText,
	lossText,
	planHeadline,
	sparseIndexes,
	tagChanges,
	targetRows,
	versionText,
} from './plan-words.ts';
import { copiedRows, lapsedRows } from './attachment-words.ts';
import { printable } from './printable.ts';
import { table } from './text.ts';
import { formatCount } from './units.ts';

/** A heading with what belongs to it, after an empty line; nothing where there is nothing. */
function section(title: string, lines: readonly string[]): readonly string[] {
	return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function tagLine({ repository, tag, from, to, change }: PlannedTag): readonly string[] {
	const where = from === 'absent' ? to : from === to ? to : `${from} → ${to}`;
	return [tagChanges[change], `${repository}:${tag}`, where];
}

const widestLine = 100;

/** Names on as many lines as they need: what is written or contacted is never cut. */
function wrapped(lead: string, names: readonly string[]): readonly string[] {
	const lines: string[] = [];
	let line = lead;
	for (const [at, name] of names.entries()) {
		const word = at < names.length - 1 ? `${name},` : name;
		if (line !== '' && line.length + word.length >= widestLine) {
			lines.push(line);
			line = word;
		} else line = line === '' ? word : `${line} ${word}`;
	}
	return [...lines, line];
}

/** New tags overwrite nothing: of many, the first and the most important are enough to see how they are called. */
const mostNewTags = 10;

/** For fewer, a line that says so is no shorter than they are. */
const fewestHidden = 5;

function foldable(tags: readonly PlannedTag[]): readonly PlannedTag[] {
	const found = tags
		.slice(0, -1)
		.filter(({ change }) => change === 'create')
		.slice(mostNewTags);
	return found.length < fewestHidden ? [] : found;
}

function tagLines(tags: readonly PlannedTag[], allTags: boolean): readonly string[] {
	const hidden = new Set(allTags ? [] : foldable(tags));
	const repositories = [...new Set(Array.from(hidden, ({ repository }) => repository))];
	return [
		...table(tags.filter((tag) => !hidden.has(tag)).map(tagLine)),
		...(hidden.size > 0
			? wrapped(`and ${formatCount(hidden.size, 'more new tag')} in`, repositories)
			: []),
	];
}

function writtenLines(summary: PlanSummary, allTags = false): readonly string[] {
	const { sources, registries, tags } = summary;
	return [
		...section('Writes', table(targetRows(summary))),
		...section('Reads from', sources),
		...section('Registries that are contacted', wrapped('', registries)),
		...section(`Tags, moved last (${tags.length})`, tagLines(tags, allTags)),
	];
}

function attachmentLines({ attachments }: PruneSubject): readonly string[] {
	if (!attachments) return [];
	const { copied, lapsed } = attachments;
	return [
		...section(
			`Attached, and copied along (${copied.length})`,
			table(copiedRows(attachments).slice(1)),
		),
		...section(
			`Attached to what is made anew, and not copied (${lapsed.reduce((sum, { count }) => sum + count, 0)})`,
			table(lapsedRows(attachments).slice(1)),
		),
	];
}

function pruneLines(subject: PruneSubject): readonly string[] {
	const { source, files, mentions, release } = subject;
	const changed = changedComponents(subject);
	const sparse = sparseIndexes(subject);
	const replacements = files.reduce((sum, file) => sum + file.replacements, 0);
	const { broken, intact, notes } = consequencesOf(subject);
	return [
		...section('Release', [
			...table([
				['from', source.reference],
				['digest', source.digest],
				['becomes', release.digest],
				['version', versionText(subject.version)],
			]),
			...(files.length > 0
				? [
						`${formatCount(replacements, 'pullspec')} replaced in ${formatCount(files.length, 'payload file')}`,
					]
				: []),
			...(mentions.length > 0
				? [`the old version is mentioned in ${formatCount(mentions.length, 'more place')}`]
				: []),
		]),
		...section(
			`Components that change (${changed.length})`,
			table(changed.map(({ name, removed }) => [name, `loses ${lossText(removed)}`])),
		),
		...section(
			`Listed, not copied (${sparse.length})`,
			table(sparse.map(({ name, left }) => [name, `without ${leftOutText(left)}`])),
		),
		...attachmentLines(subject),
		...section(
			'No longer holds',
			broken.map((sentence) => `- ${sentence}`),
		),
		...section(
			'Still holds',
			intact.map((sentence) => `- ${sentence}`),
		),
		...section(
			'To be known',
			notes.map((sentence) => `- ${sentence}`),
		),
	];
}

function print(lines: readonly string[]): string {
	return `${lines.map((line) => printable(line)).join('\n')}\n`;
}

/** What a plan writes and where, and nothing that it says of itself but its subject. */
export function writtenText(plan: Plan): string {
	return print([`Plan ${plan.id}`, planHeadline(plan), ...writtenLines(summarize(plan))]);
}

export interface PlanTextOptions {
	/** what running it would cost now */
	readonly estimate?: Estimate | undefined;
	/** every tag on a line of its own, however many there are */
	readonly allTags?: boolean;
}

/** All of a plan for people, fit for a terminal. */
export function planText(plan: Plan, { estimate, allTags }: PlanTextOptions = {}): string {
	const { id, subject } = plan;
	return print([
		`Plan ${id}`,
		planHeadline(plan),
		...writtenLines(summarize(plan), allTags),
		...(subject.kind === 'prune-release' ? pruneLines(subject) : []),
		...section('What it costs now', estimate ? estimateLines(estimate) : []),
	]);
}
