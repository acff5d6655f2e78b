import { describe, expect, it } from 'vitest';
import { moveInGrid } from '../../../web/ui/grid-move.ts';

const size = { rows: 30, columns: 5 };

describe('a key in the grid', () => {
	it.each([
		['ArrowUp', [5, 2], [4, 2]],
		['ArrowDown', [5, 2], [6, 2]],
		['ArrowLeft', [5, 2], [5, 1]],
		['ArrowRight', [5, 2], [5, 3]],
		['PageUp', [15, 2], [5, 2]],
		['PageDown', [15, 2], [25, 2]],
		['Home', [5, 2], [5, 0]],
		['End', [5, 2], [5, 4]],
		['Ctrl+Home', [5, 2], [0, 0]],
		['Ctrl+End', [5, 2], [29, 4]],
		['ArrowUp', [0, 2], [0, 2]],
		['ArrowDown', [29, 2], [29, 2]],
		['ArrowLeft', [5, 0], [5, 0]],
		['ArrowRight', [5, 4], [5, 4]],
		['PageUp', [3, 2], [0, 2]],
		['PageDown', [25, 2], [29, 2]],
		['ArrowDown', [90, 9], [29, 4]],
	] as const)('%s leads from %j to %j', (keys, [row, column], [toRow, toColumn]) => {
		const event = { key: keys.replace('Ctrl+', ''), ctrlKey: keys.startsWith('Ctrl+') };
		expect(moveInGrid({ row, column }, event, size)).toEqual({ row: toRow, column: toColumn });
	});

	it.each(['Enter', 'Tab', ' ', 'a', 'Escape'])('%j leads nowhere', (key) => {
		expect(moveInGrid({ row: 1, column: 1 }, { key, ctrlKey: false }, size)).toBeUndefined();
	});
});
