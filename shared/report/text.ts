/** Coverage for a terminal. */
import { statuses } from '../release/coverage.ts';
import type { CoverageReport } from './coverage-report.ts';
import { printable } from './printable.ts';
import { formatDay } from './units.ts';

/** Rows as columns of equal width; the first row says how many there are. */
export function table(rows: readonly (readonly string[])[]): string[] {
	const widths =
		rows[0]?.map((_, column) =>
			rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
		) ?? [];
	return rows.map((row) =>
		row
			.map((cell, column) => cell.padEnd(widths[column] ?? 0))
			.join('  ')
			.trimEnd(),
	);
}

function agreement(payloads: CoverageReport['release']['payloads']): string {
	switch (payloads) {
		case 'single':
			return '';
		case 'agree':
			return ', payloads agree';
		case 'same-components':
			return ', payloads name the same components but differ in other files';
		case 'differ':
			return ', PAYLOADS DIFFER';
		case 'unchecked':
			return ', payloads could not be compared';
	}
}

/** Why something is not simply there, once where it is the same for several platforms. Placeholders explain themselves. */
function reasonLines({ name, platforms }: CoverageReport['components'][number]): readonly string[] {
	const platformsOf = new Map<string, string[]>();
	for (const { platform, status, reason } of platforms) {
		if (!reason || status === 'placeholder' || status === 'missing' || status === 'extra') continue;
		platformsOf.set(reason, [...(platformsOf.get(reason) ?? []), platform]);
	}
	return [...platformsOf].map(([reason, where]) => `${name} (${where.join(', ')}): ${reason}`);
}

/** Where components were read, where that was at mirrors: a line for each. */
export function mirrorLines({ components }: CoverageReport): readonly string[] {
	const counts = new Map<string, number>();
	for (const { readFrom } of components) {
		if (readFrom) counts.set(readFrom, (counts.get(readFrom) ?? 0) + 1);
	}
	return [...counts].map(
		([place, count]) => `${count} of ${components.length} components were read at ${place}`,
	);
}

/** Release facts, totals, and every component that is not simply built. */
export function coverageText(report: CoverageReport, verdict: string): string {
	const { release, totals, components } = report;
	const platforms = totals.platforms.map(({ platform }) => platform);
	const affected = components.filter(({ platforms: cells }) =>
		cells.some(({ status }) => status !== 'built'),
	);
	const counted = statuses.filter((status) => totals.cells[status] > 0);
	const facts = [
		[
			'Release',
			`${release.name}${release.created ? `, created ${formatDay(release.created)}` : ''}`,
		],
		['Reference', release.reference],
		['Digest', release.digest],
		['Platforms', `${release.platforms.join(', ')}${agreement(release.payloads)}`],
		['Manifests', String(release.manifests)],
		['Upgrades from', `${release.previous.length} versions`],
	];
	const lines = [
		...table(facts),
		...mirrorLines(report).map((line) => `Mirror: ${line}.`),
		...release.findings.map((finding) => `Note: ${finding}`),
		'',
		verdict,
		'',
		...table([
			['', ...counted],
			...totals.platforms.map(({ platform, cells }) => [
				platform,
				...counted.map((status) => String(cells[status])),
			]),
		]),
	];
	if (affected.length > 0) {
		const rows = affected.map(({ name, platforms: cells }) => [
			name,
			...platforms.map(
				(platform) => cells.find((cell) => cell.platform === platform)?.status ?? '-',
			),
		]);
		lines.push('', ...table([['Component', ...platforms], ...rows]));
	}
	const reasons = affected.flatMap(reasonLines);
	if (reasons.length > 0) lines.push('', ...reasons);
	return `${lines.map((line) => printable(line)).join('\n')}\n`;
}
