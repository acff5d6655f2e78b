import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { encodedOf } from '../../../shared/oci/digest.ts';
import { contentAt, repositoryAt, stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import type { Registries } from '../../../shared/registry/registries.ts';
import { explain } from '../../../shared/report/explain.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { registryError, startFront, type FrontRequest } from '../../support/front.ts';
import { mountSmallDisk, skippedWithoutSmallDisk } from '../../support/small-disk.ts';
import { pushSmallRelease } from '../../support/small-release.ts';
import {
	carryOut,
	describeWithRegistries,
	expectNoTags,
	expectTags,
	getBlob,
	getManifest,
	openRegistries,
	patienceMs,
	planFor,
	temporaryFolder,
} from './publishing.ts';

/** As docker-registry says it where it cannot begin an upload, and where it cannot go on with one. */
const enclosed = { Op: 'write', Path: '/var/lib/registry/data/startedat', Err: 28 };
const noUpload = registryError('UNKNOWN', 'unknown error', {
	DriverName: 'filesystem',
	Enclosed: enclosed,
});
const noMore = registryError(
	'UNKNOWN',
	'unknown error',
	'write /var/lib/registry/data: no space left on device',
);

const isUploadStart = ({ method }: FrontRequest): boolean => method === 'POST';
const isManifest = ({ method, path }: FrontRequest): boolean =>
	method === 'PUT' && path.includes('/manifests/');

describeWithRegistries('a target whose disk is full', () => {
	const running: (() => unknown)[] = [];
	afterEach(async () => {
		for (const stop of running.splice(0).toReversed()) await stop();
	});

	async function registryOn(folder?: string): Promise<DockerRegistry> {
		const storage = folder === undefined ? {} : { filesystem: { rootdirectory: folder } };
		const registry = await startDockerRegistry({ storage, inMemory: true });
		running.push(() => registry.stop());
		return registry;
	}

	async function expectFull(registries: Registries, plan: Plan): Promise<void> {
		const { outcome } = await carryOut(registries, plan);
		if (outcome?.kind !== 'failed') throw new Error(`the run is ${outcome?.kind}`);
		expect(outcome.problem).toMatchObject({ code: 'storage-full', status: 500 });
		expect(explain(outcome.problem).remedies.join()).toContain('Make room at the registry');
		await expectNoTags(plan);
	}

	it(
		'stops the run; no tag is moved, and once there is room the run finishes',
		async ({ skip }) => {
			const disk = mountSmallDisk(3);
			if (!disk) return skip(skippedWithoutSmallDisk);
			running.push(() => disk.remove());
			const [source, target] = [await registryOn(), await registryOn(disk.folder)];
			const release = await pushSmallRelease({ host: source.host, layerBytes: 300_000 });
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, target);
			await expectFull(registries, plan);

			disk.resize(64);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			await expectTags(plan);
		},
		patienceMs,
	);

	it.each([
		['beginning an upload', isUploadStart, noUpload],
		['a manifest', isManifest, noMore],
	])(
		'is recognised when it refuses %s',
		async (_, isRefused, body) => {
			const [source, target] = [await registryOn(), await registryOn()];
			const front = await startFront(target.host);
			running.push(() => front.stop());
			const release = await pushSmallRelease({ host: source.host });
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, front);
			front.meddle = (request) =>
				isRefused(request) ? { kind: 'answer', status: 500, body } : undefined;
			await expectFull(registries, plan);

			front.meddle = undefined;
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			await expectTags(plan);
		},
		patienceMs,
	);

	it(
		'leaves broken blobs and manifests behind, which the next run writes anew',
		async () => {
			const folder = await temporaryFolder();
			const [source, target] = [await registryOn(), await registryOn(folder)];
			const release = await pushSmallRelease({ host: source.host });
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, target);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });

			const [blob] = stepsOf(plan, 'blob');
			const manifest = stepsOf(plan, 'manifest').find(({ needs }) =>
				needs.includes(blob?.content ?? -1),
			);
			const index = stepsOf(plan, 'manifest').find(({ needs }) =>
				needs.includes(manifest?.content ?? -1),
			);
			if (!blob || !manifest || !index) throw new Error('the plan has no blob below an index');
			const digestOf = ({ content }: { content: number }) => contentAt(plan, content).digest;
			const { repository } = repositoryAt(plan, blob.to);
			const place = join(folder, 'docker/registry/v2/repositories', repository);
			const cut = (kind: string, step: { content: number }) =>
				truncateSync(join(place, kind, 'sha256', encodedOf(digestOf(step)), 'link'));
			cut('_layers', blob);
			for (const step of [manifest, index]) cut('_manifests/revisions', step);
			const name = `${target.host}/${repository}`;
			expect(await getBlob(name, digestOf(blob))).toMatchObject({ status: 500 });
			expect(await getManifest(`${name}@${digestOf(index)}`)).toMatchObject({ status: 500 });

			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			expect(await getBlob(name, digestOf(blob))).toMatchObject({ digest: digestOf(blob) });
			for (const step of [manifest, index]) {
				const digest = digestOf(step);
				expect(await getManifest(`${name}@${digest}`)).toMatchObject({ status: 200, digest });
			}
		},
		patienceMs,
	);
});
