import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Agents, type Resolve } from '../../../proxy/upstream/agents.ts';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import { collect } from '../../../proxy/upstream/exchange.ts';
import { readProxies, type ProxyFor } from '../../../proxy/upstream/outgoing-proxy.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { freePort } from '../../support/docker-registry.ts';
import {
	startConnectProxy,
	type ConnectProxy,
	type ConnectProxyOptions,
} from '../../support/connect-proxy.ts';
import { Certificates, type Certificate } from '../../support/certificates.ts';
import { sha256 } from '../../support/push.ts';
import {
	all,
	manifestBytes,
	readerWith,
	readOne,
	refer,
	sendManifest,
	startScripted,
	stopAll,
} from './scripted-server.ts';

const proxies: ConnectProxy[] = [];
const opened: Agents[] = [];
afterEach(async () => {
	await Promise.all(opened.splice(0).map((agents) => agents.close()));
	await stopAll();
	await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});

function read(variables: Record<string, string>): ProxyFor {
	const result = readProxies(variables);
	if (!result.ok) throw new Error(result.reason);
	return result.proxyFor;
}

describe('which requests leave through a proxy', () => {
	const proxied = (registry: string, variables: Record<string, string>, plain: string[] = []) =>
		read(variables)(endpointOf(registry, plain))?.endpoint.origin;
	const both = { HTTPS_PROXY: 'http://secure.test:3128', HTTP_PROXY: 'plain.test:8080' };

	it('none where nothing is set', () => {
		expect(proxied('quay.io', {})).toBeUndefined();
		expect(proxied('quay.io', { NO_PROXY: 'a', HTTPS_PROXY: '' })).toBeUndefined();
	});

	it.each([
		['quay.io', both, 'http://secure.test:3128'],
		['plain.lan:5000', both, 'http://plain.test:8080'],
		['quay.io', { https_proxy: 'https://lower.test' }, 'https://lower.test'],
		['quay.io', { HTTPS_PROXY: 'http://upper.test', https_proxy: 'x' }, 'http://upper.test'],
		['quay.io', { HTTP_PROXY: 'http://plain.test' }, undefined],
		['localhost:5000', both, undefined],
		['127.1.2.3:5000', both, undefined],
		['[::1]:5000', both, undefined],
	])('those to %s, given %j', (registry, variables, proxy) => {
		expect(proxied(registry, { ...variables }, ['plain.lan:5000'])).toBe(proxy);
	});

	it.each([
		['*', 'quay.io', false],
		['quay.io', 'quay.io', false],
		['QUAY.IO', 'quay.io', false],
		['io, quay.io', 'a.quay.io', false],
		['quay.io', 'notquay.io', true],
		['.quay.io', 'quay.io', true],
		['.quay.io', 'cdn.quay.io', false],
		['*.quay.io', 'cdn.quay.io', false],
		['quay.io:8443', 'quay.io:8443', false],
		['quay.io:8443', 'quay.io', true],
		['quay.io:443', 'quay.io', false],
		['docker.io', 'docker.io', false],
		['10.0.0.0/8', '10.1.2.3:5000', false],
		['10.0.0.0/8', '11.1.2.3:5000', true],
		['10.0.0.0/8', 'ten.test', true],
		['10.1.2.3', '10.1.2.3:5000', false],
		['10.1.2.3:5000', '10.1.2.3:5001', true],
		['fd00::/8', '[fd12::1]:5000', false],
		['fd12:0::1', '[fd12::1]:5000', false],
		['[fd12::1]:5000', '[fd12::1]:5000', false],
		['10.0.0.0/8', '[fd12::1]', true],
		['a  b,quay.io ', 'quay.io', false],
		['999.0.0.0/8,(((', 'quay.io', true],
	])('with NO_PROXY=%s, %s does: not', (list, registry, isProxied) => {
		const variables = { HTTPS_PROXY: 'http://p.test', no_proxy: list };
		expect(proxied(registry, variables) !== undefined).toBe(isProxied);
	});

	it.each([
		[{ HTTPS_PROXY: 'socks5://me:hunter2@p.test' }, /HTTPS_PROXY is a “socks5:\/\/” one/],
		[{ HTTP_PROXY: 'http://me:hunter2@:x' }, /HTTP_PROXY cannot be understood/],
	])('cannot be told from %j', (variables, reason) => {
		const result = readProxies(variables);
		expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(reason) as string });
		expect(JSON.stringify(result)).not.toContain('hunter2');
	});
});

