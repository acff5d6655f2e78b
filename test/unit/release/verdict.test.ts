import { describe, expect, it } from 'vitest';
import { assessCoverage } from '../../../shared/release/coverage.ts';
import { verdict } from '../../../shared/release/verdict.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';

async function verdictOf(
	add: (maker: ReleaseMaker) => void,
	depth?: 'children' | 'configs',
): Promise<string> {
	const maker = new ReleaseMaker();
	add(maker);
	await maker.finish();
	return verdict(assessCoverage(await maker.read(depth)));
}

describe('the verdict', () => {
	it('says that all is built', async () => {
		expect(
			await verdictOf((maker) => {
				maker.addBuilt('pod');
				maker.addBuilt('etcd');
			}),
		).toBe('All 2 components are built for every platform of the release.');
	});

	it('does not count what is extra against it', async () => {
		expect(
			await verdictOf((maker) => {
				const images = ['amd64', 'arm64', 's390x'].map((name) => maker.image('a', linux(name)));
				maker.add(
					'a',
					images.map((image) => entryOf(image)),
				);
			}),
		).toBe('The only component is built for every platform of the release.');
	});

	it('says what is wrong, kind by kind', async () => {
		expect(
			await verdictOf((maker) => {
				const pods = maker.addBuilt('pod');
				maker.add('aws', [entryOf(maker.image('aws', linux('amd64'))), entryOf(pods[1]!)]);
				const lost = maker.image('lost', linux('amd64'));
				maker.registries.remove(maker.part(lost.manifest));
				maker.add('lost', [entryOf(lost)]);
				const wrong = maker.image('wrong', linux('amd64'), { configured: linux('arm64') });
				const limited = maker.image('limited', linux('arm64'));
				maker.registries.fail(maker.part(limited.manifest), {
					code: 'rate-limited',
					origin: 'registry',
					reason: 'Wait.',
				});
				maker.add('wrong', [entryOf(wrong), entryOf(limited)]);
			}),
		).toBe(
			'1 of 4 components stands on placeholders: 1 cell that would pull the pod image instead of a build; 1 broken cell; 1 missing cell; 1 mismatch; 1 cell could not be checked.',
		);
	});

	it('says it of many', async () => {
		expect(
			await verdictOf((maker) => {
				const pods = maker.addBuilt('pod');
				for (const name of ['a', 'b']) {
					maker.add(
						name,
						pods.map((pod) => entryOf(pod)),
					);
				}
			}),
		).toMatch(/^2 of 3 components stand on placeholders: 4 cells that/);
	});

	it('says where platforms were taken as listed', async () => {
		expect(await verdictOf((maker) => void maker.addBuilt('etcd'), 'children')).toBe(
			'The only component is built for every platform of the release; in 2 cells the platform is taken as listed, not compared with the image.',
		);
	});

	it('says that there is nothing to judge', async () => {
		expect(await verdictOf(() => undefined)).toBe('The payload names no components.');
	});
});
