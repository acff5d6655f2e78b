import { afterAll, beforeAll, expect, it } from 'vitest';
import { contentAt, stepsOf } from '../../../shared/plan/plan.ts';
import { receiptOf } from '../../../shared/plan/receipt.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { requestsDuring, type SentRequest } from '../../support/request-watch.ts';
import { pushSmallRelease } from '../../support/small-release.ts';
import {
	auditOf,
	carryOut,
	countCells,
	describeWithRegistries,
	getBlob,
	openRegistries,
	patienceMs,
	planFor,
	plannedTags,
	statesOf,
	tagAt,
} from './publishing.ts';

function isOfBlob({ path }: SentRequest): boolean {
	return path.includes('/blobs/');
}

describeWithRegistries('publishing within one registry', () => {
	let registry: DockerRegistry;
	beforeAll(async () => {
		registry = await startDockerRegistry({ inMemory: true });
	}, patienceMs);
	afterAll(() => registry.stop());

	it(
		'mounts every blob; of blobs, nothing but what the plan made passes through the process',
		async () => {
			const layerBytes = 50_000;
			const release = await pushSmallRelease({ host: registry.host, layerBytes });
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, registry);
			let receipt;
			const requests = await requestsDuring(async () => {
				const run = await carryOut(registries, plan);
				expect(run.outcome).toEqual({ kind: 'verified' });
				expect(statesOf(run, 'blob')).toEqual({ mounted: stepsOf(plan, 'blob').length });
				expect(statesOf(run, 'upload')).toEqual({ sent: stepsOf(plan, 'upload').length });
				receipt = receiptOf(run, { startedAt: 0, finishedAt: 1 });
			});
			expect(receipt).toMatchObject({ blobs: { copied: { count: 0, bytes: 0 } } });

			const uploads = stepsOf(plan, 'upload').map(({ content }) => contentAt(plan, content));
			const ofBlobs = requests.filter(isOfBlob);
			expect(ofBlobs.filter(({ method }) => method === 'GET')).toEqual([]);
			const withBody = ofBlobs.filter(({ bodyBytes }) => bodyBytes > 0);
			expect(withBody.map(({ bodyBytes }) => bodyBytes).toSorted()).toEqual(
				uploads.map(({ sizeBytes }) => sizeBytes).toSorted(),
			);
			for (const { path } of withBody) {
				expect(uploads.map(({ digest }) => digest)).toContain(
					new URL(path, 'http://any').searchParams.get('digest'),
				);
			}
			const mounts = ofBlobs.filter(({ path }) => path.includes('mount='));
			expect(mounts).toHaveLength(stepsOf(plan, 'blob').length);

			for (const { content, to } of stepsOf(plan, 'blob')) {
				const { digest } = contentAt(plan, content);
				const { repository } = plan.repositories[to]!;
				expect(await getBlob(`${registry.host}/${repository}`, digest)).toMatchObject({ digest });
			}
		},
		patienceMs,
	);

	it(
		'writes only what changes where components may stay where they are',
		async () => {
			const release = await pushSmallRelease({ host: registry.host });
			const registries = await openRegistries();
			const goal = { host: registry.host, selfContained: false };
			const plan = await planFor(registries, release.reference, goal);
			const run = await carryOut(registries, plan);
			expect(run.outcome).toEqual({ kind: 'verified' });
			const tags = [...plannedTags(plan).keys()].map((name) => name.replace(/.*[:_]/, ''));
			expect(tags).toEqual(['aws-driver', 'operator', 'vsphere-driver', '4.20.0']);
			for (const [name, digest] of plannedTags(plan)) expect(await tagAt(name)).toBe(digest);
			const published = [...plannedTags(plan).keys()].at(-1) ?? '';
			expect(countCells(await auditOf(registries, published))).not.toHaveProperty('placeholder');
		},
		patienceMs,
	);
});
