/** The orders in which rows can be shown. */
import { statuses, type ComponentCoverage } from './coverage.ts';

export const sortKeys = ['problems', 'name', 'built', 'size', 'unique', 'used'] as const;
export type SortKey = (typeof sortKeys)[number];

export interface Sort {
	readonly by: SortKey;
	readonly descending: boolean;
}

/** Problems first. */
export const defaultSort: Sort = { by: 'problems', descending: false };

export function formatSort({ by, descending }: Sort): string {
	return descending ? `-${by}` : by;
}

export function parseSort(text: string): Sort | undefined {
	const by = sortKeys.find((key) => key === text.replace(/^-/, ''));
	return by && { by, descending: text.startsWith('-') };
}

/** Cells that are built, and cells that should be. */
export interface BuiltCount {
	readonly built: number;
	readonly expected: number;
}

export function countBuilt(rows: readonly ComponentCoverage[]): BuiltCount {
	const expected = rows.flatMap(({ cells }) => cells.filter((cell) => cell.expected));
	return {
		built: expected.filter(({ status }) => status === 'built').length,
		expected: expected.length,
	};
}

/** Gravest status first; among those, the more cells the earlier. */
function gravity({ worst, cells }: ComponentCoverage): number {
	const affected = cells.filter(({ status }) => status === worst).length;
	return statuses.indexOf(worst) * 1000 - (worst === 'built' ? 0 : affected);
}

function measure(
	key: SortKey,
	row: ComponentCoverage,
	usedIn: (row: ComponentCoverage) => number,
): number {
	switch (key) {
		case 'problems':
			return gravity(row);
		case 'name':
			return 0;
		case 'built':
			return countBuilt([row]).built;
		case 'size':
			return row.sizeBytes;
		case 'unique':
			return row.uniqueBytes;
		case 'used':
			return usedIn(row);
	}
}

/** Rows that are equal keep the order of their names. */
export function sortRows(
	rows: readonly ComponentCoverage[],
	{ by, descending }: Sort,
	usedIn: (row: ComponentCoverage) => number = () => 0,
): readonly ComponentCoverage[] {
	const direction = descending ? -1 : 1;
	const byName = (a: ComponentCoverage, b: ComponentCoverage) =>
		a.component.name < b.component.name ? -1 : Number(a.component.name > b.component.name);
	const measured = new Map(rows.map((row) => [row, measure(by, row, usedIn)]));
	return rows.toSorted((a, b) => {
		const difference = (measured.get(a) ?? 0) - (measured.get(b) ?? 0);
		if (by === 'name') return direction * byName(a, b);
		return direction * difference || byName(a, b);
	});
}
