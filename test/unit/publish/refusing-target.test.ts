import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { isIndexType } from '../../../shared/oci/media-type.ts';
import { contentAt, stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import { explain } from '../../../shared/report/explain.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { registryError, startFront, type Front, type FrontRequest } from '../../support/front.ts';
import { isWriting, requestsDuring } from '../../support/request-watch.ts';
import { pushSmallRelease, type SmallRelease } from '../../support/small-release.ts';
import {
	carryOut,
	describeWithRegistries,
	expectNoTags,
	expectTags,
	getBlob,
	openRegistries,
	patienceMs,
	planFor,
	temporaryFolder,
} from './publishing.ts';

let source: DockerRegistry;
let release: SmallRelease;

/** True for a push of an index of the plan, by digest. */
function pushesIndexOf(plan: Plan): (request: FrontRequest) => boolean {
	const digests = stepsOf(plan, 'manifest').flatMap(({ content }) => {
		const { digest, mediaType } = contentAt(plan, content);
		return isIndexType(mediaType) ? [digest] : [];
	});
	return ({ method, path }) =>
		method === 'PUT' && digests.some((digest) => path.endsWith(`/manifests/${digest}`));
}

async function problemWhere(work: Promise<unknown>): Promise<Problem> {
	return work.then(
		() => Promise.reject(new Error('it went well')),
		(error: unknown) => problemOf(error),
	);
}

describeWithRegistries('a target that does not take an index', () => {
	let target: DockerRegistry;
	let front: Front;
	beforeAll(async () => {
		[source, target] = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		[release, front] = await Promise.all([
			pushSmallRelease({ host: source.host }),
			startFront(target.host),
		]);
	}, patienceMs);
	afterEach(() => {
		front.meddle = undefined;
	});
	afterAll(() => Promise.all([front.stop(), source.stop(), target.stop()]));

	it.each([
		[400, registryError('MANIFEST_INVALID', 'manifest invalid')],
		[415, undefined],
	])(
		'fails the run by %i before a tag is moved; a later run finishes and sends no blob again',
		async (status, body) => {
			const registries = await openRegistries();
			const version = `4.20.0-${status}.${body ? 1 : 0}`;
			const plan = await planFor(registries, release.reference, { ...front, version });
			const isIndex = pushesIndexOf(plan);
			front.meddle = (request) => (isIndex(request) ? { kind: 'answer', status, body } : undefined);
			const { outcome } = await carryOut(registries, plan);
			expect(outcome).toMatchObject({
				kind: 'failed',
				problem: { code: 'manifest-refused', origin: 'registry', status, registry: front.host },
			});
			await expectNoTags(plan);
			for (const step of [...stepsOf(plan, 'blob'), ...stepsOf(plan, 'upload')]) {
				const { digest } = contentAt(plan, step.content);
				const { repository } = plan.repositories[step.to]!;
				expect(await getBlob(`${target.host}/${repository}`, digest)).toMatchObject({ digest });
			}

			front.meddle = undefined;
			const requests = await requestsDuring(async () => {
				expect((await carryOut(registries, plan)).outcome).toEqual({ kind: 'verified' });
			});
			const ofBlobs = requests.filter(({ path }) => path.includes('/blobs/'));
			expect(ofBlobs.filter(isWriting)).toEqual([]);
			await expectTags(plan);
		},
		patienceMs,
	);

	it(
		'that denies uploads ends the run with what to do, and nothing is written',
		async () => {
			const registries = await openRegistries();
			const goal = { ...front, version: '4.20.0-denied' };
			const plan = await planFor(registries, release.reference, goal);
			const body = registryError('DENIED', 'requested access to the resource is denied');
			front.meddle = ({ method }) =>
				method === 'POST' ? { kind: 'answer', status: 403, body } : undefined;
			const before = front.answered.length;
			const { outcome } = await carryOut(registries, plan);
			if (outcome?.kind !== 'failed') throw new Error(`the run is ${outcome?.kind}`);
			expect(outcome.problem).toMatchObject({ code: 'denied', status: 403 });
			expect(explain(outcome.problem).remedies.join()).toContain(`docker login ${front.host}`);
			expect(front.answered.slice(before).filter(isWriting)).toEqual([]);
			await expectNoTags(plan);
		},
		patienceMs,
	);
});

describeWithRegistries('a target that wants a login', () => {
	// “tester” with the password “pass:word”, as htpasswd -B prints it.
	const line = 'tester:$2b$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki';
	let locked: DockerRegistry;
	let open: DockerRegistry;
	afterEach(async () => {
		vi.unstubAllEnvs();
		await Promise.all([locked.stop(), open.stop()]);
	});

	/** Registries as they are to a user whose Docker file holds this password, or no login. */
	async function registriesWith(password?: string) {
		const folder = await temporaryFolder();
		const auth = Buffer.from(`tester:${password}`).toString('base64');
		const auths = password === undefined ? {} : { [locked.host]: { auth } };
		await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }));
		vi.stubEnv('DOCKER_CONFIG', folder);
		return openRegistries();
	}

	it(
		'refuses the plan and the run without one or with a wrong one, and takes the right one',
		async () => {
			const folder = await temporaryFolder();
			await writeFile(join(folder, 'htpasswd'), `${line}\n`);
			const htpasswd = { realm: 'test', path: join(folder, 'htpasswd') };
			[open, locked] = await Promise.all([
				startDockerRegistry({ inMemory: true }),
				startDockerRegistry({ auth: { htpasswd } }),
			]);
			const pushed = await pushSmallRelease({ host: open.host });
			const welcome = await registriesWith('pass:word');
			const plan = await planFor(welcome, pushed.reference, locked);

			for (const password of [undefined, 'wrong']) {
				const registries = await registriesWith(password);
				const planning = await problemWhere(planFor(registries, pushed.reference, locked));
				expect(planning).toMatchObject({ code: 'unauthorized', registry: locked.host });
				expect(explain(planning).remedies[0]).toContain(`docker login ${locked.host}`);
				const requests = await requestsDuring(async () => {
					const { outcome } = await carryOut(registries, plan);
					expect(outcome).toMatchObject({ kind: 'failed', problem: { code: 'unauthorized' } });
					expect(JSON.stringify(outcome)).not.toContain('wrong');
				});
				expect(requests.filter(isWriting)).toEqual([]);
			}
			const again = await registriesWith('pass:word');
			expect((await carryOut(again, plan)).outcome).toEqual({ kind: 'verified' });
		},
		patienceMs,
	);
});
