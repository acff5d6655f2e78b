import { join } from 'node:path';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashBytes } from '../../../proxy/hashing.ts';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import { printPlan } from '../../../shared/plan/plan-file.ts';
import { contentAt, repositoryAt, stepsOf } from '../../../shared/plan/plan.ts';
import { formatRepository } from '../../../shared/oci/reference.ts';
import { receiptOf } from '../../../shared/plan/receipt.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { isWriting, requestsDuring } from '../../support/request-watch.ts';
import { hasSkopeo, skopeo } from '../../support/skopeo.ts';
import {
	componentCount,
	placeholderCount,
	pushSmallRelease,
	smallVersion,
} from '../../support/small-release.ts';
import {
	architecturesIn,
	asIndex,
	auditOf,
	carryOut,
	componentsIn,
	countCells,
	describeWithRegistries,
	getBlob,
	getManifest,
	oldPullspecsIn,
	openRegistries,
	partsRepository,
	patienceMs,
	payloadOf,
	planFor,
	plannedTags,
	pushOther,
	statesOf,
	tagAt,
	targetRepository,
	temporaryFolder,
} from './publishing.ts';

let source: DockerRegistry;
let target: DockerRegistry;

/** The media type of every manifest below a reference, as the registry serves it and as it is listed. */
async function typesBelow(repository: string, digest: string, found: Set<string>): Promise<void> {
	const answer = await getManifest(`${repository}@${digest}`);
	found.add(answer.mediaType);
	const json = JSON.parse(answer.bytes.toString()) as Record<string, unknown>;
	const { mediaType, config, layers, manifests } = json as {
		mediaType: string;
		config?: { mediaType: string };
		layers?: { mediaType: string }[];
		manifests?: { mediaType: string; digest: string }[];
	};
	for (const each of [{ mediaType }, config, ...(layers ?? []), ...(manifests ?? [])]) {
		if (each) found.add(each.mediaType);
	}
	for (const child of manifests ?? []) await typesBelow(repository, child.digest, found);
}

const families = {
	oci: [
		'application/vnd.oci.image.config.v1+json',
		'application/vnd.oci.image.index.v1+json',
		'application/vnd.oci.image.layer.v1.tar+gzip',
		'application/vnd.oci.image.manifest.v1+json',
	],
	docker: [
		'application/vnd.docker.container.image.v1+json',
		'application/vnd.docker.distribution.manifest.list.v2+json',
		'application/vnd.docker.distribution.manifest.v2+json',
		'application/vnd.docker.image.rootfs.diff.tar.gzip',
	],
} as const;

