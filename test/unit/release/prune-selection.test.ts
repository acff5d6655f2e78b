import { describe, expect, it } from 'vitest';
import { parsePlatform, type PlatformKey } from '../../../shared/oci/platform.ts';
import { assessCoverage, type Coverage } from '../../../shared/release/coverage.ts';
import {
	dropsChild,
	selectCells,
	type PruneSelection,
	type Selected,
} from '../../../shared/release/prune-selection.ts';
import { entryOf, linux, ReleaseMaker, type MadeImage } from '../../support/release-maker.ts';

const platform = (text: string): PlatformKey => parsePlatform(text)!;

const nothing: PruneSelection = {
	preset: { kind: 'none' },
	components: [],
	exclude: [],
	toggled: [],
};
const placeholders: PruneSelection = { ...nothing, preset: { kind: 'placeholders' } };

function keeping(...platforms: string[]): PruneSelection {
	return { ...nothing, preset: { kind: 'platforms', keep: platforms.map(platform) } };
}

function textOf({ dropped }: Selected): Record<string, string> {
	return Object.fromEntries(
		[...dropped].map(([name, platforms]) => [
			name,
			[...platforms].map((each) => each.replace('linux/', '')).join(' '),
		]),
	);
}

/** `aws` stands on a placeholder for arm64, `etcd` is built, `gap` lacks arm64, `more` has s390x besides. */
async function coverageOf(
	change: (maker: ReleaseMaker, pods: readonly MadeImage[]) => void = () => undefined,
) {
	const maker = new ReleaseMaker(['amd64', 'arm64']);
	const pods = maker.addBuilt('pod');
	maker.add('aws-driver', [
		entryOf(maker.image('aws', linux('amd64'))),
		entryOf(pods[1]!, { platform: linux('arm64') }),
	]);
	maker.addBuilt('etcd');
	maker.add('gap', [entryOf(maker.image('gap', linux('amd64')))]);
	maker.add(
		'more',
		['amd64', 'arm64', 's390x'].map((each) => entryOf(maker.image('more', linux(each)))),
	);
	change(maker, pods);
	await maker.finish();
	return assessCoverage(await maker.read());
}

describe('choosing what goes', () => {
	it('drops nothing by itself', async () => {
		const selected = selectCells(await coverageOf(), nothing);
		expect(selected).toEqual({
			dropped: new Map(),
			placeholders: new Map(),
			shadowed: new Map(),
			release: new Set(),
			emptied: [],
			undecided: new Map(),
		});
	});

	it('drops placeholders, and leaves the release its platforms', async () => {
		const selected = selectCells(await coverageOf(), placeholders);
		expect(textOf(selected)).toEqual({ 'aws-driver': 'arm64' });
		expect(selected.release.size).toBe(0);
	});

	it('keeps only some platforms everywhere, the release included', async () => {
		const selected = selectCells(await coverageOf(), keeping('amd64'));
		expect(textOf(selected)).toEqual({
			pod: 'arm64',
			'aws-driver': 'arm64',
			etcd: 'arm64',
			more: 'arm64 s390x',
		});
		expect([...selected.release]).toEqual(['linux/arm64']);
	});

	it('keeps them for the named components alone, and the release as it is', async () => {
		const selection = { ...keeping('amd64'), components: ['aws-*', 'etcd'] };
		const selected = selectCells(await coverageOf(), selection);
		expect(textOf(selected)).toEqual({ 'aws-driver': 'arm64', etcd: 'arm64' });
		expect(selected.release.size).toBe(0);
	});

	it('leaves excluded components alone, switched cells too', async () => {
		const selected = selectCells(await coverageOf(), {
			...keeping('amd64'),
			exclude: ['aws-*', 'pod', 'more'],
			toggled: [{ component: 'aws-driver', platform: platform('amd64') }],
		});
		expect(textOf(selected)).toEqual({ etcd: 'arm64' });
	});

	it('switches single cells against the preset, both ways', async () => {
		const selected = selectCells(await coverageOf(), {
			...placeholders,
			toggled: [
				{ component: 'aws-driver', platform: platform('arm64') },
				{ component: 'etcd', platform: platform('amd64') },
			],
		});
		expect(textOf(selected)).toEqual({ etcd: 'amd64' });
	});

	it('cannot drop what is not listed', async () => {
		const selected = selectCells(await coverageOf(), {
			...nothing,
			toggled: [
				{ component: 'gap', platform: platform('arm64') },
				{ component: 'gap', platform: platform('s390x') },
				{ component: 'unknown', platform: platform('arm64') },
			],
		});
		expect(selected.dropped.size).toBe(0);
	});

	it('names the components that would lose everything', async () => {
		const selected = selectCells(await coverageOf(), keeping('s390x'));
		expect(selected.emptied).toEqual(['pod', 'aws-driver', 'etcd', 'gap']);
		const spared = selectCells(await coverageOf(), {
			...keeping('s390x'),
			exclude: ['pod', 'aws-driver', 'gap'],
		});
		expect(spared.emptied).toEqual(['etcd']);
	});

	it('drops of a platform the placeholder alone, but all of it where that was switched', async () => {
		const digests: string[] = [];
		const coverage = await coverageOf((maker, [, pod]) => {
			const built = maker.image('late', linux('arm64'));
			maker.add(
				'late',
				[pod!, built].map((image) => entryOf(image)),
			);
			digests.push(pod!.manifest.digest, built.manifest.digest);
		});
		const goes = (selection: PruneSelection) => {
			const selected = selectCells(coverage, selection);
			const arm64 = digests.map((digest) => ({ digest, platform: platform('arm64') }));
			return arm64.map((child) => dropsChild(selected, 'late', child));
		};
		expect(goes(placeholders)).toEqual([true, false]);
		expect(selectCells(coverage, placeholders).emptied).toEqual([]);
		const toggled = [{ component: 'late', platform: platform('arm64') }];
		expect(goes({ ...placeholders, toggled })).toEqual([false, false]);
		expect(goes({ ...nothing, toggled })).toEqual([true, true]);
		expect(goes(keeping('amd64'))).toEqual([true, true]);
		const [digest = ''] = digests;
		const selected = selectCells(coverage, keeping('amd64'));
		expect(selected.emptied).toEqual(['late']);
		expect(dropsChild(selected, 'late', { digest, platform: undefined })).toBe(false);
		expect(dropsChild(selected, 'unknown', { digest, platform: platform('arm64') })).toBe(false);
	});

	it('tells for which cells it could not decide', async () => {
		const read = async (selection: PruneSelection) => {
			const maker = new ReleaseMaker(['amd64', 'arm64']);
			maker.addBuilt('pod');
			const [image] = maker.addBuilt('etcd');
			maker.registries.fail(maker.part(image!.manifest), {
				code: 'denied',
				origin: 'registry',
				reason: 'No.',
			});
			await maker.finish();
			const coverage: Coverage = assessCoverage(await maker.read());
			return selectCells(coverage, selection).undecided;
		};
		expect(await read(placeholders)).toEqual(new Map([['etcd', ['linux/amd64']]]));
		expect(await read(nothing)).toEqual(new Map());
		expect(await read({ ...placeholders, exclude: ['etcd'] })).toEqual(new Map());
	});
});
