import { afterAll, beforeAll, expect, it } from 'vitest';
import { platformKey, type PlatformKey } from '../../../shared/oci/platform.ts';
import type { PlanSubject } from '../../../shared/plan/subject.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { attestedComponent, pushSmallRelease, smallVersion } from '../../support/small-release.ts';
import {
	allTags,
	architecturesIn,
	asIndex,
	auditOf,
	carryOut,
	componentsIn,
	countCells,
	describeWithRegistries,
	getManifest,
	oldPullspecsIn,
	openRegistries,
	partsRepository,
	patienceMs,
	payloadOf,
	planFor,
	targetRepository,
	type Goal,
	type ReadPayload,
} from './publishing.ts';

const renamed = '4.20.1-acme.1';
const subjectAnnotation = 'vnd.docker.reference.digest';

function linux(...architectures: readonly string[]): readonly PlatformKey[] {
	return architectures.map((architecture) => platformKey({ os: 'linux', architecture }));
}

function subjectOf({ subject }: Plan): Extract<PlanSubject, { kind: 'prune-release' }> {
	if (subject.kind !== 'prune-release') throw new Error(subject.kind);
	return subject;
}

function jsonFile({ files }: ReadPayload, name: string): Record<string, unknown> {
	return JSON.parse(files.get(`release-manifests/${name}`) ?? '') as Record<string, unknown>;
}

/** Files that name a version, other than as a part of another one. */
function filesWith({ files }: ReadPayload, version: string): readonly string[] {
	const pattern = new RegExp(`(?<![\\w.-])${version.replaceAll('.', '\\.')}(?![\\w.-])`);
	return [...files].flatMap(([name, text]) => (pattern.test(text) ? [name] : []));
}

describeWithRegistries('what is chosen for a release', () => {
	let source: DockerRegistry;
	let target: DockerRegistry;
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
	}, patienceMs);
	afterAll(() => Promise.all([source.stop(), target.stop()]));

	const published = (version = smallVersion) => `${target.host}/${targetRepository}:${version}`;
	const component = (name: string, version = smallVersion) =>
		`${target.host}/${partsRepository}:${version}__${name}`;

	async function publish(goal: Partial<Goal>, attested = false) {
		const release = await pushSmallRelease({ host: source.host, attested });
		const registries = await openRegistries();
		const plan = await planFor(registries, release.reference, { host: target.host, ...goal });
		expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
		return { release, registries, plan };
	}

	it(
		'keeping two platforms everywhere takes the others from the components and from the release',
		async () => {
			const keep = linux('amd64', 'arm64');
			const { release, registries } = await publish({
				selection: { preset: { kind: 'platforms', keep } },
			});
			const root = await getManifest(published());
			expect(architecturesIn(root)).toEqual(['amd64', 'arm64']);
			for (const name of release.components.keys()) {
				expect(architecturesIn(await getManifest(component(name)))).toEqual(['amd64', 'arm64']);
			}
			for (const { digest } of asIndex(root).manifests) {
				const payload = await payloadOf(`${target.host}/${targetRepository}@${digest}`);
				expect(oldPullspecsIn(payload, release)).toEqual([]);
			}
			const coverage = await auditOf(registries, published());
			expect(coverage.platforms.map(({ platform }) => platform)).toEqual(keep);
			expect(countCells(coverage)).toMatchObject({ built: 13, placeholder: 1 });
		},
		patienceMs,
	);

	it(
		'keeping one platform of chosen components leaves the release and the others whole',
		async () => {
			const preset = { kind: 'platforms', keep: linux('amd64') } as const;
			const { release } = await publish({ selection: { preset, components: ['c*'] } });
			expect(architecturesIn(await getManifest(published()))).toHaveLength(4);
			for (const [name, { digest }] of release.components) {
				const index = await getManifest(component(name));
				if (name.startsWith('c')) expect(architecturesIn(index)).toEqual(['amd64']);
				else expect(index.digest).toBe(digest);
			}
		},
		patienceMs,
	);

	it(
		'attestations follow their image, those of what stays and those of what goes',
		async () => {
			const { release } = await publish({}, true);
			const before = asIndex({
				bytes: Buffer.from(release.components.get(attestedComponent)?.bytes ?? []),
			});
			const index = await getManifest(component(attestedComponent));
			const { manifests } = asIndex(index);
			const images = manifests.filter(({ annotations }) => !annotations);
			const attestations = manifests.filter(({ annotations }) => annotations);
			expect(images.map(({ platform }) => platform.architecture)).toEqual([
				'amd64',
				'arm64',
				'ppc64le',
			]);
			expect(attestations.map(({ annotations }) => annotations?.[subjectAnnotation])).toEqual(
				images.map(({ digest }) => digest),
			);
			for (const attestation of attestations) {
				expect(before.manifests).toContainEqual(attestation);
				const name = `${target.host}/${partsRepository}@${attestation.digest}`;
				expect(await getManifest(name)).toMatchObject({ digest: attestation.digest });
			}
		},
		patienceMs,
	);

	it(
		'refuses what would leave nothing of a component, names it, and writes nothing',
		async () => {
			const release = await pushSmallRelease({ host: source.host });
			const registries = await openRegistries();
			const before = await allTags(`${target.host}/${partsRepository}`);
			const preset = { kind: 'platforms', keep: linux('riscv64') } as const;
			const selection = { preset, components: ['etcd'] };
			const planning = planFor(registries, release.reference, { host: target.host, selection });
			await expect(planning).rejects.toThrow(/plan-impossible: It would leave nothing of etcd/);
			expect(await allTags(`${target.host}/${partsRepository}`)).toEqual(before);
		},
		patienceMs,
	);

	it.each([
		['lists where manifests still carry the old version', false],
		['leaves the old version nowhere where that is asked for', true],
	])(
		'a renamed release %s',
		async (_, rewriteVersion) => {
			const { release, plan } = await publish({ version: renamed, rewriteVersion });
			const { mentions } = subjectOf(plan);
			expect(mentions.map(({ file }) => file)).toEqual(
				expect.arrayContaining([expect.stringContaining('0000_90_small_clusteroperator.yaml')]),
			);
			const { manifests } = asIndex(await getManifest(published(renamed)));
			expect(manifests).toHaveLength(4);
			for (const { digest } of manifests) {
				const payload = await payloadOf(`${target.host}/${targetRepository}@${digest}`);
				expect(payload.labels).toEqual({ 'io.openshift.release': renamed, vendor: 'nobody' });
				expect(payload.diffIds.at(-1)).toBe(payload.tarDigest);
				expect(jsonFile(payload, 'release-metadata')).toMatchObject({ version: renamed });
				expect(jsonFile(payload, 'image-references')).toMatchObject({
					metadata: { name: renamed },
				});
				expect(oldPullspecsIn(payload, release)).toEqual([]);
				expect([...componentsIn(payload).keys()]).toEqual([...release.components.keys()]);
				expect(filesWith(payload, smallVersion)).toEqual(
					rewriteVersion ? [] : ['release-manifests/0000_90_small_clusteroperator.yaml'],
				);
			}
			expect(await allTags(`${target.host}/${partsRepository}`)).toContain(`${renamed}__etcd`);
		},
		patienceMs,
	);
});
