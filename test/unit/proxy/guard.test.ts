import { describe, expect, it } from 'vitest';
import { judgeAddressee, loopbackHosts } from '../../../proxy/guard/host.ts';
import { localServing } from '../../../proxy/guard/serving.ts';
import { createToken, isToken, tokensEqual } from '../../../proxy/guard/token.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { fakeApp, port, problemIn, token } from './fake-reader.ts';

const pages = new Map([
	['/', { bytes: new Uint8Array([60]), etag: '"a"', headers: { 'content-type': 'text/html' } }],
]);
const { send } = fakeApp({ pages });

describe('the Host guard', () => {
	it.each(['localhost:4763', 'LOCALHOST:4763', 'localhost.:4763', '127.0.0.1:4763', '[::1]:4763'])(
		'serves %s',
		async (host) => {
			expect((await send('/api/session', { headers: { host } })).status).toBe(200);
			expect((await send('/', { headers: { host } })).status).toBe(200);
		},
	);

	it.each([
		'evil.test:4763',
		'127.0.0.1.nip.io:4763',
		'localhost',
		'localhost:4764',
		'localhost..:4763',
		'localhost:04763',
		'user@localhost:4763',
		'localhost:4763@evil.test',
		'localhost:4763,evil.test',
		'0.0.0.0:4763',
		'127.1:4763',
		'[::]:4763',
		'[::ffff:127.0.0.1]:4763',
		'localhost.evil.test:4763',
		'',
		undefined,
	])('refuses %s, for the API, the page and the embedded registry', async (host) => {
		const headers = { host, 'x-forwarded-host': 'localhost:4763' };
		for (const path of ['/api/session', '/', '/v2/', '/nothing']) {
			const response = await send(path, { headers });
			expect(response.status).toBe(403);
			expect(response.headers.get('x-content-type-options')).toBe('nosniff');
		}
	});

	it('takes only the path form of a request target, and one Host', () => {
		const allowed = loopbackHosts(4763);
		const host = 'localhost:4763';
		expect(judgeAddressee({ target: '/', hosts: [host] }, allowed)).toBeUndefined();
		expect(judgeAddressee({ target: 'http://localhost:4763/', hosts: [host] }, allowed)).toMatch(
			/path/,
		);
		expect(judgeAddressee({ target: '*', hosts: [host] }, allowed)).toMatch(/path/);
		expect(judgeAddressee({ target: '/', hosts: [host, host] }, allowed)).toMatch(/more than one/);
		expect(judgeAddressee({ target: '/', hosts: [] }, allowed)).toMatch(/no Host/);
	});

	it('knows that port 80 is not written', () => {
		expect(
			judgeAddressee({ target: '/', hosts: ['localhost'] }, loopbackHosts(80)),
		).toBeUndefined();
	});
});

describe('the token', () => {
	it('has 256 bits, and is another one each time', () => {
		expect(Buffer.from(createToken(), 'base64url')).toHaveLength(32);
		expect(isToken(createToken())).toBe(true);
		expect(createToken()).not.toBe(createToken());
	});

	it('is compared whatever the length', () => {
		expect(tokensEqual(token, token)).toBe(true);
		expect(tokensEqual(token, '')).toBe(false);
		expect(tokensEqual(token, `${token}T`)).toBe(false);
	});

	it.each([
		['missing', undefined, 'token-missing'],
		['empty', '', 'token-rejected'],
		['wrong', 'U'.repeat(43), 'token-rejected'],
		['too short', 'T'.repeat(42), 'token-rejected'],
		['too long', 'T'.repeat(44), 'token-rejected'],
		['sent twice', `${token}, ${token}`, 'token-rejected'],
	])('is required on every path of the API: %s', async (_, given, code) => {
		const requests = [
			['/api/session', 'GET'],
			['/api/session/code', 'POST'],
			['/api/manifests', 'POST'],
			['/api/blob?reference=a', 'GET'],
			['/api/nothing', 'GET'],
			['/api', 'GET'],
			['/%61pi/session', 'GET'],
		] as const;
		for (const [path, method] of requests) {
			const response = await send(path, { method, headers: { [tokenHeader]: given } });
			expect(response.status).toBe(401);
			expect(await problemIn(response)).toBe(code);
		}
	});

	it('does not count in the query or as another header', async () => {
		const headers = {
			[tokenHeader]: undefined,
			authorization: `Bearer ${token}`,
			cookie: `t=${token}`,
		};
		expect((await send(`/api/session?t=${token}`, { headers })).status).toBe(401);
	});
});

