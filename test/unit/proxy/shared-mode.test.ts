import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../../../proxy/app.ts';
import { ClientLimits, usualAllowance } from '../../../proxy/guard/client-limits.ts';
import { sharedServing } from '../../../proxy/guard/serving.ts';
import { listenOn, type Listening } from '../../../proxy/server/listen.ts';
import { toRequestListener } from '../../../proxy/server/request-listener.ts';
import { publicHost, startShared, type SharedEspalier } from '../../support/shared-espalier.ts';
import { startScripted, stopAll } from '../upstream/scripted-server.ts';
import { appOptions, fakeReader, problemIn } from './fake-reader.ts';

let folder: string;
let espalier: SharedEspalier;

beforeEach(async () => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-pages-'));
	writeFileSync(join(folder, 'index.html'), '<!doctype html>');
});
afterEach(async () => {
	await espalier.stop();
	await stopAll();
	rmSync(folder, { recursive: true });
});

async function start(...flags: readonly string[]): Promise<void> {
	const registries = ['--registries', 'quay.io/team,registry.test'];
	espalier = await startShared([...registries, ...flags], { pagesFolder: folder });
}

/** What comes back for these very bytes, until the connection ends. */
async function raw(...lines: readonly string[]): Promise<string> {
	const socket = connect(espalier.port, '127.0.0.1');
	socket.end([...lines, 'Connection: close', '', ''].join('\r\n'));
	let answer = '';
	socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
	await once(socket, 'close');
	return answer;
}

describe('who may ask a shared server', () => {
	beforeEach(() => start());

	it.each([publicHost, `${publicHost}:443`, publicHost.toUpperCase(), `${publicHost}.`])(
		'is whoever calls it %s, for the page and the API, without any token',
		async (host) => {
			const session = await espalier.send('/api/session', { headers: { host } });
			expect(session.json()).toEqual({
				version: expect.any(String) as unknown,
				mode: 'shared',
				registries: ['quay.io/team', 'registry.test'],
			});
			expect((await espalier.send('/', { headers: { host } })).status).toBe(200);
		},
	);

	it.each([
		'localhost',
		'127.0.0.1',
		'evil.test',
		`${publicHost}:80`,
		`${publicHost}:8080`,
		`evil.${publicHost}`,
		`${publicHost}.evil.test`,
		`user@${publicHost}`,
		`${publicHost},evil.test`,
	])('is nobody who calls it %s, whatever is claimed of the way there', async (host) => {
		for (const path of ['/api/session', '/api/session/mode', '/', '/v2/', '/nothing', '/metrics']) {
			const headers = { host, 'x-forwarded-host': publicHost, forwarded: `host=${publicHost}` };
			const { status, headers: given } = await espalier.send(path, { headers });
			// What cannot even be made a URL is refused as that.
			expect([400, 403]).toContain(status);
			expect(given['x-content-type-options']).toBe('nosniff');
		}
	});

	it('is nobody with two Hosts, none, or a target that is no path', async () => {
		const get = 'GET /api/session HTTP/1.1';
		expect(await raw(get, `Host: ${publicHost}`, 'Host: evil.test')).toMatch(/^HTTP\/1\.1 403 /);
		expect(await raw(get)).toMatch(/^HTTP\/1\.1 400 /);
		const absolute = `GET https://${publicHost}/api/session HTTP/1.1`;
		expect(await raw(absolute, `Host: ${publicHost}`)).toMatch(/^HTTP\/1\.1 403 /);
		expect(await raw(`CONNECT ${publicHost}:443 HTTP/1.1`, `Host: ${publicHost}`)).toMatch(
			/^HTTP\/1\.1 403 /,
		);
		const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
		expect(await raw(get, `Host: ${publicHost}`, ...upgrade)).toMatch(/^HTTP\/1\.1 403 /);
	});

	it.each([{ origin: `https://${publicHost}` }, { 'sec-fetch-site': 'same-origin' }, {}])(
		'is a page of its own origin, and a program: %j',
		async (headers: Record<string, string>) => {
			expect((await espalier.send('/api/session', { headers })).status).toBe(200);
		},
	);

	it.each([
		{ origin: 'https://evil.test' },
		{ origin: 'null' },
		{ origin: '' },
		{ origin: `http://${publicHost}` },
		{ origin: `https://${publicHost}:444` },
		{ origin: `https://evil.${publicHost}` },
		{ 'sec-fetch-site': 'cross-site' },
		{ 'sec-fetch-site': 'same-site' },
		{ 'sec-fetch-site': 'none' },
		{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.test' },
	])('is no page from elsewhere: %j', async (headers: Record<string, string>) => {
		expect((await espalier.send('/api/session', { headers })).status).toBe(403);
	});

	it('is told nothing by a preflight', async () => {
		for (const path of ['/api/manifests', '/api/session', '/', '/healthz', '/v2/']) {
			const { status, headers } = await espalier.send(path, {
				method: 'OPTIONS',
				headers: {
					origin: 'https://evil.test',
					'access-control-request-method': 'POST',
					'access-control-request-headers': 'x-espalier-logins',
				},
			});
			expect(status).toBe(403);
			expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
		}
	});

	it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-8'])(
		'sends JSON as JSON, and not as %s',
		async (type) => {
			const headers = { 'content-type': type };
			const init = { method: 'POST', body: { requests: [] }, headers } as const;
			expect((await espalier.send('/api/manifests', init)).status).toBe(415);
		},
	);

	it('finds nothing that leads to a token, and no other method', async () => {
		for (const path of ['/api/session/code', '/api/session/exchange']) {
			const answer = await espalier.send(path, { method: 'POST', body: { code: 'x' } });
			expect(answer.status).toBe(404);
		}
		const nonce = 'N'.repeat(43);
		expect((await espalier.send(`/api/session/proof?nonce=${nonce}`)).status).toBe(404);
		expect((await espalier.send('/api/session/mode')).json()).toEqual({ mode: 'shared' });
		expect((await espalier.send('/api/session', { method: 'DELETE' })).status).toBe(405);
		expect((await espalier.send('/metrics')).status).toBe(404);
	});

	it('is any probe, which is told one word', async () => {
		const answer = await espalier.send('/healthz', { headers: { host: '10.0.0.7:8080' } });
		expect([answer.status, answer.text]).toEqual([200, 'ok\n']);
		expect((await espalier.send('/healthz/x', { headers: { host: 'a' } })).status).toBe(403);
	});
});

