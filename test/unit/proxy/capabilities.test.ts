import type { ServerResponse } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { plan } from '../../../proxy/cli/plan.ts';
import { probeCommand } from '../../../proxy/cli/probe.ts';
import { readPlanPruneArguments } from '../../../proxy/cli/plan-prune-arguments.ts';
import { UsageError, usageHint } from '../../../proxy/cli/usage.ts';
import { chooseCommand } from '../../../proxy/cli/arguments.ts';
import { demoReference } from '../../../proxy/demo/demo-release.ts';
import { openOwnRegistries } from '../../../proxy/server/own-registries.ts';
import { registryFactsSchema } from '../../../shared/api/schema.ts';
import { parsePlan } from '../../../shared/plan/plan-file.ts';
import { factAbout, factsOfStore } from '../../../shared/registry/capabilities.ts';
import { hasDockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { pushSmallRelease } from '../../support/small-release.ts';
import { startScripted, stopAll } from '../upstream/scripted-server.ts';
import { fakeApp, fakeReader, fakeWriter } from './fake-reader.ts';

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'espalier-capabilities-'));
	for (const name of ['XDG_DATA_HOME', 'HOME', 'DOCKER_CONFIG']) vi.stubEnv(name, folder);
});
afterEach(async () => {
	vi.unstubAllEnvs();
	await stopAll();
	await rm(folder, { recursive: true, force: true });
});

async function finished(
	command: (args: readonly string[], output: Parameters<typeof plan>[1]) => Promise<number>,
	...args: readonly string[]
) {
	const printed = { stdout: '', stderr: '' };
	const code = await command(args, {
		stdout: { write: (text: string) => (printed.stdout += text) },
		stderr: { write: (text: string) => (printed.stderr += text) },
	});
	return { code, ...printed };
}

describe('GET /api/registries', () => {
	const capabilities = factsOfStore(5);
	const callerWith = () => ({
		reader: fakeReader(),
		writer: fakeWriter(),
		describeRegistry: () =>
			Promise.resolve({
				registry: 'store',
				transport: 'store' as const,
				credential: { registry: 'store', kind: 'none' as const },
			}),
		findCapabilities: () => Promise.resolve(capabilities),
	});

	it.each([
		['', undefined],
		['&capabilities=ask', [...capabilities]],
		['&capabilities=no', undefined],
	])('asks the registry itself where it is told to: %j', async (query, expected) => {
		const response = await fakeApp({ callerWith }).send(
			`/api/registries?repository=store/a${query}`,
		);
		expect(registryFactsSchema.parse(await response.json()).capabilities).toEqual(expected);
	});
});

