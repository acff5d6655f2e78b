/** How statuses are called and drawn: a glyph for each, so that colour is never the only sign. */
import { isUncompared, type Cell, type Status } from '../../shared/release/coverage.ts';

/** One line beside the glyph, as short as can be. */
export function cellNote({ status, placeholderOf, problem, pending }: Cell): string {
	if (pending) return '';
	switch (status) {
		case 'built':
		case 'exempt':
			return '';
		case 'placeholder':
			return placeholderOf ?? '';
		case 'broken':
			return problem?.status ? String(problem.status) : 'broken';
		case 'unchecked':
			return problem?.status ? String(problem.status) : '';
		case 'missing':
		case 'mismatch':
		case 'extra':
			return status;
	}
}

/** What a screen reader says of a cell. */
export function cellName(component: string, cell: Cell): string {
	const status = cell.pending ? 'not read yet' : cell.status;
	const compared = isUncompared(cell) ? ', platform not compared yet' : '';
	const note = cellNote(cell);
	// What is written in a cell is part of its name (WCAG 2.5.3).
	const detail = cell.placeholderOf
		? ` of ${cell.placeholderOf}`
		: note && note !== status
			? ` ${note}`
			: '';
	return `${component}, ${cell.platform.replace('/', ' ')}: ${status}${detail}${compared}`;
}

/** The order of the legend: what is well first. */
export const legendOrder: readonly Status[] = [
	'built',
	'placeholder',
	'missing',
	'broken',
	'mismatch',
	'extra',
	'unchecked',
	'exempt',
];
