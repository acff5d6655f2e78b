import { describe, expect, it } from 'vitest';
import { Documents } from '../../../shared/index/documents.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { formatRepository, type Repository } from '../../../shared/oci/reference.ts';
import { makePlan, type Publication } from '../../../shared/plan/make-plan.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import type { Plan, Step } from '../../../shared/plan/plan.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { contentOf, descriptorOf, type Content } from '../../support/release-maker.ts';
import { smallImage, source, subjectOf, target, type SmallImage } from './small-plan.ts';

const platform = { os: 'linux', architecture: 'amd64' };

function put(registries: FakeRegistries, place: Repository, image: SmallImage): SmallImage {
	for (const { bytes } of [image.layer, image.config]) registries.putBlob(place, bytes);
	registries.putManifest(place, image.image);
	registries.putManifest(place, image.index);
	return image;
}

function indexOf(entries: readonly object[]): Content {
	return contentOf(mediaTypes.ociIndex, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociIndex,
		manifests: entries,
	});
}

const root = { ...target, tag: 'root' };

/** Publishes, and tags the last of the roots as the release. */
function publish(
	registries: FakeRegistries,
	changes: Partial<Publication>,
	documents = new Documents(),
): Promise<Plan> {
	const { roots = [], tags = [] } = changes;
	const release = roots.at(-1)!;
	const tag = { ...release.to, tag: root.tag, digest: release.digest };
	const publication = {
		subject: subjectOf(`${formatRepository(release.to)}:${root.tag}`, release.digest),
		manifests: [],
		blobs: [],
		...changes,
		roots,
		tags: [...tags, tag],
	};
	return makePlan({ registries, hash: hashOf, documents }, publication);
}

/** A step as one line, for reading. */
function line(plan: Plan, step: Step): string {
	const place = (at: number) => formatRepository(plan.repositories[at]!);
	const content = step.content === undefined ? 'nothing' : plan.contents[step.content]!.digest;
	const from =
		'from' in step && step.from.length > 0 ? ` from ${step.from.map(place).join(', ')}` : '';
	const tag = step.kind === 'tag' ? ` as ${step.tag} if ${step.expect}` : '';
	return `${step.kind} ${content} to ${place(step.to)}${from}${tag}`;
}

/** All steps but the last, which tags the release. */
function lines(plan: Plan): string[] {
	return plan.steps.slice(0, -1).map((step) => line(plan, step));
}

async function failure(promise: Promise<unknown>): Promise<Problem> {
	return promise.then(
		() => expect.fail('it was planned'),
		(error: unknown) => problemOf(error),
	);
}

const from = formatRepository(source);
const to = formatRepository(target);

