import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashBytes } from '../../../proxy/hashing.ts';
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import { probeContents, probeRegistry } from '../../../shared/plan/probe.ts';
import { factsOfRun } from '../../../shared/plan/run-facts.ts';
import { factAbout, mergeFacts } from '../../../shared/registry/capabilities.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import type { PruneSelection } from '../../../shared/release/prune-selection.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { startScripted, stopAll } from '../upstream/scripted-server.ts';
import { hasSkopeo, skopeo } from '../../support/skopeo.ts';
import { pushSmallRelease, type SmallRelease } from '../../support/small-release.ts';
import {
	allTags,
	carryOut,
	describeWithRegistries,
	expectNoTags,
	expectTags,
	getManifest,
	openRegistries,
	patienceMs,
	planFor,
	targetRepository,
	temporaryFolder,
	type Goal,
} from './publishing.ts';

const amd64Only: Partial<PruneSelection> = {
	preset: { kind: 'platforms', keep: [parsePlatform('linux/amd64')!] },
};
const nothing: Partial<PruneSelection> = { preset: { kind: 'none' } };

async function refusalOf(promise: Promise<unknown>): Promise<Problem> {
	return promise.then(
		() => Promise.reject(new Error('it was planned')),
		(error: unknown) => problemOf(error),
	);
}

function digestOfRelease(plan: Plan): string {
	if (plan.subject.kind !== 'prune-release') throw new Error('another kind of plan');
	return plan.subject.release.digest;
}

describeWithRegistries('a release that keeps its bytes', () => {
	let source: DockerRegistry;
	let target: DockerRegistry;
	let release: SmallRelease;
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		release = await pushSmallRelease({ host: source.host, attested: true });
	}, patienceMs);
	afterAll(() => Promise.all([stopAll(), source.stop(), target.stop()]));

	it(
		'is copied whole with the digest that it had, and foreign clients read it',
		async () => {
			const registries = await openRegistries();
			const goal: Goal = { ...target, mode: 'whole', selection: nothing };
			const plan = await planFor(registries, release.reference, goal);
			const there = await getManifest(release.reference);
			expect(digestOfRelease(plan)).toBe(there.digest);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			await expectTags(plan);
			const copy = await getManifest(`${target.host}/${targetRepository}:4.20.0`);
			expect(copy.bytes.equals(there.bytes)).toBe(true);
			if (!hasSkopeo) return;
			const name = `docker://${target.host}/${targetRepository}:4.20.0`;
			const raw = await skopeo(
				await temporaryFolder(),
				...['inspect', '--raw', '--tls-verify=false', name],
			);
			expect(hashBytes('sha256', raw)).toBe(there.digest);
		},
		patienceMs,
	);

	it(
		'stops where the registry takes no sparse index: at the first, before any tag, and is refused from then on',
		async () => {
			const registries = await openRegistries();
			const goal: Goal = { ...target, mode: 'sparse', selection: amd64Only };
			const version = 'sparse';
			const plan = await planPlaced(goal, version);
			const run = await carryOut(registries, plan);
			expect(run.outcome).toMatchObject({
				kind: 'failed',
				problem: { code: 'parts-missing', status: 400, registry: target.host },
			});
			const [failed] = run.failed;
			const without = failed?.step.kind === 'manifest' ? failed.step.without : undefined;
			expect(new Set(failed?.problem?.missing)).toEqual(new Set(without));
			await expectNoTags(plan);
			const pushed = stepsOf(plan, 'manifest').filter((step) => run.item(step).state === 'pushed');
			expect(pushed).toHaveLength(1);

			const facts = factsOfRun(run, Date.now());
			const refused = await refusalOf(planPlaced({ ...goal, facts }, version));
			expect(refused).toMatchObject({ code: 'plan-impossible', registry: target.host });
			expect(refused.reason).toMatch(/for want of sha256:.*--mode prune/);
		},
		patienceMs,
	);

	/** Into repositories of its own, so that nothing of another test is there. */
	async function planPlaced({ facts, selection, mode }: Goal, name: string): Promise<Plan> {
		const registries = await openRegistries();
		const host = `${target.host}/${name}`;
		return planFor(registries, release.reference, {
			host,
			mode: mode ?? 'prune',
			...(selection && { selection }),
			...(facts && { facts }),
		});
	}

	it(
		'is not planned sparse into the embedded registry, which says that it takes none',
		async () => {
			const registries = await openRegistries(await temporaryFolder());
			const facts = await registries.findCapabilities({ registry: 'store', repository: 'a' });
			const goal: Goal = { host: 'store', mode: 'sparse', selection: amd64Only, facts };
			const refused = await refusalOf(planFor(registries, release.reference, goal));
			expect(refused.reason).toContain('keeps OCI layouts whole');
			const whole: Goal = { host: 'store', mode: 'whole', selection: nothing, facts };
			const plan = await planFor(registries, release.reference, whole);
			expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			const blind: Goal = { host: 'store/other', mode: 'sparse', selection: amd64Only };
			const sparse = await planFor(registries, release.reference, blind);
			const { outcome } = await carryOut(registries, sparse);
			expect(outcome).toMatchObject({ kind: 'failed', problem: { code: 'parts-missing' } });
		},
		patienceMs,
	);

	it(
		'is refused as sparse where a registry says by its header that it takes none',
		async () => {
			const quay = await startScripted((request, response) => {
				response.setHeader('x-sparse-manifest-support', 'false');
				response.statusCode = request.url === '/v2/' ? 200 : 404;
				response.end('{}');
			});
			const registries = await openRegistries();
			const facts = await registries.findCapabilities({ registry: quay.host, repository: 'a/b' });
			expect(factAbout(facts, { registry: quay.host, repository: 'a/b' }, 'sparse')).toMatchObject({
				answer: 'no',
				basis: 'stated',
			});
			const goal: Goal = { host: quay.host, mode: 'sparse', selection: amd64Only, facts };
			const refused = await refusalOf(planFor(registries, release.reference, goal));
			expect(refused.reason).toContain('X-Sparse-Manifest-Support: false');
			await planFor(registries, release.reference, { ...goal, mode: 'prune' });
			expect(quay.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
		},
		patienceMs,
	);
});