describe('without writing', () => {
	async function factsOf(answers: Readonly<Record<string, (response: ServerResponse) => void>>) {
		const server = await startScripted((request, response) => {
			const path = request.url?.startsWith('/v2/a/b/referrers/') ? 'referrers' : request.url;
			const answer = answers[path ?? ''];
			if (answer) answer(response);
			else response.writeHead(404).end();
		});
		const registries = await openOwnRegistries(
			{ registries: { plainHttp: [], authorities: new Map(), trustedRealms: [] } },
			[],
		);
		const repository = { registry: server.host, repository: 'a/b' };
		try {
			return { facts: await registries.findCapabilities(repository), repository, server };
		} finally {
			await registries.close();
		}
	}

	it('a registry is asked for its address and for referrers, and for nothing else', async () => {
		const { facts, repository, server } = await factsOf({
			'/v2/': (response) => {
				response.writeHead(200, { 'x-sparse-manifest-support': 'true' }).end('{}');
			},
			referrers: (response) => {
				response.writeHead(200, { 'content-type': 'application/vnd.oci.image.index.v1+json' });
				response.end('{"manifests":[]}');
			},
		});
		expect(factAbout(facts, repository, 'sparse')).toMatchObject({ answer: 'yes' });
		expect(factAbout(facts, repository, 'referrers')).toMatchObject({
			answer: 'yes',
			basis: 'stated',
		});
		expect(new Set(server.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
		expect(server.requests).toHaveLength(2);
	});

	it.each<[string, number, string, string]>([
		['a plain 404', 404, '', 'no'],
		['405', 405, '', 'no'],
		['an unknown repository', 404, '{"errors":[{"code":"NAME_UNKNOWN"}]}', 'unknown'],
		['403', 403, '', 'unknown'],
		['something that is no index', 200, '<html>', 'unknown'],
	])('%s to a question for referrers is understood', async (_, status, body, answer) => {
		const { facts, repository } = await factsOf({
			referrers: (response) => response.writeHead(status).end(body),
		});
		expect(factAbout(facts, repository, 'referrers')).toMatchObject({ answer });
	});

	it('one that does not answer leaves everything unknown, and is no error', async () => {
		const registries = await openOwnRegistries(
			{ registries: { plainHttp: [], authorities: new Map(), trustedRealms: [] } },
			[],
		);
		const repository = { registry: '127.0.0.1:9', repository: 'a' };
		expect(await registries.findCapabilities(repository)).toEqual([]);
		await registries.close();
	});
});

describe('espalier probe', () => {
	it('says before what it writes, and then what was taken', async () => {
		const { code, stdout, stderr } = await finished(
			probeCommand,
			...['store/acme/probe', '--store', folder],
		);
		expect(stderr).toContain('They get no tag and stay there; nothing is deleted');
		expect(stdout).toMatch(/OCI indexes: yes\..*\n {2}Docker manifest lists: yes\./);
		expect(stdout).toContain('sparse indexes: no.');
		expect(code).toBe(0);
	});

	it('that may not write says why, and exits with 1', async () => {
		const { host } = await startScripted((request, response) => {
			request.resume();
			response.writeHead(request.method === 'HEAD' ? 404 : 403).end();
		});
		const { code, stdout, stderr } = await finished(probeCommand, `${host}/acme/probe`);
		expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
		expect(stderr).toContain('Access denied');
	});

	it('explains itself, and is one of the commands', async () => {
		expect((await finished(probeCommand, '--help')).stdout).toContain('espalier probe REPOSITORY');
		expect(chooseCommand(['probe', 'a.test/b'])).toEqual({ name: 'probe', rest: ['a.test/b'] });
		expect(usageHint(['probe'])).toBe('See “espalier probe --help”.');
	});

	it.each([[], ['a.test/b:1'], ['a.test/b', 'c.test/d'], ['a b'], ['a.test/b', '--tag']])(
		'refuses %j %j',
		async (...args: string[]) => {
			await expect(finished(probeCommand, ...args)).rejects.toThrow(UsageError);
		},
	);
});

describe('espalier plan prune --mode', () => {
	const to = ['--to', 'store/acme/parts', '--release', 'store/acme/release:1'];

	it.each([
		['whole', []],
		['sparse', ['--keep', 'linux/amd64']],
	])('%s is refused where something of it cannot be copied, which is named', async (mode, more) => {
		const { code, stderr } = await finished(
			plan,
			...['prune', demoReference, ...to, '--mode', mode, ...more, '--store', folder],
		);
		expect(code).toBe(1);
		expect(stderr).toContain('insights-operator has to be copied, but could not be read');
		expect(stderr.includes('cluster-autoscaler for linux/arm64')).toBe(mode === 'whole');
	});

	it.skipIf(!hasDockerRegistry)(
		'whole goes through, sparse is refused by a store that says that it takes none',
		async () => {
			const registry = await startDockerRegistry({ inMemory: true });
			const { reference } = await pushSmallRelease({ host: registry.host });
			const inStore = ['prune', reference, ...to, '--store', folder];
			const file = join(folder, 'plan.json');
			const whole = await finished(plan, ...inStore, '--mode', 'whole', '-o', file);
			expect(whole).toMatchObject({ code: 0 });
			expect(whole.stdout).toContain('are copied whole');
			expect(whole.stdout).toContain('What store/acme/parts takes');
			const made = await parsePlan(await readFile(file, 'utf8'), hashOf);
			expect(made.subject).toMatchObject({ choices: { mode: 'whole', selfContained: true } });

			const sparse = ['--mode', 'sparse', '--keep', 'linux/amd64', '--no-estimate'];
			const refused = await finished(plan, ...inStore, ...sparse);
			expect(refused.code).toBe(1);
			expect(refused.stderr).toContain('keeps OCI layouts whole');
			expect(refused.stderr).toContain('--mode prune');
			await registry.stop();
		},
		60_000,
	);

	it.each([
		[['--mode', 'some']],
		[['--mode', 'whole', '--drop-placeholders']],
		[['--mode', 'whole', '--drop', 'etcd@linux/amd64']],
		[['--mode', 'sparse', '--drop-placeholders', '--version', '4.20.1']],
		[['--mode', 'sparse']],
	])('refuses %j', (flags) => {
		const read = () => readPlanPruneArguments(['quay.io/acme/release:1', ...to, ...flags]);
		expect(read).toThrow(UsageError);
	});
});
