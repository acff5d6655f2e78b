import { describe, expect, it } from 'vitest';
import { localServing } from '../../../proxy/guard/serving.ts';
import { loginsHeader } from '../../../shared/api/logins.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { fakeApp, port, problemIn, token } from './fake-reader.ts';

const origin = 'https://pages.example.com';
const others = [
	'https://evil.test',
	'null',
	'http://pages.example.com',
	'https://pages.example.com:8443',
	'https://pages.example.com.evil.test',
	'https://sub.pages.example.com',
	'https://PAGES.example.com',
	`http://localhost:${port + 1}`,
];

const { send } = fakeApp({
	serving: localServing({
		port,
		token,
		allowedOrigins: [origin, 'http://localhost:8000'],
	}),
});
const fromPage = { origin, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' };

function preflight(headers: Readonly<Record<string, string>>, path = '/api/manifests') {
	return send(path, {
		method: 'OPTIONS',
		headers: {
			origin,
			'access-control-request-method': 'POST',
			[tokenHeader]: undefined,
			...headers,
		},
	});
}

function corsHeaders({ headers }: Response): readonly string[] {
	return [...headers.keys()].filter((name) => name.startsWith('access-control-'));
}

describe('a page of an allowed origin', () => {
	it('may ask with the methods and headers that the API has', async () => {
		const wanted = `Content-Type, ${tokenHeader},${loginsHeader}`;
		const response = await preflight({
			'access-control-request-headers': wanted,
			'access-control-request-private-network': 'true',
		});
		expect(response.status).toBe(204);
		expect(Object.fromEntries(response.headers)).toMatchObject({
			'access-control-allow-origin': origin,
			'access-control-allow-methods': 'GET, POST, PUT',
			'access-control-allow-headers': `content-type, ${tokenHeader}, ${loginsHeader}`,
			'access-control-max-age': '60',
			vary: 'Origin',
		});
		expect(corsHeaders(response)).not.toContain('access-control-allow-credentials');
		expect(corsHeaders(response)).not.toContain('access-control-allow-private-network');
	});

	it.each([
		{ 'access-control-request-method': 'DELETE' },
		{ 'access-control-request-method': '' },
		{ 'access-control-request-headers': 'authorization' },
		{ 'access-control-request-headers': `${tokenHeader}, x-forwarded-host` },
	])('may not ask with more: %j', async (headers) => {
		expect((await preflight(headers)).status).toBe(403);
	});

	it('reads answers with the token, refusals too, and nothing of them is kept', async () => {
		const response = await send('/api/session', { headers: fromPage });
		expect(response.status).toBe(200);
		expect(response.headers.get('access-control-allow-origin')).toBe(origin);
		expect(response.headers.get('vary')).toBe('Origin');
		expect(response.headers.get('cache-control')).toBe('no-store');
		const refused = await send('/api/nothing', { headers: fromPage });
		expect(refused.status).toBe(404);
		expect(refused.headers.get('access-control-allow-origin')).toBe(origin);
	});

	it.each([
		[undefined, 'token-missing'],
		['U'.repeat(43), 'token-rejected'],
	])('needs the token, and is told so: %s', async (given, code) => {
		const response = await send('/api/session', { headers: { ...fromPage, [tokenHeader]: given } });
		expect(response.status).toBe(401);
		expect(response.headers.get('access-control-allow-origin')).toBe(origin);
		expect(await problemIn(response)).toBe(code);
	});

	it('exchanges the code of a link once', async () => {
		const issued = await send('/api/session/code', { method: 'POST' });
		const body = JSON.stringify(await issued.json());
		const headers = {
			...fromPage,
			[tokenHeader]: undefined,
			'content-type': 'application/json',
		};
		const exchange = () => send('/api/session/exchange', { method: 'POST', headers, body });
		expect(await (await exchange()).json()).toEqual({ token });
		expect((await exchange()).status).toBe(403);
	});

	it('must ask to read: forms, pictures and frames of that page are refused', async () => {
		for (const mode of ['navigate', 'no-cors', 'same-origin', 'websocket']) {
			const headers = { ...fromPage, 'sec-fetch-mode': mode };
			expect((await send('/api/session', { headers })).status).toBe(403);
		}
		const withoutOrigin = { ...fromPage, origin: undefined };
		expect((await send('/api/session', { headers: withoutOrigin })).status).toBe(403);
	});

	it('gets neither the page nor the embedded registry', async () => {
		for (const path of ['/', '/v2/', '/v2/a/manifests/b']) {
			const response = await send(path, { headers: fromPage });
			expect(response.status).toBe(403);
			expect(corsHeaders(response)).toEqual([]);
			const asked = await preflight({}, path);
			expect(asked.status).toBe(403);
			expect(corsHeaders(asked)).toEqual([]);
		}
	});

	it('must still ask under a name of this server', async () => {
		const headers = { ...fromPage, host: `pages.example.com:${port}` };
		const response = await send('/api/session', { headers });
		expect(response.status).toBe(403);
		expect(corsHeaders(response)).toEqual([]);
	});
});

describe('pages of all other origins', () => {
	it.each(others)('read nothing: %s', async (other) => {
		const response = await send('/api/session', { headers: { ...fromPage, origin: other } });
		expect(response.status).toBe(403);
		expect(corsHeaders(response)).toEqual([]);
		expect(response.headers.get('vary')).toBe('Origin');
		const asked = await preflight({ origin: other });
		expect(asked.status).toBe(403);
		expect(corsHeaders(asked)).toEqual([]);
	});

	it('are none where nothing was allowed: no answer names or varies by an origin', async () => {
		const strict = fakeApp();
		for (const sent of [origin, 'https://evil.test', undefined]) {
			const response = await strict.send('/api/session', { headers: { origin: sent } });
			expect(response.status).toBe(sent === undefined ? 200 : 403);
			expect(corsHeaders(response)).toEqual([]);
			expect(response.headers.has('vary')).toBe(false);
		}
	});

	it('are told that something listens, and nothing else', async () => {
		const headers = {
			[tokenHeader]: undefined,
			'sec-fetch-site': 'cross-site',
			'sec-fetch-mode': 'no-cors',
			'sec-fetch-dest': 'empty',
		};
		const response = await fakeApp().send('/api/listening', { headers });
		expect(response.status).toBe(204);
		expect(await response.text()).toBe('');
		expect(response.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
		expect(corsHeaders(response)).toEqual([]);
		const asPicture = { ...headers, 'sec-fetch-dest': 'image' };
		const refused = await fakeApp().send('/api/listening', { headers: asPicture });
		expect(refused.status).toBe(403);
		expect(refused.headers.get('cross-origin-resource-policy')).toBe('same-origin');
		const rebound = { ...headers, host: `evil.test:${port}` };
		expect((await fakeApp().send('/api/listening', { headers: rebound })).status).toBe(403);
	});
});
