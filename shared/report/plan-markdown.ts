/** Plans as Markdown, for pull requests. */
import { consequencesOf } from '../plan/consequences.ts';
import type { Estimate } from '../plan/estimate.ts';
import type { Plan } from '../plan/plan.ts';
import { summarize, type PlanSummary } from '../plan/summary.ts';
import { modeOf, type PruneSubject } from '../plan/subject.ts';
import { copiedRows, lapsedRows } from './attachment-words.ts';
import { escape, row } from './markdown.ts';
import {
	estimateLines,
	leftOutText,
	lossText,
	planHeadline,
	sparseIndexes,
	tagChanges,
	targetRows,
	versionText,
} from './plan-words.ts';
import { printable } from './printable.ts';
import { formatCount } from './units.ts';

/** Longer lists are folded. */
const longestOpen = 12;

/** A stranger's words: no markup, no link, nobody is notified. */
function prose(text: string): string {
	return escape(text)
		.replaceAll('&', '&amp;')
		.replaceAll('://', ':\\//')
		.replace(/\b(www)\./gi, '$1\\.')
		.replace(/#(?=\w)/g, '\\#')
		.replace(/(?<!\w)@(?=\w)/g, '@<!-- -->')
		.replace(/^[-+=#]/, '\\$&')
		.replace(/^(\d+)([.)])(?=\s|$)/, '$1\\$2');
}

/** References, names and digests, verbatim wherever a code span can hold them. */
function code(text: string): string {
	const line = printable(text.replace(/\s+/g, ' '));
	return line === '' || line.trim() !== line || /[`|\\]/.test(line) ? prose(line) : `\`${line}\``;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
	return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

function folded(title: string, count: number, lines: readonly string[]): readonly string[] {
	if (count <= longestOpen) return ['', ...lines];
	return ['', `<details><summary>${title}</summary>`, '', ...lines, '', '</details>'];
}

/** Nothing at all where there is nothing to list. */
function listed(title: string, sentences: readonly string[]): readonly string[] {
	if (sentences.length === 0) return [];
	return ['', `### ${title}`, '', ...sentences.map((sentence) => `- ${prose(sentence)}`)];
}

function written(summary: PlanSummary): readonly string[] {
	const { sources, registries, tags } = summary;
	const [head = [], ...rows] = targetRows(summary);
	const tagRows = tags.map(({ repository, tag, from, to, change }) => [
		code(`${repository}:${tag}`),
		tagChanges[change],
		from === 'absent' ? 'absent' : code(from),
		to === 'absent' ? 'absent' : code(to),
	]);
	return [
		'',
		'### What is written',
		'',
		...tableOf(
			head,
			rows.map(([repository = '', ...counts]) => [code(repository), ...counts]),
		),
		'',
		...(sources.length > 0 ? [`- read from: ${sources.map(code).join(', ')}`] : []),
		`- registries: ${registries.map(code).join(', ')}`,
		...folded(
			formatCount(tags.length, 'tag'),
			tags.length,
			tableOf(['tag', 'change', 'from', 'to'], tagRows),
		),
	];
}

function components({ components: changed }: PruneSubject): readonly string[] {
	if (changed.length === 0) return [];
	const rows = changed.map(({ name, from, to, removed }) => [
		code(name),
		prose(lossText(removed)) || 'nothing',
		code(from),
		code(to),
	]);
	const table = tableOf(['component', 'loses', 'from', 'to'], rows);
	const title = formatCount(changed.length, 'component');
	return ['', '### Components', ...folded(title, changed.length, table)];
}

function sparse(subject: PruneSubject): readonly string[] {
	const rows = sparseIndexes(subject).map(({ name, left }) => [
		code(name),
		prose(leftOutText(left)),
	]);
	if (rows.length === 0) return [];
	const lines = tableOf(['index', 'without'], rows);
	return [
		'',
		'### Listed, not copied',
		...folded(formatCount(rows.length, 'index', 'indexes'), rows.length, lines),
	];
}

function attached({ attachments }: PruneSubject): readonly string[] {
	if (!attachments) return [];
	const [copiedHead, ...copied] = copiedRows(attachments);
	const [lapsedHead, ...lapsed] = lapsedRows(attachments);
	const copiedTable = tableOf(
		copiedHead ?? [],
		copied.map(([count, type, to]) => [count, code(type), code(to)]),
	);
	const lapsedTable = tableOf(
		lapsedHead ?? [],
		lapsed.map(([count, type, of, digest]) => [count, code(type), prose(of), code(digest)]),
	);
	return [
		'',
		'### Attached to images',
		...(copied.length > 0 ? ['', ...copiedTable] : []),
		...(lapsed.length > 0
			? folded(`${lapsed.length} no longer apply`, lapsed.length, lapsedTable)
			: []),
	];
}

function payloadFiles({ files, mentions }: PruneSubject): readonly string[] {
	const fileRows = files.map(({ name, replacements }) => [code(name), String(replacements)]);
	const mentionRows = mentions.map(({ file, line, text, rewritten }) => [
		code(file),
		String(line),
		code(text.trim()),
		rewritten ? 'rewritten' : 'left as it is',
	]);
	return [
		...(files.length > 0
			? [
					'',
					'### Payload files with replaced pullspecs',
					...folded(
						formatCount(files.length, 'file'),
						files.length,
						tableOf(['file', 'pullspecs'], fileRows),
					),
				]
			: []),
		...(mentions.length > 0
			? [
					'',
					'### Where the payload mentions the old version',
					...folded(
						formatCount(mentions.length, 'place'),
						mentions.length,
						tableOf(['file', 'line', 'text', ''], mentionRows),
					),
				]
			: []),
	];
}

function pruned(subject: PruneSubject): readonly string[] {
	const { broken, intact, notes } = consequencesOf(subject);
	return [
		...components(subject),
		...sparse(subject),
		...attached(subject),
		...listed('No longer holds', broken),
		...listed('Still holds', intact),
		...listed('To be known', notes),
		...payloadFiles(subject),
	];
}

const verbs = { prune: 'Prune', sparse: 'Sparse copy of', whole: 'Copy of' } as const;

/** The facts at the top. */
function facts({ id, subject }: Plan): readonly string[] {
	if (subject.kind === 'undo') return [`- plan: ${code(id)}`, `- undoes: ${code(subject.plan)}`];
	const { source, release, choices, version } = subject;
	return [
		`- plan: ${code(id)}`,
		`- release: ${code(source.reference)}, ${code(source.digest)}`,
		`- becomes: ${code(choices.release)}, ${code(release.digest)}`,
		`- version: ${prose(versionText(version))}`,
	];
}

/** All of a plan, with everything that a stranger wrote as text. @param estimate what running it would cost now */
export function planMarkdown(plan: Plan, estimate?: Estimate): string {
	const { subject } = plan;
	return [
		subject.kind === 'undo'
			? '## Undo'
			: `## ${verbs[modeOf(subject)]} ${prose(subject.source.reference)}`,
		'',
		prose(planHeadline(plan)),
		'',
		...facts(plan),
		...written(summarize(plan)),
		...(subject.kind === 'prune-release' ? pruned(subject) : []),
		...listed('What it costs now', estimate ? estimateLines(estimate) : []),
		'',
	].join('\n');
}
