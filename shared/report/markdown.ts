/** Coverage as Markdown, for issues and pull requests: what is not built, component by component. */
import { statuses, statusMeanings, type Status } from '../release/coverage.ts';
import type { CoverageReport } from './coverage-report.ts';
import { printable } from './printable.ts';
import { mirrorLines } from './text.ts';

/** Text from payloads inside a Markdown table: no cell ends early, nothing becomes markup. */
export function escape(text: string): string {
	return printable(text.replace(/\s+/g, ' ')).replace(/[\\`*_[\]<>|~]/g, '\\$&');
}

export function row(cells: readonly string[]): string {
	return `| ${cells.join(' | ')} |`;
}

function worst(report: CoverageReport['components'][number]): Status {
	return (
		statuses.find((status) => report.platforms.some((cell) => cell.status === status)) ?? 'built'
	);
}

function problemTable(report: CoverageReport): readonly string[] {
	const platforms = report.totals.platforms.map(({ platform }) => platform);
	const affected = report.components.filter((component) => worst(component) !== 'built');
	if (affected.length === 0) return [];
	return [
		'',
		row(['component', ...platforms.map(escape)]),
		row(platforms.map(() => '---').concat('---')),
		...affected.map(({ name, platforms: cells }) =>
			row([
				escape(name),
				...platforms.map((platform) => {
					const cell = cells.find((candidate) => candidate.platform === platform);
					if (!cell) return '';
					return cell.placeholderOf
						? `${cell.status} (${escape(cell.placeholderOf)})`
						: cell.status;
				}),
			]),
		),
	];
}

export function coverageMarkdown(report: CoverageReport, verdict: string): string {
	const { release, totals } = report;
	const counts = statuses.filter((status) => totals.cells[status] > 0);
	return [
		`## Coverage of ${escape(release.name)}`,
		'',
		escape(verdict),
		'',
		`- reference: ${escape(release.reference)}`,
		`- digest: \`${release.digest}\``,
		`- platforms: ${release.platforms.map(escape).join(', ')}`,
		...mirrorLines(report).map((line) => `- mirror: ${escape(line)}`),
		...release.findings.map((finding) => `- note: ${escape(finding)}`),
		'',
		row(['platform', ...counts]),
		row(['---', ...counts.map(() => '---:')]),
		...totals.platforms.map(({ platform, cells }) =>
			row([escape(platform), ...counts.map((status) => String(cells[status]))]),
		),
		...problemTable(report),
		'',
		...counts
			.filter((status) => status !== 'built')
			.map((status) => `- *${status}*: ${statusMeanings[status]}`),
		'',
	].join('\n');
}
