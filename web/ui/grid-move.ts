/** Where a key leads in a grid (ARIA Authoring Practices, grid pattern: data grids). */

export interface GridPosition {
	readonly row: number;
	readonly column: number;
}

export interface GridSize {
	readonly rows: number;
	readonly columns: number;
}

const page = 10;

function clamp(value: number, count: number): number {
	return Math.min(Math.max(value, 0), count - 1);
}

/** The position after a key; undefined for keys that do not move. Nothing wraps around. */
export function moveInGrid(
	{ row, column }: GridPosition,
	{ key, ctrlKey }: { readonly key: string; readonly ctrlKey: boolean },
	{ rows, columns }: GridSize,
): GridPosition | undefined {
	const to = (toRow: number, toColumn: number) => ({
		row: clamp(toRow, rows),
		column: clamp(toColumn, columns),
	});
	switch (key) {
		case 'ArrowUp':
			return to(row - 1, column);
		case 'ArrowDown':
			return to(row + 1, column);
		case 'ArrowLeft':
			return to(row, column - 1);
		case 'ArrowRight':
			return to(row, column + 1);
		case 'PageUp':
			return to(row - page, column);
		case 'PageDown':
			return to(row + page, column);
		case 'Home':
			return to(ctrlKey ? 0 : row, 0);
		case 'End':
			return to(ctrlKey ? rows : row, columns);
		default:
			return undefined;
	}
}