describe('what goes between a shared server and its registries', () => {
	it('has no header of the one side on the other, and nothing that is active', async () => {
		const script = await startScripted((_, response) => {
			response.setHeader('connection', 'close, x-secret');
			response.setHeader('x-secret', 'hop');
			response.setHeader('set-cookie', 'a=b');
			response.setHeader('server', 'theirs');
			response.setHeader('content-type', 'text/html');
			response.end('<script>');
		});
		espalier = await startShared(['--registries', script.host]);
		const digest = `sha256:${'0'.repeat(64)}`;
		const path = `/api/blob?reference=${script.host}/a@${digest}`;
		const answer = await espalier.send(path, { headers: { cookie: 'mine', 'x-secret': 'mine' } });
		expect(answer.text).not.toContain('<script>');
		for (const name of ['set-cookie', 'server', 'x-secret']) {
			expect(answer.headers).not.toHaveProperty(name);
		}
		expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
	});

	it('cannot be broken into by what stands in a login or a name', async () => {
		const registry = await startScripted((_, response) => response.writeHead(404).end());
		espalier = await startShared(['--registries', registry.host]);
		const broken = [
			[{ entry: registry.host, login: { kind: 'password', username: 'a\r\nx: y', password: '' } }],
			[{ entry: registry.host, login: { kind: 'registry-token', token: 'a\nb' } }],
		];
		for (const logins of broken) {
			const header = Buffer.from(JSON.stringify(logins)).toString('base64url');
			const headers = { 'x-espalier-logins': header };
			const answer = await espalier.send(`/api/tags?repository=${registry.host}/a`, { headers });
			expect(answer.status).toBe(400);
		}
		for (const name of ['a%0d%0ax', 'a%2f..%2fb', 'a%00', '..']) {
			const answer = await espalier.send(`/api/tags?repository=${registry.host}/${name}`);
			expect(answer.status).toBe(400);
		}
		expect(registry.requests).toEqual([]);
	});
});

