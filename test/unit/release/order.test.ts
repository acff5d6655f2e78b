import { describe, expect, it } from 'vitest';
import { assessCoverage } from '../../../shared/release/coverage.ts';
import {
	countBuilt,
	defaultSort,
	formatSort,
	parseSort,
	sortKeys,
	sortRows,
	type Sort,
} from '../../../shared/release/order.ts';
import { contentOf, entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';

async function rowsOfFive() {
	const maker = new ReleaseMaker();
	const pods = maker.addBuilt('pod');
	maker.add('lost', []);
	const big = contentOf('application/vnd.oci.image.layer.v1.tar+gzip', 'x'.repeat(9000));
	maker.add('big', [
		entryOf(maker.image('big', linux('amd64'), { layers: [big] })),
		entryOf(maker.image('big', linux('arm64'))),
	]);
	maker.add('half', [entryOf(maker.image('half', linux('amd64')))]);
	maker.add('aws', [entryOf(maker.image('aws', linux('amd64'))), entryOf(pods[1]!)]);
	await maker.finish();
	return assessCoverage(await maker.read()).components;
}
const five = await rowsOfFive();
const used: Readonly<Record<string, number>> = { aws: 1, big: 1, half: 3, lost: 0, pod: 2 };

function order(sort: Sort): string {
	return sortRows(five, sort, ({ component }) => used[component.name] ?? 0)
		.map(({ component }) => component.name)
		.join(' ');
}

describe('the order of rows', () => {
	it.each<[string, string]>([
		['problems', 'lost half aws big pod'],
		['-problems', 'big pod aws half lost'],
		['name', 'aws big half lost pod'],
		['-name', 'pod lost half big aws'],
		['built', 'lost aws half big pod'],
		['-built', 'big pod aws half lost'],
		['used', 'lost aws big pod half'],
		['-used', 'half pod aws big lost'],
	])('by %s is %s', (text, names) => {
		expect(order(parseSort(text)!)).toBe(names);
	});

	it.each(['-size', '-unique'])('by %s begins with the largest', (text) => {
		expect(order(parseSort(text)!)).toMatch(/^big .* lost$/);
	});

	it('does not change the rows that it is given', () => {
		const before = [...five];
		sortRows(five, { by: 'name', descending: true });
		expect(five).toEqual(before);
	});

	it('is read as it is printed', () => {
		for (const by of sortKeys) {
			for (const descending of [false, true]) {
				expect(parseSort(formatSort({ by, descending }))).toEqual({ by, descending });
			}
		}
		expect(formatSort(defaultSort)).toBe('problems');
	});

	it.each(['', '-', '--name', 'colour', 'Name'])('is not read from %j', (text) => {
		expect(parseSort(text)).toBeUndefined();
	});

	it('counts as built what is built of what is expected', () => {
		expect(countBuilt(five)).toEqual({ built: 6, expected: 10 });
		expect(countBuilt([])).toEqual({ built: 0, expected: 0 });
	});
});
