import { beforeEach, describe, expect, it, vi } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';
import '../../web/ui/tokens.css';
import type { Column } from '../../shared/link/route.ts';
import { parsePlatform } from '../../shared/oci/platform.ts';
import { assessCoverage, type Coverage } from '../../shared/release/coverage.ts';
import type { Sort } from '../../shared/release/order.ts';
import Matrix from '../../web/views/Release/Matrix.svelte';
import { releaseOfAllStatuses } from './app-page.ts';

let coverage: Coverage;
beforeEach(async () => {
	const maker = releaseOfAllStatuses(
		Array.from({ length: 24 }, (_, at) => `built-${String(at).padStart(2, '0')}`),
	);
	await maker.finish();
	coverage = assessCoverage(await maker.read());
});

const onselect = vi.fn();
const onsort = vi.fn();
const onbusy = vi.fn();
beforeEach(() => vi.clearAllMocks());

async function show(options: { columns?: readonly Column[]; sort?: Sort } = {}) {
	return render(Matrix, {
		rows: coverage.components,
		dimmed: undefined,
		coverage,
		columns: options.columns,
		sort: options.sort ?? { by: 'problems', descending: false },
		isReading: false,
		isHeld: false,
		selected: undefined,
		usedIn: () => 2,
		linkTo: (component: string) => `#/${component}`,
		onsort,
		onselect,
		onbusy,
	});
}

/** Where the keyboard is, as `row,column`. */
function position(): string {
	const { row, column } = (document.activeElement as HTMLElement).dataset;
	return `${row},${column}`;
}

function grid(): HTMLElement {
	return page.getByRole('grid').element() as HTMLElement;
}

describe('the matrix, by keyboard', () => {
	it('is one tab stop, on the first name', async () => {
		await show();
		expect(grid().querySelectorAll('[tabindex="0"]')).toHaveLength(1);
		(grid().querySelector('[tabindex="0"]') as HTMLElement).focus();
		expect(position()).toBe('0,0');
		await userEvent.keyboard('{ArrowDown}{ArrowRight}');
		expect(grid().querySelectorAll('[tabindex="0"]')).toHaveLength(1);
	});

	it.each([
		['{ArrowRight}', '0,1'],
		['{ArrowDown}{ArrowDown}{ArrowUp}', '1,0'],
		['{ArrowRight}{ArrowRight}{ArrowLeft}', '0,1'],
		['{ArrowUp}{ArrowLeft}', '0,0'],
		['{End}', '0,8'],
		['{End}{Home}', '0,0'],
		['{Control>}{End}{/Control}', '27,8'],
		['{Control>}{End}{Home}{/Control}', '0,0'],
		['{PageDown}', '10,0'],
		['{PageDown}{PageDown}{PageDown}', '27,0'],
		['{PageDown}{PageUp}', '0,0'],
	])('%s leads to %s', async (keys, expected) => {
		await show();
		(grid().querySelector('[data-row="0"][data-column="0"]') as HTMLElement).focus();
		for (const key of keys.match(/\{[^}]*\}/g) ?? []) {
			await userEvent.keyboard(keys.includes('Control') ? keys : key);
			if (keys.includes('Control')) break;
		}
		await vi.waitFor(() => expect(position()).toBe(expected));
	});

	it('opens the details of the row with Enter, on a name and on a cell', async () => {
		await show();
		(grid().querySelector('[data-row="2"][data-column="0"]') as HTMLElement).focus();
		await userEvent.keyboard('{Enter}');
		expect(onselect).toHaveBeenLastCalledWith('os-images');
		await userEvent.keyboard('{ArrowRight}');
		await vi.waitFor(() => expect(position()).toBe('2,1'));
		await userEvent.keyboard('{Enter}');
		expect(onselect).toHaveBeenCalledTimes(2);
		expect(onselect).toHaveBeenLastCalledWith('os-images');
	});

	it('says while somebody is at work in it', async () => {
		await show();
		const cell = grid().querySelector('[data-row="0"][data-column="0"]') as HTMLElement;
		cell.focus();
		expect(onbusy).toHaveBeenLastCalledWith(true);
		cell.blur();
		expect(onbusy).toHaveBeenLastCalledWith(false);
	});

	it('never hides the cell it is in under the fixed header, names or totals', async () => {
		await show();
		(grid().querySelector('[data-row="0"][data-column="0"]') as HTMLElement).focus();
		await userEvent.keyboard('{Control>}{End}{/Control}');
		await vi.waitFor(() => expect(position()).toBe('27,8'));
		const cell = document.activeElement!.getBoundingClientRect();
		const totals = grid().querySelector('tfoot td')!.getBoundingClientRect();
		expect(cell.bottom).toBeLessThanOrEqual(totals.top + 1);
	});
});