describeWithRegistries('publishing into a second registry', () => {
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
	}, patienceMs);
	afterAll(() => Promise.all([source.stop(), target.stop()]));

	const published = () => `${target.host}/${targetRepository}:${smallVersion}`;
	const parts = () => `${target.host}/${partsRepository}`;

	it(
		'drops the placeholders, does nothing the second time, and can be undone',
		async () => {
			const release = await pushSmallRelease({ host: source.host });
			const before = await pushOther(target.host, targetRepository, smallVersion);
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, target);
			const run = await carryOut(registries, plan);
			expect(run.outcome).toEqual({ kind: 'verified' });
			expect(statesOf(run, 'tag')).toEqual({ moved: componentCount + 1 });

			const root = await getManifest(published());
			expect(root.digest).toBe(plannedTags(plan).get(published()));
			expect(architecturesIn(root)).toEqual(['amd64', 'arm64', 'ppc64le', 's390x']);
			const driver = await getManifest(`${parts()}:${smallVersion}__aws-driver`);
			expect(architecturesIn(driver)).toEqual(['amd64', 'arm64']);

			const blobs = stepsOf(plan, 'blob');
			expect(statesOf(run, 'blob')).toEqual({ copied: blobs.length });
			for (const { content, to } of blobs) {
				const { digest } = contentAt(plan, content);
				const name = formatRepository(repositoryAt(plan, to));
				expect(await getBlob(name, digest)).toMatchObject({ digest });
			}

			const audited = countCells(await auditOf(registries, published()));
			expect(audited).toEqual({
				built: componentCount * 4 - placeholderCount,
				missing: placeholderCount,
			});

			const again = await requestsDuring(async () => {
				const second = await carryOut(registries, plan);
				expect(second.outcome).toEqual({ kind: 'verified' });
				expect(statesOf(second, 'blob', 'upload', 'manifest')).toEqual({
					existed: plan.steps.length - stepsOf(plan, 'tag').length,
				});
				expect(statesOf(second, 'tag')).toEqual({ 'already-there': componentCount + 1 });
			});
			expect(again.filter(isWriting)).toEqual([]);
			expect(again.filter(({ origin }) => !origin.endsWith(target.host))).toEqual([]);

			const receipt = receiptOf(run, { startedAt: 0, finishedAt: 1 });
			const undo = await planUndo({ registries, hash: hashBytes }, receipt);
			const undone = await carryOut(registries, undo);
			expect(await tagAt(published())).toBe(before.digest);
			// docker-registry cannot remove a tag: those that were not there before stay, and are told of.
			expect(statesOf(undone, 'tag')).toEqual({ moved: 1, failed: componentCount });
			expect(undone.outcome).toMatchObject({ problem: { code: 'unsupported' } });
		},
		patienceMs,
	);

	it.skipIf(!hasSkopeo)(
		'is accepted by skopeo, byte for byte and with all children',
		async () => {
			const release = await pushSmallRelease({ host: source.host, attested: true });
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, target);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			const home = await temporaryFolder();
			const insecure = '--src-tls-verify=false';
			for (const name of [published(), `${parts()}:${smallVersion}__operator`]) {
				const raw = await skopeo(
					home,
					'inspect',
					'--raw',
					'--tls-verify=false',
					`docker://${name}`,
				);
				expect(Buffer.from(raw)).toEqual((await getManifest(name)).bytes);
				const folder = join(home, `copy-${name.length}`);
				await skopeo(home, 'copy', '--all', insecure, `docker://${name}`, `dir:${folder}`);
				const copied = await readdir(folder);
				const children = asIndex({ bytes: Buffer.from(raw) }).manifests;
				expect(copied.filter((file) => file.endsWith('.manifest.json'))).toHaveLength(
					children.length,
				);
			}
		},
		patienceMs,
	);

	it.each(['oci', 'docker'] as const)(
		'keeps the media types of a release in %s form, everywhere',
		async (flavour) => {
			const release = await pushSmallRelease({ host: source.host, flavour });
			const registries = await openRegistries();
			const plan = await planFor(registries, release.reference, target);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			const found = new Set<string>();
			await typesBelow(`${target.host}/${targetRepository}`, await rootDigest(), found);
			for (const [name, digest] of plannedTags(plan)) {
				if (name !== published()) await typesBelow(parts(), digest, found);
			}
			expect([...found].toSorted()).toEqual(families[flavour]);
		},
		patienceMs,
	);

	it(
		'moves a single-architecture release and invents no index',
		async () => {
			const release = await pushSmallRelease({ host: source.host, single: true });
			const registries = await openRegistries();
			const goal = { ...target, selection: { preset: { kind: 'none' } } } as const;
			const plan = await planFor(registries, release.reference, goal);
			expect(printPlan(plan)).not.toContain('index');
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			const root = await getManifest(published());
			expect(root.mediaType).toBe(release.root.mediaType);
			expect(root.digest).not.toBe(release.root.digest);
			const payload = await payloadOf(published());
			expect(payload.diffIds).toEqual([payload.tarDigest]);
			const moved = [...release.components].map(([name, { digest }]) => [
				name,
				`${parts()}@${digest}`,
			]);
			expect([...componentsIn(payload)]).toEqual(moved);
			expect(oldPullspecsIn(payload, release)).toEqual([]);
		},
		patienceMs,
	);

	async function rootDigest(): Promise<string> {
		return (await tagAt(published())) ?? '';
	}
});