describeWithRegistries('a probe', () => {
	let registry: DockerRegistry;
	beforeAll(async () => {
		registry = await startDockerRegistry({ inMemory: true });
	}, patienceMs);
	afterAll(() => Promise.all([stopAll(), registry.stop()]));

	async function answersOf(repository: { registry: string; repository: string }, store?: string) {
		const registries = await openRegistries(store);
		const tools = { registries, hash: hashBytes };
		const facts = await probeRegistry(tools, repository, { now: () => 5 });
		return { facts, answers: facts.map(({ about, answer }) => `${about} ${answer}`) };
	}

	it(
		'of docker-registry finds that it takes both kinds of index and no sparse one, twice the same',
		async () => {
			const repository = { registry: registry.host, repository: 'acme/probe' };
			const first = await answersOf(repository);
			expect(first.answers).toEqual(['oci-index yes', 'docker-list yes', 'sparse no']);
			expect(first.facts.at(-1)?.evidence).toContain((await probeContents(hashBytes)).absent);
			expect((await answersOf(repository)).facts).toEqual(first.facts);
			expect(await allTags(`${registry.host}/acme/probe`)).toEqual([]);
		},
		patienceMs,
	);

	it(
		'of the embedded registry finds what that says of itself',
		async () => {
			const store = await temporaryFolder();
			const { answers, facts } = await answersOf({ registry: 'store', repository: 'probe' }, store);
			expect(answers).toEqual(['oci-index yes', 'docker-list yes', 'sparse no']);
			const stated = await (
				await openRegistries(store)
			).findCapabilities({
				registry: 'store',
				repository: 'probe',
			});
			for (const fact of mergeFacts(stated, facts)) {
				const own = stated.find(({ about }) => about === fact.about);
				expect(fact.answer).toBe(own?.answer);
			}
		},
		patienceMs,
	);
});

/** Takes uploads and images, and answers indexes as it is told. */
async function scriptedRegistry(refuse: (mediaType: string, count: number) => object | undefined) {
	let indexes = 0;
	return startScripted((request, response) => {
		const { method, url = '', headers } = request;
		request.resume();
		request.once('end', () => {
			const mediaType = headers['content-type'] ?? '';
			const isIndex = /index|manifest\.list/.test(mediaType);
			const body = method === 'PUT' && isIndex ? refuse(mediaType, (indexes += 1)) : undefined;
			if (body) response.writeHead(400).end(JSON.stringify({ errors: [body] }));
			else if (method === 'HEAD') response.writeHead(404).end();
			else if (method === 'POST') {
				response.writeHead(202, { location: `${url}session` }).end();
			} else {
				const digest = /manifests\/(.*)/.exec(url)?.[1];
				response.writeHead(201, digest ? { 'docker-content-digest': digest } : {}).end();
			}
		});
	});
}

it.each([
	[
		'Quay',
		(digest: string) => ({
			code: 'MANIFEST_INVALID',
			message: `Could not find child manifest with digest \`${digest}\``,
		}),
		'sparse no',
	],
	['zot', () => ({ code: 'MANIFEST_INVALID', message: 'manifest invalid' }), 'sparse no'],
	[
		'distribution',
		(digest: string) => ({
			code: 'MANIFEST_BLOB_UNKNOWN',
			message: 'blob unknown to registry',
			detail: digest,
		}),
		'sparse no',
	],
	['a registry that takes them', () => undefined, 'sparse yes'],
])('a probe understands how %s answers a sparse index', async (_, answer, expected) => {
	const { absent } = await probeContents(hashBytes);
	const { host } = await scriptedRegistry((__, count) =>
		count === 3 ? answer(absent) : undefined,
	);
	const registries = await openRegistries();
	const repository = { registry: host, repository: 'acme/probe' };
	const facts = await probeRegistry({ registries, hash: hashBytes }, repository, { now: () => 5 });
	const answers = facts.map((fact) => `${fact.about} ${fact.answer}`);
	expect(answers).toEqual(['oci-index yes', 'docker-list yes', expected]);
	await stopAll();
});

it('a probe that may not write says so, and finds nothing', async () => {
	const { host, requests } = await startScripted((request, response) => {
		request.resume();
		response.writeHead(request.method === 'HEAD' ? 404 : 403).end();
	});
	const registries = await openRegistries();
	const probing = probeRegistry(
		{ registries, hash: hashBytes },
		{ registry: host, repository: 'acme/probe' },
		{ now: () => 5 },
	);
	expect((await refusalOf(probing)).code).toBe('denied');
	expect(requests.filter(({ path }) => path.includes('/manifests/'))).toEqual([]);
	await stopAll();
});