describe('through a proxy', () => {
	const certificates = new Certificates();
	let server: Certificate;
	beforeAll(() => {
		server = certificates.make('registry.test', { hosts: ['registry.test', 'other.test'] });
	});
	afterAll(() => certificates.remove());

	/** Nothing but the proxy knows these names. */
	const hosts = { 'registry.test': '127.0.0.1', 'other.test': '127.0.0.1' };
	const unknown: Resolve = () => Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' }));

	async function proxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
		const started = await startConnectProxy({ hosts, ...options });
		proxies.push(started);
		return started;
	}

	function agentsVia(url: string, { noProxy = '', connectMs = 20_000 } = {}): Agents {
		const variables = { HTTPS_PROXY: url, HTTP_PROXY: url, NO_PROXY: noProxy };
		const agents = new Agents({
			authorities: new Map([
				['registry.test', server.cert],
				['other.test', server.cert],
			]),
			proxyFor: read(variables),
			resolve: (hostname) =>
				hostname === '127.0.0.1'
					? Promise.resolve([{ address: hostname, family: 4 }])
					: unknown(hostname),
			timeouts: { connectMs, headersMs: 5_000, bodyMs: 5_000 },
		});
		opened.push(agents);
		return agents;
	}

	async function ask(
		agents: Agents,
		registry: string,
		options: { plainHttp?: string[]; headers?: Record<string, string> } = {},
	): Promise<string> {
		const { plainHttp = [], headers = {} } = options;
		const to = agents.to(endpointOf(registry, plainHttp), 'named');
		const answer = await collect(to, { method: 'GET', path: '/v2/', headers }, 1_000);
		return `${answer.status} ${Buffer.from(answer.bytes).toString()}`;
	}

	const failure = (work: Promise<unknown>) =>
		work.then(
			() => undefined,
			(error: unknown) => problemOf(error),
		);

	it('reads from registries with TLS and without, whose names the proxy alone can look up', async () => {
		const heard: (string | undefined)[] = [];
		const script: Parameters<typeof startScripted>[0] = (request, response) => {
			heard.push(request.headers.host, request.headers['proxy-authorization']);
			response.end('hello');
		};
		const secure = await startScripted(script, server);
		const plain = await startScripted(script);
		const via = await proxy();
		const agents = agentsVia(`http://${via.host}`);
		const headers = { accept: '*/*' };
		const [one, two] = [`registry.test:${secure.port}`, `other.test:${plain.port}`];
		expect(await ask(agents, one, { headers })).toBe('200 hello');
		expect(await ask(agents, two, { headers, plainHttp: ['other.test'] })).toBe('200 hello');
		expect(via.asked.map(({ target }) => target)).toEqual([one, two]);
		expect(heard).toEqual([one, undefined, two, undefined]);
		expect([headers, via.otherwise]).toEqual([{ accept: '*/*' }, []]);
	});

	it('uses a tunnel for many requests, and no more than there are at a time', async () => {
		const secure = await startScripted((_request, response) => response.end('x'), server);
		const via = await proxy();
		const agents = agentsVia(`http://${via.host}`);
		const registry = `registry.test:${secure.port}`;
		for (let count = 0; count < 5; count += 1) await ask(agents, registry);
		expect(via.asked.length).toBeLessThan(3);
		await Promise.all([...Array(20).keys()].map(() => ask(agents, registry)));
		expect(via.asked.length).toBeLessThanOrEqual(22);
	});

	it('checks the registry’s own certificate inside the tunnel', async () => {
		const stranger = certificates.make('registry.test', { hosts: ['registry.test'] });
		const secure = await startScripted((_request, response) => response.end('x'), stranger);
		const via = await proxy();
		const agents = agentsVia(`http://${via.host}`);
		await expect(ask(agents, `registry.test:${secure.port}`)).rejects.toMatchObject({
			code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
		});
	});

	it('shows the login of its address to the proxy and to nobody else', async () => {
		const seen: string[] = [];
		const secure = await startScripted((request, response) => {
			seen.push(JSON.stringify(request.headers));
			sendManifest(response);
		}, server);
		const authorization = `Basic ${Buffer.from('me:p w').toString('base64')}`;
		const via = await proxy({ authorization });
		const agents = agentsVia(`http://me:p%20w@${via.host}`);
		expect(await ask(agents, `registry.test:${secure.port}`)).toMatch(/^200/);
		expect(via.asked[0]?.headers['proxy-authorization']).toBe(authorization);
		expect(seen.join()).not.toContain('proxy-authorization');
	});

	it.each([
		[407, 'wants a login before it connects to registry.test'],
		[403, 'does not connect to registry.test:5000 (it answered 403)'],
		[502, 'found no way to registry.test:5000 (it answered 502)'],
		[503, 'found no way'],
	])('says so where the proxy answers %i', async (status, sentence) => {
		const via = await proxy({ refuse: () => status });
		const problem = await failure(
			ask(agentsVia(`http://me:hunter2@${via.host}`), 'registry.test:5000'),
		);
		expect(problem).toMatchObject({ code: 'outgoing-proxy-failed', status });
		expect(problem?.reason).toContain(`The proxy ${via.host} ${sentence}`);
		expect(JSON.stringify(problem)).not.toMatch(/hunter2|bWU6/);
	});

	it('says so where nothing answers at the proxy', async () => {
		const host = `127.0.0.1:${await freePort()}`;
		const problem = await failure(ask(agentsVia(`http://${host}`), 'registry.test'));
		expect(problem).toEqual({
			code: 'outgoing-proxy-failed',
			origin: 'proxy',
			registry: 'registry.test',
			reason: `registry.test is reached through the proxy ${host}. Nothing answers at ${host}.`,
		});
	});

	it('says so where the proxy does not answer', async () => {
		const via = await proxy({ isSilent: true });
		const agents = agentsVia(`http://${via.host}`, { connectMs: 300 });
		const problem = await failure(ask(agents, 'registry.test'));
		expect(problem).toMatchObject({ code: 'outgoing-proxy-failed' });
		expect(problem?.reason).toContain(`${via.host} took too long`);
	});

	it('says so where the address of the proxy is that of a metadata service', async () => {
		const agents = agentsVia('http://169.254.169.254');
		expect(await failure(ask(agents, 'registry.test'))).toMatchObject({ code: 'egress-blocked' });
	});

	it.each(['10.0.0.7', '169.254.169.254', '[::ffff:127.0.0.1]:5000'])(
		'never asks the proxy for %s where content named it',
		async (registry) => {
			const via = await proxy();
			const agents = agentsVia(`http://${via.host}`);
			expect(() => agents.to(endpointOf(registry, []), 'derived')).toThrow('egress-blocked');
			expect(via.asked).toEqual([]);
		},
	);

	it('finds out once that the proxy does not let it through, however many documents wait', async () => {
		const via = await proxy({ authorization: 'Basic other' });
		const proxyFor = read({ HTTPS_PROXY: `http://me:hunter2@${via.host}` });
		const reader = readerWith({ proxyFor });
		const requests = [...Array(30).keys()].map((number) => ({
			reference: refer('registry.test', sha256(manifestBytes(number))),
		}));
		const results = await all(reader.readManifests(requests));
		const problems = results.map((result) => (result.ok ? undefined : result.problem));
		expect(new Set(problems.map((problem) => problem?.code))).toEqual(
			new Set(['outgoing-proxy-failed']),
		);
		expect(via.asked).toHaveLength(1);
		expect(JSON.stringify(results)).not.toMatch(/hunter2|bWU6/);
	});

	it('reads what a registry behind it has, through the same port as ever', async () => {
		const secure = await startScripted((_request, response) => sendManifest(response), server);
		const via = await proxy();
		const reader = readerWith({
			proxyFor: read({ HTTPS_PROXY: via.host }),
			authorities: new Map([['registry.test', server.cert]]),
		});
		expect(await readOne(reader, `registry.test:${secure.port}`)).toHaveProperty('text');
		expect(via.asked).toHaveLength(1);
	});

	it('reaches loopback and exceptions directly', async () => {
		const plain = await startScripted((_request, response) => response.end('x'));
		const via = await proxy();
		const agents = agentsVia(`http://${via.host}`, { noProxy: 'registry.test' });
		expect(await ask(agents, plain.host)).toBe('200 x');
		await expect(ask(agents, 'registry.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
		expect(via.asked).toEqual([]);
	});
});
