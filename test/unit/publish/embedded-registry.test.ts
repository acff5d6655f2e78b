import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoReference } from '../../../proxy/demo/demo-release.ts';
import { hashBytes } from '../../../proxy/hashing.ts';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import { receiptOf } from '../../../shared/plan/receipt.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { hasSkopeo, skopeo } from '../../support/skopeo.ts';
import { pushSmallRelease, smallVersion } from '../../support/small-release.ts';
import {
	architecturesIn,
	auditOf,
	carryOut,
	countCells,
	describeWithRegistries,
	getManifest,
	openRegistries,
	patienceMs,
	partsRepository,
	planFor,
	plannedTags,
	targetRepository,
	temporaryFolder,
} from './publishing.ts';

const published = `store/${targetRepository}:${smallVersion}`;

describeWithRegistries('publishing between a registry and the embedded one', () => {
	let registry: DockerRegistry;
	beforeAll(async () => {
		registry = await startDockerRegistry({ inMemory: true });
	}, patienceMs);
	afterAll(() => registry.stop());

	it(
		'goes in and out again with the same digests',
		async () => {
			const release = await pushSmallRelease({ host: registry.host });
			const store = await temporaryFolder();
			const registries = await openRegistries(store);
			const inward = await planFor(registries, release.reference, { host: 'store' });
			expect((await carryOut(registries, inward)).outcome).toEqual({ kind: 'verified' });
			expect(countCells(await auditOf(registries, published))).not.toHaveProperty('placeholder');

			if (hasSkopeo) {
				const layout = `oci:${join(store, targetRepository)}:${smallVersion}`;
				const raw = await skopeo(await temporaryFolder(), 'inspect', '--raw', layout);
				expect(hashBytes('sha256', raw)).toBe(plannedTags(inward).get(published));
			}

			const goal = { host: registry.host, selection: { preset: { kind: 'none' } } } as const;
			const outward = await planFor(registries, published, goal);
			expect((await carryOut(registries, outward)).outcome).toEqual({ kind: 'verified' });
			const name = `${registry.host}/${partsRepository}:${smallVersion}__vsphere-driver`;
			const driver = await getManifest(name);
			expect(driver.digest).toBe(
				plannedTags(inward).get(`store/${partsRepository}:${smallVersion}__vsphere-driver`),
			);
			expect(architecturesIn(driver)).toEqual(['amd64']);
		},
		patienceMs,
	);
});

describe('undoing what was published into the embedded registry', () => {
	it(
		'removes the tags that were not there before',
		async () => {
			const registries = await openRegistries(await temporaryFolder());
			const plan = await planFor(registries, demoReference, {
				host: 'store',
				selfContained: false,
			});
			const run = await carryOut(registries, plan);
			expect(run.outcome).toEqual({ kind: 'verified' });
			const receipt = receiptOf(run, { startedAt: 0, finishedAt: 1 });
			const undo = await planUndo({ registries, hash: hashBytes }, receipt);
			expect((await carryOut(registries, undo)).outcome).toEqual({ kind: 'verified' });
			const left: string[] = [];
			for (const repository of [partsRepository, targetRepository]) {
				for await (const tag of registries.tags({ registry: 'store', repository })) left.push(tag);
			}
			expect(left).toEqual([]);
		},
		patienceMs,
	);
});
