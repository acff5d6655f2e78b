import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Digest } from '../../../shared/oci/digest.ts';
import { byDigest, parseReference } from '../../../shared/oci/reference.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import type { PruneSubject } from '../../../shared/plan/subject.ts';
import { referrersTag } from '../../../shared/registry/distribution.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import type { Registries } from '../../../shared/registry/registries.ts';
import {
	attachedImage,
	cosignTag,
	sbomType,
	signatureType,
	type AttachedImage,
} from '../../support/attached.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { Pusher } from '../../support/push.ts';
import { contentOf } from '../../support/release-maker.ts';
import { hasSkopeo, skopeo } from '../../support/skopeo.ts';
import {
	componentRepository,
	pushSmallRelease,
	type SmallRelease,
} from '../../support/small-release.ts';
import {
	asIndex,
	carryOut,
	describeWithRegistries,
	expectTags,
	getBlob,
	getManifest,
	openRegistries,
	partsRepository,
	patienceMs,
	planFor,
	statesOf,
	tagAt,
	temporaryFolder,
} from './publishing.ts';

/** Puts it beside the components; under a tag where one is given. */
async function push(
	host: string,
	repository: string,
	{ manifest, config, layer }: AttachedImage,
	tag?: string,
): Promise<void> {
	const pusher = new Pusher(host);
	await pusher.pushBlob(repository, config.bytes);
	await pusher.pushBlob(repository, layer.bytes);
	await pusher.pushManifest(repository, manifest.bytes, manifest.mediaType, tag);
	await pusher.close();
}

/** As a client does where there is no referrers API. */
async function listUnderTag(host: string, subject: Digest, { manifest }: AttachedImage) {
	const { mediaType, digest, bytes } = manifest;
	const list = contentOf('application/vnd.oci.image.index.v1+json', {
		schemaVersion: 2,
		mediaType: 'application/vnd.oci.image.index.v1+json',
		manifests: [{ mediaType, digest, size: bytes.length, artifactType: signatureType }],
	});
	const pusher = new Pusher(host);
	await pusher.pushManifest(componentRepository, list.bytes, list.mediaType, referrersTag(subject));
	await pusher.close();
}

function attachmentsOf({ subject }: Plan): NonNullable<PruneSubject['attachments']> {
	if (subject.kind !== 'prune-release' || !subject.attachments) throw new Error('none');
	return subject.attachments;
}

async function referrersOf(registries: Registries, name: string): Promise<readonly string[]> {
	const parsed = parseReference(name);
	if (!parsed.ok || !parsed.reference.digest) throw new Error(name);
	const found: string[] = [];
	const subject = byDigest(parsed.reference, parsed.reference.digest);
	for await (const { digest } of registries.referrers(subject)) found.push(digest);
	return found;
}