describe('the matrix, for screen readers', () => {
	it.each([
		'aws-driver, linux amd64: built',
		'aws-driver, linux arm64: placeholder of pod',
		'aws-driver, linux s390x: missing',
		'cli, linux arm64: broken',
		'cli, linux s390x: mismatch',
		'os-images, linux arm64: unchecked 429',
		'os-images, linux riscv64: extra',
		'cli, linux riscv64: not listed, not expected',
	])('has the cell “%s”', async (name) => {
		await show();
		await expect.element(page.getByRole('gridcell', { name, exact: true })).toBeInTheDocument();
	});

	it('says by what it is sorted, and in which direction', async () => {
		await show({ sort: { by: 'size', descending: true } });
		const sorted = [...grid().querySelectorAll('[aria-sort]')];
		expect(sorted.map((heading) => heading.getAttribute('aria-sort'))).toEqual(['descending']);
		expect(sorted[0]?.textContent).toContain('size');
	});

	it('counts its rows', async () => {
		await show();
		expect(grid().getAttribute('aria-rowcount')).toBe('30');
		const rows = [...grid().querySelectorAll('tbody tr')];
		expect(rows[0]?.getAttribute('aria-rowindex')).toBe('2');
	});
});

describe('the headings of the matrix', () => {
	it.each<[string, Sort, Sort | undefined]>([
		['Component', { by: 'problems', descending: false }, { by: 'name', descending: false }],
		['Component', { by: 'name', descending: false }, { by: 'name', descending: true }],
		['Component', { by: 'name', descending: true }, undefined],
		['size', { by: 'problems', descending: false }, { by: 'size', descending: true }],
		['size', { by: 'size', descending: true }, { by: 'size', descending: false }],
		['size', { by: 'size', descending: false }, undefined],
		['built', { by: 'name', descending: true }, { by: 'built', descending: false }],
	])('%s after %j sorts by %j', async (name, sort, next) => {
		await show({ sort });
		await page.getByRole('button', { name, exact: true }).click();
		expect(onsort).toHaveBeenLastCalledWith(next);
	});

	it('are those that were chosen, in canonical order', async () => {
		await show({ columns: ['size', parsePlatform('s390x')!, parsePlatform('amd64')!] });
		const headings = [...grid().querySelectorAll('thead th')].slice(1);
		expect(headings.map((heading) => heading.textContent.trim())).toEqual([
			'amd64',
			's390x',
			'size',
		]);
		expect(grid().querySelectorAll('tbody tr:first-child > *')).toHaveLength(4);
	});

	it('stand over totals of everything, filtered or not', async () => {
		await show();
		const totals = [...grid().querySelectorAll('tfoot td')].map((cell) => cell.textContent.trim());
		expect(totals.slice(0, 5)).toEqual(['28/28', '25/28', '26/28', '1 extra', '79/84']);
	});
});

describe('a row of the matrix', () => {
	it('is a real link, which opens elsewhere with a held key', async () => {
		await show();
		const link = page.getByRole('link', { name: 'cli' });
		await expect.element(link).toHaveAttribute('href', '#/cli');
		let isLeftToBrowser: boolean | undefined;
		const look = (event: Event) => {
			isLeftToBrowser = !event.defaultPrevented;
			// A new tab would be one more client of the test runner.
			event.preventDefault();
		};
		window.addEventListener('click', look, { once: true });
		const held = { bubbles: true, cancelable: true, ctrlKey: true };
		link.element().dispatchEvent(new MouseEvent('click', held));
		expect(isLeftToBrowser).toBe(true);
		expect(onselect).not.toHaveBeenCalled();
		await link.click();
		expect(onselect).toHaveBeenLastCalledWith('cli');
	});
});