describe('the Origin guard of the API', () => {
	it.each([
		{ origin: `http://localhost:${port}` },
		{ origin: `http://127.0.0.1:${port}` },
		{ origin: `http://[::1]:${port}` },
		{ 'sec-fetch-site': 'same-origin' },
	])('serves %j', async (headers) => {
		expect((await send('/api/session', { headers })).status).toBe(200);
	});

	it.each([
		{ origin: 'null' },
		{ origin: 'https://evil.test' },
		{ origin: `https://localhost:${port}` },
		{ origin: 'http://localhost:3000' },
		{ origin: `http://localhost:${port}.evil.test` },
		{ 'sec-fetch-site': 'cross-site' },
		{ 'sec-fetch-site': 'same-site' },
		{ 'sec-fetch-site': 'none' },
		{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.test' },
	])('refuses %j, also with the token', async (headers) => {
		expect((await send('/api/session', { headers })).status).toBe(403);
	});

	it('takes one more origin for development, and nothing like it', async () => {
		const development = fakeApp({
			serving: localServing({ port, token, moreOrigins: ['http://localhost:4765'] }),
		});
		const ask = (origin: string) => development.send('/api/session', { headers: { origin } });
		expect((await ask('http://localhost:4765')).status).toBe(200);
		expect((await ask('http://localhost:4766')).status).toBe(403);
	});

	it('answers a preflight with 403 and names no origin', async () => {
		for (const path of ['/api/manifests', '/', '/v2/']) {
			const response = await send(path, {
				method: 'OPTIONS',
				headers: { origin: 'https://evil.test', 'access-control-request-method': 'POST' },
			});
			expect(response.status).toBe(403);
			const names = [...response.headers.keys()];
			expect(names.filter((name) => name.startsWith('access-control-'))).toEqual([]);
		}
	});

	it.each(['HEAD', 'DELETE', 'PATCH'])('does not know %s', async (method) => {
		expect((await send('/api/session', { method })).status).toBe(405);
	});
});

describe('the guard of the page', () => {
	const navigate = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

	it.each([
		{},
		{ ...navigate, 'sec-fetch-site': 'none' },
		{ ...navigate, 'sec-fetch-site': 'same-origin' },
		{ ...navigate, 'sec-fetch-site': 'cross-site', 'sec-fetch-user': '?1' },
		{ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'script' },
	])('serves %j', async (headers) => {
		expect((await send('/', { headers })).status).toBe(200);
	});

	it.each([
		{ ...navigate, 'sec-fetch-site': 'cross-site' },
		{ ...navigate, 'sec-fetch-site': 'same-site' },
		{ ...navigate, 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'iframe' },
		{
			...navigate,
			'sec-fetch-site': 'cross-site',
			'sec-fetch-dest': 'iframe',
			'sec-fetch-user': '?1',
		},
		{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
		{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
		{ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'object' },
		{ origin: 'https://evil.test' },
	])('refuses %j', async (headers) => {
		expect((await send('/', { headers })).status).toBe(403);
	});

	it('is for reading only', async () => {
		expect((await send('/', { method: 'POST' })).status).toBe(405);
	});
});

describe('the guard of the embedded registry', () => {
	it('serves programs, and refuses whatever looks like a browser', async () => {
		expect((await send('/v2/')).status).toBe(200);
		const own = { origin: `http://localhost:${port}` };
		expect((await send('/v2/', { headers: own })).status).toBe(403);
		expect((await send('/v2/', { headers: { 'sec-fetch-site': 'same-origin' } })).status).toBe(403);
		expect((await send('/v2/nothing/tags/list')).status).toBe(404);
	});
});

describe('the headers of every answer', () => {
	it.each(['/', '/nothing', '/api/session', '/v2/'])('are strict on %s', async (path) => {
		const { headers } = await send(path);
		expect(headers.get('content-security-policy')).toMatch(
			/default-src 'none'.*frame-ancestors 'none'/,
		);
		expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
		expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
		expect(headers.get('cross-origin-embedder-policy')).toBe('require-corp');
		expect(headers.get('x-content-type-options')).toBe('nosniff');
		expect(headers.get('referrer-policy')).toBe('no-referrer');
	});

	it('forbid storing what the API says, refusals too', async () => {
		const refused = await send('/api/session', { headers: { [tokenHeader]: undefined } });
		expect(refused.headers.get('cache-control')).toBe('no-store');
		expect((await send('/api/session')).headers.get('cache-control')).toBe('no-store');
	});
});
