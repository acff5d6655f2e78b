import { describe, expect, it } from 'vitest';
import { parsePlatform, type PlatformKey } from '../../../shared/oci/platform.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import { assessCoverage } from '../../../shared/release/coverage.ts';
import { gate } from '../../../shared/report/gate.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';

const [amd64, arm64, s390x] = ['amd64', 'arm64', 's390x'].map((name): PlatformKey =>
	parsePlatform(name)!,
);
const rateLimited: Problem = { code: 'rate-limited', origin: 'registry', reason: 'Wait.' };

async function gateOf(
	add: (maker: ReleaseMaker) => void,
	required: readonly PlatformKey[],
	depth?: 'children' | 'configs',
) {
	const maker = new ReleaseMaker();
	maker.addBuilt('etcd');
	add(maker);
	await maker.finish();
	return gate(assessCoverage(await maker.read(depth)), required);
}

/** A second component whose arm64 is as `make` has it. */
function arm64Is(make: (maker: ReleaseMaker) => ReturnType<typeof entryOf> | undefined) {
	return (maker: ReleaseMaker) => {
		const listed = make(maker);
		maker.add('aws', [entryOf(maker.image('aws', linux('amd64'))), ...(listed ? [listed] : [])]);
	};
}

const missing = arm64Is(() => undefined);
const placeholder = arm64Is((maker) => entryOf(maker.addBuilt('pod')[1]!));
const broken = arm64Is((maker) => {
	const lost = maker.image('aws', linux('arm64'));
	maker.registries.remove(maker.part(lost.manifest));
	return entryOf(lost);
});
const mismatch = arm64Is((maker) =>
	entryOf(maker.image('aws', linux('arm64'), { configured: linux('s390x') })),
);
const unchecked = arm64Is((maker) => {
	const limited = maker.image('aws', linux('arm64'));
	maker.registries.fail(maker.part(limited.manifest), rateLimited);
	return entryOf(limited);
});

describe('the gate', () => {
	it('lets everything pass that is built on the required platforms', async () => {
		expect(await gateOf(() => undefined, [amd64!, arm64!])).toEqual({
			exitCode: 0,
			sentences: [],
		});
	});

	it.each([
		['missing', missing, 2],
		['a placeholder', placeholder, 3],
		['broken', broken, 2],
		['a mismatch', mismatch, 2],
	])('answers 3 where a required platform is %s somewhere', async (_, add, components) => {
		expect(await gateOf(add, [arm64!])).toEqual({
			exitCode: 3,
			sentences: [`linux/arm64: 1 of ${components} components are not built for it.`],
		});
		expect((await gateOf(add, [amd64!])).exitCode).toBe(0);
	});

	it('answers 4 where a required platform could not be checked somewhere', async () => {
		expect(await gateOf(unchecked, [arm64!])).toEqual({
			exitCode: 4,
			sentences: ['linux/arm64: 1 of 2 components could not be checked.'],
		});
	});

	it('answers 4 where platforms were only taken as listed', async () => {
		expect(await gateOf(() => undefined, [amd64!], 'children')).toMatchObject({ exitCode: 4 });
	});

	it('answers 3 where both hold, and says both', async () => {
		const both = (maker: ReleaseMaker) => {
			unchecked(maker);
			maker.add('cli', []);
		};
		expect(await gateOf(both, [arm64!])).toEqual({
			exitCode: 3,
			sentences: [
				'linux/arm64: 1 of 3 components are not built for it.',
				'linux/arm64: 1 of 3 components could not be checked.',
			],
		});
	});

	it('answers 3 for a platform that nothing is listed for', async () => {
		expect((await gateOf(() => undefined, [s390x!])).exitCode).toBe(3);
	});

	it('takes a build that the release does not expect for a build', async () => {
		const maker = new ReleaseMaker(['amd64']);
		const images = ['amd64', 's390x'].map((name) => maker.image('etcd', linux(name)));
		maker.add(
			'etcd',
			images.map((image) => entryOf(image)),
		);
		await maker.finish();
		expect(gate(assessCoverage(await maker.read()), [s390x!]).exitCode).toBe(0);
	});

	it('lets everything pass where nothing is required', async () => {
		expect((await gateOf(missing, [])).exitCode).toBe(0);
	});
});
