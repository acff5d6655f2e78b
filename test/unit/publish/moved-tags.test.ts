import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { pushSmallRelease, smallVersion, type SmallRelease } from '../../support/small-release.ts';
import {
	carryOut,
	describeWithRegistries,
	openRegistries,
	partsRepository,
	patienceMs,
	planFor,
	plannedTags,
	pushOther,
	tagsNow,
	targetRepository,
} from './publishing.ts';

describeWithRegistries('a tag that is moved between plan and run', () => {
	let source: DockerRegistry;
	let target: DockerRegistry;
	let release: SmallRelease;
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		release = await pushSmallRelease({ host: source.host });
	}, patienceMs);
	afterAll(() => Promise.all([source.stop(), target.stop()]));

	it.each([
		['of a component', partsRepository, `${smallVersion}__etcd`],
		['of the release', targetRepository, smallVersion],
	])(
		'%s is a conflict that names both digests; neither it nor any other is overwritten',
		async (_, repository, tag) => {
			const name = `${target.host}/${repository}:${tag}`;
			const seen = await pushOther(target.host, repository, tag, 'as it was planned for');
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, target);
			const before = await tagsNow(plan);
			const moved = await pushOther(target.host, repository, tag, 'moved by somebody');

			const run = await carryOut(registries, plan);
			if (run.outcome?.kind !== 'failed') throw new Error(`the run is ${run.outcome?.kind}`);
			const { problem } = run.outcome;
			expect(problem).toMatchObject({ code: 'conflict', reference: name });
			expect(problem.reason).toContain(`${name} pointed to ${seen.digest}`);
			expect(problem.reason).toContain(`now it points to ${moved.digest}`);
			expect(run.items.filter(({ state }) => state === 'moved')).toEqual([]);
			expect(await tagsNow(plan)).toEqual(new Map([...before, [name, moved.digest]]));
		},
		patienceMs,
	);

	it(
		'to where the plan would have it is no conflict',
		async () => {
			const registries = await openRegistries();
			const goal = { host: target.host, version: '4.20.0-two' };
			const plan = await planFor(registries, release.reference, goal);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			expect(await tagsNow(plan)).toEqual(plannedTags(plan));
		},
		patienceMs,
	);

	it(
		'that was not there when it was planned is a conflict too',
		async () => {
			const registries = await openRegistries();
			const goal = { host: target.host, version: '4.20.0-three' };
			const plan = await planFor(registries, release.reference, goal);
			const tag = '4.20.0-three__cli';
			const other = await pushOther(target.host, partsRepository, tag, 'somebody was faster');
			const { outcome } = await carryOut(registries, plan);
			expect(outcome).toMatchObject({ kind: 'failed', problem: { code: 'conflict' } });
			if (outcome?.kind !== 'failed') return;
			expect(outcome.problem.reason).toContain(`was not there; now it points to ${other.digest}`);
			const now = await tagsNow(plan);
			expect(now.get(`${target.host}/${partsRepository}:${tag}`)).toBe(other.digest);
			expect([...now.keys()].filter((name) => name.includes('three'))).toHaveLength(1);
		},
		patienceMs,
	);
});