describeWithRegistries('what is attached to a release', () => {
	let source: DockerRegistry;
	let target: DockerRegistry;
	let release: SmallRelease;
	/** A component that changes, one of its images that stays, and what is attached to both. */
	let index: Digest;
	let image: Digest;
	let signature: AttachedImage;
	let referrer: AttachedImage;
	let old: AttachedImage;

	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		release = await pushSmallRelease({ host: source.host });
		const component = release.components.get('operator')!;
		index = component.digest;
		const child = asIndex({ bytes: Buffer.from(component.bytes) }).manifests[0]!;
		image = child.digest as Digest;
		const { bytes } = await getManifest(`${source.host}/${componentRepository}@${image}`);
		const subject = { mediaType: child.mediaType, digest: image, bytes: new Uint8Array(bytes) };
		signature = attachedImage('signed by cosign');
		referrer = attachedImage('refers', { subject, artifactType: signatureType });
		old = attachedImage('signs the old index');
		await push(source.host, componentRepository, signature, cosignTag(image, 'sig'));
		await push(source.host, componentRepository, referrer);
		await push(source.host, componentRepository, old, cosignTag(index, 'sig'));
		await listUnderTag(source.host, image, referrer);
	}, patienceMs);
	afterAll(() => Promise.all([source.stop(), target.stop()]));

	const parts = () => `${target.host}/${partsRepository}`;

	it(
		'comes along into docker-registry: under cosign’s tag, and listed under the tag in place of the API',
		async () => {
			const registries = await openRegistries();
			const repository = { registry: target.host, repository: partsRepository };
			const facts = await registries.findCapabilities(repository);
			const plan = await planFor(registries, release.reference, { host: target.host, facts });
			const { copied, lapsed } = attachmentsOf(plan);
			expect(copied.map(({ kind, subject }) => [kind, subject])).toEqual([
				['signature', image],
				['signature', image],
			]);
			expect(lapsed).toMatchObject([{ of: 'operator', what: 'index', subject: index, count: 1 }]);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			await expectTags(plan);

			expect(await tagAt(`${parts()}:${cosignTag(image, 'sig')}`)).toBe(signature.manifest.digest);
			expect((await getBlob(parts(), signature.layer.digest)).status).toBe(200);
			expect(await referrersOf(registries, `${parts()}@${image}`)).toEqual([
				referrer.manifest.digest,
			]);
			expect(await tagAt(`${parts()}:${cosignTag(index, 'sig')}`)).toBeUndefined();
			expect((await getManifest(`${parts()}@${old.manifest.digest}`)).status).toBe(404);
			if (!hasSkopeo) return;
			const name = `docker://${parts()}:${cosignTag(image, 'sig')}`;
			const raw = await skopeo(
				await temporaryFolder(),
				...['inspect', '--raw', '--tls-verify=false', name],
			);
			expect(Buffer.from(signature.manifest.bytes).equals(raw)).toBe(true);
		},
		patienceMs,
	);

	it(
		'joins what is listed at the target already, and a second run has nothing to do',
		async () => {
			const registries = await openRegistries();
			const { bytes } = await getManifest(`${parts()}@${image}`);
			const { mediaType } = await getManifest(`${parts()}@${image}`);
			const subject = { mediaType, digest: image, bytes: new Uint8Array(bytes) };
			const own = attachedImage('ours', { subject, artifactType: sbomType });
			const { host } = target;
			await push(host, partsRepository, own);
			const descriptor = {
				mediaType: own.manifest.mediaType,
				digest: own.manifest.digest,
				size: own.manifest.bytes.length,
			};
			const list = contentOf('application/vnd.oci.image.index.v1+json', {
				schemaVersion: 2,
				mediaType: 'application/vnd.oci.image.index.v1+json',
				manifests: [descriptor],
			});
			const pusher = new Pusher(host);
			const tag = referrersTag(image);
			await pusher.pushManifest(partsRepository, list.bytes, list.mediaType, tag);
			await pusher.close();

			const plan = await planFor(registries, release.reference, { host });
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			expect(await referrersOf(registries, `${parts()}@${image}`)).toEqual([
				own.manifest.digest,
				referrer.manifest.digest,
			]);
			const again = await planFor(registries, release.reference, { host });
			const run = await carryOut(registries, again);
			expect(run.outcome).toEqual({ kind: 'verified' });
			expect(Object.keys(statesOf(run, 'tag'))).toEqual(['already-there']);
		},
		patienceMs,
	);

	it(
		'comes along into the embedded registry, which lists referrers by itself',
		async () => {
			const registries = await openRegistries(await temporaryFolder());
			const facts = await registries.findCapabilities({ registry: 'store', repository: 'a' });
			const plan = await planFor(registries, release.reference, { host: 'store', facts });
			const tags = plan.steps.flatMap((step) => (step.kind === 'tag' ? [step.tag] : []));
			expect(tags).toContain(cosignTag(image, 'sig'));
			expect(tags).not.toContain(referrersTag(image));
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			expect(await referrersOf(registries, `store/${partsRepository}@${image}`)).toEqual([
				referrer.manifest.digest,
			]);
		},
		patienceMs,
	);

	it(
		'that cannot be read keeps no release from being planned, and is said',
		async () => {
			const real = await openRegistries();
			const registries: Registries = {
				...real,
				referrers: ({ registry }) => failing(registry),
			};
			const { subject } = await planFor(registries, release.reference, { host: target.host });
			expect(subject.notes.join('\n')).toMatch(/could not be checked, or not all of it: .* 503/);
		},
		patienceMs,
	);
});

async function* failing(registry: string): AsyncGenerator<never> {
	await Promise.resolve();
	const reason = `${registry} answered 503.`;
	throw new ProblemError({ code: 'registry-failure', origin: 'registry', reason, registry });
}