describe('the log and the numbers of a shared server', () => {
	beforeEach(() => start('--trusted-proxy', '127.0.0.0/8'));

	it('have a line for each request: who, what, how it went, and no more', async () => {
		const headers = {
			'x-forwarded-for': '192.0.2.1, 203.0.113.9',
			'x-request-id': 'from-ingress-1',
		};
		const answer = await espalier.send('/api/session?secret=1', { headers });
		expect(answer.headers['x-request-id']).toBe('from-ingress-1');
		expect(espalier.served()).toEqual([
			{
				level: 30,
				time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as unknown,
				id: 'from-ingress-1',
				method: 'GET',
				path: '/api/session',
				status: 200,
				ms: expect.any(Number) as unknown,
				bytesIn: expect.any(Number) as unknown,
				bytesOut: expect.any(Number) as unknown,
				client: '203.0.113.9',
			},
		]);
		await espalier.send(`/${'a'.repeat(2_000)}`, { headers: { 'x-request-id': 'no\u00e9' } });
		const [, second] = espalier.served();
		expect(second?.['id']).toMatch(/^[0-9a-f-]{36}$/);
		expect(String(second?.['path'])).toHaveLength(200);
	});

	it('count by route and kind of answer, and leave probes that are well out of the log', async () => {
		await espalier.send('/healthz');
		for (const path of ['/api/session', '/api/session', '/api/none-0815', '/page-4711', '/']) {
			await espalier.send(path);
		}
		await espalier.send('/api/tags?repository=quay.io/else/app');
		expect(espalier.served()).toHaveLength(6);
		const text = await espalier.metrics();
		const value = (name: string) =>
			Number(
				text
					.split('\n')
					.find((line) => line.startsWith(`${name} `))
					?.split(' ')[1],
			);
		const requests = (route: string, status: string) =>
			value(`espalier_http_requests_total{route="${route}",method="GET",status="${status}"}`);
		expect(requests('/api/session', '2xx')).toBe(2);
		expect(requests('/healthz', '2xx')).toBe(1);
		expect(requests('none', '4xx')).toBe(1);
		expect(requests('page', '4xx')).toBe(1);
		expect(requests('page', '2xx')).toBe(1);
		expect(value('espalier_http_requests_in_flight')).toBe(0);
		expect(value('espalier_http_bytes_total{direction="in"}')).toBeGreaterThan(300);
		expect(value('espalier_http_bytes_total{direction="out"}')).toBeGreaterThan(1_000);
		expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
		expect(text).not.toMatch(/0815|4711|quay/);
	});

	it('count what goes to registries, tried again and failed', async () => {
		await espalier.stop();
		let asked = 0;
		const registry = await startScripted((_, response) => {
			asked += 1;
			response.writeHead(asked === 1 ? 503 : 404).end();
		});
		espalier = await startShared(['--registries', registry.host]);
		await espalier.send(`/api/tags?repository=${registry.host}/a`);
		const text = await espalier.metrics();
		expect(text).toContain('\nespalier_upstream_requests_total 2\n');
		expect(text).toContain('\nespalier_upstream_retries_total 1\n');
		expect(text).toContain('espalier_upstream_failures_total{code="repository-unknown"} 1\n');
	});
});

describe('the end of a shared server', () => {
	it('is told to probes, waits for what is under way, and lets nobody new in', async () => {
		let finish = () => undefined as unknown;
		let arrived: () => void = () => undefined;
		const atRegistry = new Promise<void>((resolve) => (arrived = resolve));
		const registry = await startScripted((_, response) => {
			finish = () => response.end('{"tags":["v1"]}');
			arrived();
		});
		espalier = await startShared(['--registries', registry.host], { noticeMs: 300 });
		const running = espalier.send(`/api/tags?repository=${registry.host}/a`);
		await atRegistry;
		const ended = espalier.stop();
		const probe = await espalier.send('/healthz');
		expect([probe.status, probe.text]).toEqual([503, 'stopping\n']);
		expect(probe.headers['connection']).toBe('close');
		await expect.poll(() => isRefused(espalier.port), { timeout: 3_000 }).toBe(true);
		finish();
		expect((await running).lines()).toEqual([{ ok: true, item: 'v1' }]);
		expect(await ended).toBe(0);
	});

	it('does not wait for ever', async () => {
		let arrived: () => void = () => undefined;
		const atRegistry = new Promise<void>((resolve) => (arrived = resolve));
		const registry = await startScripted(() => {
			arrived();
		});
		espalier = await startShared(['--registries', registry.host], { graceMs: 50 });
		const running = espalier.send(`/api/tags?repository=${registry.host}/a`);
		running.catch(() => undefined);
		await atRegistry;
		expect(await espalier.stop()).toBe(0);
		await expect(running).rejects.toThrow();
		expect(espalier.served()).toMatchObject([{ isBrokenOff: true }]);
	});
});