describe('making a plan', () => {
	it('copies blobs, then manifests from the bottom up, then sets tags', async () => {
		const registries = new FakeRegistries();
		const { layer, config, image, index } = put(registries, source, smallImage());
		const plan = await publish(registries, {
			roots: [{ digest: index.digest, to: target, from: source }],
			tags: [{ ...target, tag: 'v1', digest: index.digest }],
		});
		expect(lines(plan)).toEqual([
			`blob ${config.digest} to ${to} from ${from}`,
			`blob ${layer.digest} to ${to} from ${from}`,
			`manifest ${image.digest} to ${to} from ${from}`,
			`manifest ${index.digest} to ${to} from ${from}`,
			`tag ${index.digest} to ${to} as v1 if absent`,
		]);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('uploads what was made, and names no source for it', async () => {
		const registries = new FakeRegistries();
		const { layer, config, image, index } = smallImage();
		registries.putBlob(source, layer.bytes);
		const plan = await publish(registries, {
			roots: [{ digest: index.digest, to: target, from: source }],
			manifests: [image, index],
			blobs: [config],
		});
		expect(lines(plan)).toEqual([
			`blob ${layer.digest} to ${to} from ${from}`,
			`upload ${config.digest} to ${to}`,
			`manifest ${image.digest} to ${to}`,
			`manifest ${index.digest} to ${to}`,
		]);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('copies no blob within its own repository, but still sees to the manifests', async () => {
		const registries = new FakeRegistries();
		const { image, index } = put(registries, source, smallImage());
		const plan = await publish(registries, {
			roots: [{ digest: index.digest, to: source, from: source }],
		});
		expect(lines(plan)).toEqual([
			`manifest ${image.digest} to ${from} from ${from}`,
			`manifest ${index.digest} to ${from} from ${from}`,
		]);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('names a blob once however many images share it, its own registry first', async () => {
		const registries = new FakeRegistries();
		const near = { registry: target.registry, repository: 'acme/near' };
		const image = put(registries, source, smallImage());
		put(registries, near, image);
		const plan = await publish(registries, {
			roots: [
				{ digest: image.index.digest, to: target, from: source },
				{ digest: image.index.digest, to: target, from: near },
			],
		});
		expect(lines(plan)).toContain(
			`blob ${image.layer.digest} to ${to} from ${formatRepository(near)}, ${from}`,
		);
		expect(plan.steps.filter(({ kind }) => kind === 'blob')).toHaveLength(2);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('takes along everything that an index lists: attestations, artifacts, nested indexes, plain blobs', async () => {
		const registries = new FakeRegistries();
		const [one, two, attestation] = ['one', 'two', 'attestation'].map((name) =>
			put(registries, source, smallImage(name)),
		) as [SmallImage, SmallImage, SmallImage];
		const cache = contentOf('application/vnd.buildkit.cacheconfig.v0', { layers: [] });
		registries.putBlob(source, cache.bytes);
		const root = indexOf([
			{ ...descriptorOf(one.image), platform },
			descriptorOf(two.index),
			{
				...descriptorOf(attestation.image),
				platform: { os: 'unknown', architecture: 'unknown' },
				annotations: {
					'vnd.docker.reference.type': 'attestation-manifest',
					'vnd.docker.reference.digest': one.image.digest,
				},
			},
			descriptorOf(cache),
		]);
		registries.putManifest(source, root);
		const plan = await publish(registries, {
			roots: [{ digest: root.digest, to: target, from: source }],
		});
		const manifests = plan.steps.flatMap((step) =>
			step.kind === 'manifest' ? [plan.contents[step.content]!.digest] : [],
		);
		expect(manifests).toEqual([
			one.image.digest,
			two.image.digest,
			attestation.image.digest,
			two.index.digest,
			root.digest,
		]);
		expect(lines(plan)).toContain(`blob ${cache.digest} to ${to} from ${from}`);
	});

	it('leaves out layers that registries do not keep', async () => {
		const registries = new FakeRegistries();
		const { config, layer } = smallImage();
		const foreign = {
			...descriptorOf(layer),
			mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
		};
		const image = contentOf(mediaTypes.ociManifest, {
			schemaVersion: 2,
			config: descriptorOf(config),
			layers: [foreign],
		});
		registries.putManifest(source, image);
		const plan = await publish(registries, {
			roots: [{ digest: image.digest, to: target, from: source }],
		});
		expect(lines(plan)).toEqual([
			`blob ${config.digest} to ${to} from ${from}`,
			`manifest ${image.digest} to ${to} from ${from}`,
		]);
	});

	it('expects of a tag what it points to now', async () => {
		const registries = new FakeRegistries();
		const { index } = put(registries, source, smallImage());
		const before = registries.putManifest(target, smallImage('before').index, 'v1');
		const plan = await publish(registries, {
			roots: [{ digest: index.digest, to: target, from: source }],
			tags: [{ ...target, tag: 'v1', digest: index.digest }],
		});
		expect(plan.steps.at(-2)).toMatchObject({ kind: 'tag', expect: before.digest });
	});

	it('is the same plan however the documents arrive', async () => {
		const registries = new FakeRegistries();
		const images = ['a', 'b', 'c'].map((name) => put(registries, source, smallImage(name)));
		const publication = {
			roots: images.map(({ index: { digest } }) => ({ digest, to: target, from: source })),
			tags: images.map(({ index: { digest } }, at) => ({ ...target, tag: `v${at}`, digest })),
		};
		const plan = await publish(registries, publication);
		const slowest = [...images].reverse().map(({ image: { digest } }) => digest);
		registries.beforeRead = async ({ digest }) => {
			for (let turn = slowest.indexOf(digest!); turn > 0; turn -= 1) await Promise.resolve();
		};
		expect(printPlan(await publish(registries, publication))).toBe(printPlan(plan));
	});

	it('has another id for another target, and for a tag that points elsewhere', async () => {
		const registries = new FakeRegistries();
		const { index } = put(registries, source, smallImage());
		const ids = new Set<string>();
		const plan = async (tag: string) => {
			const { id } = await publish(registries, {
				roots: [{ digest: index.digest, to: target, from: source }],
				tags: [{ ...target, tag, digest: index.digest }],
			});
			ids.add(id);
		};
		await plan('v1');
		await plan('v2');
		registries.putManifest(target, smallImage('other').index, 'v1');
		await plan('v1');
		expect(ids.size).toBe(3);
	});
});

describe('no plan is made', () => {
	it('where a child is missing; it is named', async () => {
		const registries = new FakeRegistries();
		const { image, index } = smallImage();
		registries.putManifest(source, index);
		const problem = await failure(
			publish(registries, { roots: [{ digest: index.digest, to: target, from: source }] }),
		);
		expect(problem).toMatchObject({ code: 'manifest-unknown' });
		expect(problem.reason).toContain(image.digest);
	});

	it('where a tag cannot be looked at: a guess could overwrite it', async () => {
		const registries = new FakeRegistries();
		const { index } = put(registries, source, smallImage());
		registries.fail(
			{ ...target, tag: 'v1' },
			{ code: 'unauthorized', origin: 'registry', reason: 'no', registry: target.registry },
		);
		const problem = await failure(
			publish(registries, {
				roots: [{ digest: index.digest, to: target, from: source }],
				tags: [{ ...target, tag: 'v1', digest: index.digest }],
			}),
		);
		expect(problem.code).toBe('unauthorized');
	});

	it('where a child has a digest that cannot be verified', async () => {
		const registries = new FakeRegistries();
		const child = { mediaType: mediaTypes.ociManifest, digest: 'blake3:abc', size: 3 };
		const index = indexOf([child]);
		registries.putManifest(source, index);
		const problem = await failure(
			publish(registries, { roots: [{ digest: index.digest, to: target, from: source }] }),
		);
		expect(problem).toMatchObject({ code: 'plan-impossible' });
		expect(problem.reason).toContain('blake3:abc');
	});

	it('where a child is of a form that has no digest of its own', async () => {
		const registries = new FakeRegistries();
		const schema1 = contentOf(mediaTypes.dockerSchema1Signed, { schemaVersion: 1, fsLayers: [] });
		registries.putManifest(source, schema1);
		const problem = await failure(
			publish(registries, { roots: [{ digest: schema1.digest, to: target, from: source }] }),
		);
		expect(problem.reason).toContain('is not a form that can be copied by digest');
	});
});
