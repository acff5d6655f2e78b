import { describe, expect, it, vi } from 'vitest';
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { inflate } from '../../../web/api/inflate.ts';
import { assessCoverage } from '../../../shared/release/coverage.ts';
import {
	selectCells,
	type PruneSelection,
	type Selected,
} from '../../../shared/release/prune-selection.ts';
import { readRelease, startReading } from '../../../shared/release/read-release.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';
import {
	droppedSentence,
	leftOutSentence,
	pruneCells,
	toggleCell,
} from '../../../web/views/Release/prune-cells.ts';

const [amd64, arm64] = [parsePlatform('linux/amd64')!, parsePlatform('linux/arm64')!];
const selection: PruneSelection = {
	preset: { kind: 'placeholders' },
	components: [],
	exclude: ['aws-*'],
	toggled: [],
};

function selected(dropped: Record<string, readonly (typeof amd64)[]>, release = [] as const) {
	const sets = Object.entries(dropped).map(([name, keys]) => [name, new Set(keys)] as const);
	return {
		dropped: new Map(sets),
		release: new Set(release),
		placeholders: new Map(),
		emptied: [],
		undecided: new Map(),
		shadowed: new Map(),
	} satisfies Selected;
}

describe('cells that are switched', () => {
	it('switches one against the preset, and back', () => {
		const once = toggleCell(selection, 'etcd', arm64);
		expect(once.toggled).toEqual([{ component: 'etcd', platform: arm64 }]);
		const two = toggleCell(once, 'etcd', amd64);
		expect(toggleCell(two, 'etcd', arm64).toggled).toEqual([
			{ component: 'etcd', platform: amd64 },
		]);
	});

	it('tells what is dropped, what is left alone, and hands on the new selection', () => {
		const onselection = vi.fn();
		const cells = pruneCells(selection, selected({ etcd: [arm64] }), onselection);
		expect(cells.isDropped('etcd', arm64)).toBe(true);
		expect(cells.isDropped('etcd', amd64)).toBe(false);
		expect(cells.isDropped('cli', arm64)).toBe(false);
		expect(cells.isLeftAlone('aws-driver')).toBe(true);
		expect(cells.isLeftAlone('etcd')).toBe(false);
		cells.toggle('etcd', arm64);
		expect(onselection).toHaveBeenCalledWith(toggleCell(selection, 'etcd', arm64));
	});
});

describe('what is dropped, in a sentence', () => {
	it.each([
		[selected({}), 'Nothing is dropped yet; the release keeps linux/amd64, linux/arm64.'],
		[
			selected({ etcd: [arm64], cli: [] }),
			'1 child of 1 component is dropped; the release keeps linux/amd64, linux/arm64.',
		],
		[
			selected({ etcd: [amd64, arm64] }),
			'2 children of 1 component are dropped; the release keeps linux/amd64, linux/arm64.',
		],
		[
			{ ...selected({ etcd: [arm64], cli: [arm64] }), release: new Set([arm64]) },
			'2 children of 2 components are dropped; the release keeps linux/amd64.',
		],
		[
			{ ...selected({}), release: new Set([amd64, arm64]) },
			'Nothing is dropped yet; the release keeps no platform.',
		],
	])('%#', (given, sentence) => expect(droppedSentence(given, [amd64, arm64])).toBe(sentence));
});

describe('what a sparse copy leaves out, in a sentence', () => {
	async function sentenceOf(given: PruneSelection): Promise<string> {
		const maker = new ReleaseMaker(['amd64', 'arm64']);
		const pods = maker.addBuilt('pod');
		maker.add('aws', [
			entryOf(maker.image('aws', linux('amd64'))),
			...pods.slice(1).map((pod) => entryOf(pod)),
		]);
		maker.addBuilt('etcd');
		await maker.finish();
		const reading = startReading({ ...maker.release, tag: '1' });
		const tools = { registries: maker.registries, inflate };
		for await (const _ of readRelease(tools, reading)) continue;
		const coverage = assessCoverage(reading);
		return leftOutSentence(coverage, selectCells(coverage, given), [amd64, arm64]);
	}
	const all = { ...selection, exclude: [] };

	it('counts no placeholders, which the pod image brings along', async () => {
		expect(await sentenceOf(all)).toMatch(
			/^Nothing is left out; .* 1 chosen child is copied all the same/,
		);
	});

	it('counts all that goes from every component', async () => {
		const preset = { kind: 'platforms', keep: [amd64] } as const;
		expect(await sentenceOf({ ...all, preset })).toMatch(
			/^3 children of 3 components are left out, but still listed; [^.]*\.$/,
		);
	});
});