function isRefused(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, '127.0.0.1');
		socket.once('connect', () => {
			socket.destroy();
			resolve(false);
		});
		socket.once('error', () => resolve(true));
	});
}

describe('the limits of a shared server', () => {
	let listening: Listening;
	const agent = new Agent({ keepAlive: false });
	beforeEach(() => start());
	afterEach(() => listening.close(0));

	async function listen(limits: ClientLimits): Promise<{ release: () => void }> {
		let release: () => void = () => undefined;
		const held = new Promise<void>((resolve) => (release = resolve));
		const reader = fakeReader({
			tags: async function* () {
				yield 'v1';
				await held;
			},
		});
		const publicUrl = new URL(`https://${publicHost}`);
		const serving = sharedServing({ publicUrl, registries: ['quay.io'], limits });
		listening = await listenOn(
			{ host: '127.0.0.1', port: 0 },
			toRequestListener(createApp(appOptions({ reader, serving }))),
		);
		return { release };
	}

	function send(path: string, headers: Record<string, string> = {}, method = 'GET') {
		return new Promise<{ status: number; retryAfter: string | undefined; body: string }>(
			(resolve, reject) => {
				const all = { host: publicHost, ...headers };
				const { port } = listening;
				httpRequest({ port, host: '127.0.0.1', path, headers: all, agent, method }, (answer) => {
					let body = '';
					answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
					answer.on('end', () =>
						resolve({
							status: answer.statusCode ?? 0,
							retryAfter: answer.headers['retry-after'],
							body,
						}),
					);
				})
					.on('error', reject)
					.end();
			},
		);
	}

	it('end with 429, the time to wait and a problem that the page knows; probes have none', async () => {
		await listen(new ClientLimits({ ...usualAllowance, requestsPerMinute: 2 }));
		expect((await send('/api/session')).status).toBe(200);
		expect((await send('/api/session', { 'x-forwarded-for': '203.0.113.1' })).status).toBe(200);
		const refused = await send('/api/session', { 'x-forwarded-for': '203.0.113.2' });
		expect(refused).toMatchObject({ status: 429, retryAfter: '30' });
		expect(await problemIn(new Response(refused.body))).toBe('rate-limited');
		for (let count = 0; count < 5; count += 1) {
			expect((await send('/healthz')).status).toBe(200);
		}
	});

	it('count what is under way until it is over', async () => {
		const limits = new ClientLimits({ ...usualAllowance, answersAtOnce: 1 });
		const { release } = await listen(limits);
		const running = send('/api/tags?repository=quay.io/a');
		await expect.poll(async () => (await send('/api/session')).status).toBe(429);
		release();
		expect((await running).status).toBe(200);
		await expect.poll(async () => (await send('/api/session')).status).toBe(200);
	});

	it('count a push as what may take hours: beyond the places for that, others are still answered', async () => {
		const limits = new ClientLimits({ ...usualAllowance, transfersAtOnce: 1 });
		await listen(limits);
		const socket = connect(listening.port, '127.0.0.1');
		socket.on('error', () => undefined);
		const head = [
			'POST /api/manifests/push HTTP/1.1',
			`Host: ${publicHost}`,
			'Content-Type: application/json',
			'Content-Length: 1000',
		];
		socket.write([...head, '', '{'].join('\r\n'));
		const push = { 'content-type': 'application/json', 'content-length': '0' };
		await expect
			.poll(async () => (await send('/api/manifests/push', push, 'POST')).status)
			.toBe(429);
		expect((await send('/api/session')).status).toBe(200);
		socket.destroy();
	});

	it('want to know how long a body is', async () => {
		await listen(new ClientLimits());
		const answer = await send('/api/session', { 'transfer-encoding': 'chunked' });
		expect(answer.status).toBe(411);
	});
});
