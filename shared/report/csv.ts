/** Coverage as CSV (RFC 4180), one line for each component and platform. */
import type { CoverageReport } from './coverage-report.ts';
import { printableLines } from './printable.ts';

/** Quotes where needed, and disarms what a spreadsheet would take for a formula. */
export function csvField(value: string): string {
	const shown = printableLines(value);
	const disarmed = /^[=+\-@\t\r]/.test(shown) ? `'${shown}` : shown;
	return /[",\r\n]/.test(disarmed) ? `"${disarmed.replaceAll('"', '""')}"` : disarmed;
}

const header = [
	'component',
	'platform',
	'status',
	'digest',
	'size',
	'placeholderOf',
	'reason',
	'reference',
	'readFrom',
];

export function coverageCsv(report: CoverageReport): string {
	const rows = report.components.flatMap(({ name, reference, platforms }) =>
		platforms.map((cell) => [
			name,
			cell.platform,
			cell.status,
			cell.digest ?? '',
			cell.size === undefined ? '' : String(cell.size),
			cell.placeholderOf ?? '',
			cell.reason ?? '',
			reference,
			cell.readFrom ?? '',
		]),
	);
	return [header, ...rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
}
