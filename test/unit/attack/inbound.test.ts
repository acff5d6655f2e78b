import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EntryCodes } from '../../../proxy/guard/entry-codes.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { loginsHeader } from '../../../shared/api/logins.ts';
import {
	allowedOrigin,
	startWatched,
	type ServingMode,
	type WatchedEspalier,
} from '../../support/watched-espalier.ts';

let espalier: WatchedEspalier;

/** What comes back for these very bytes, until the connection ends. */
async function raw(text: string): Promise<string> {
	const socket = connect(espalier.port, '127.0.0.1');
	socket.on('error', () => undefined);
	socket.end(text, 'latin1');
	let answer = '';
	socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
	await once(socket, 'close');
	return answer;
}

function statusesIn(answer: string): readonly number[] {
	return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

const host = () => `Host: localhost:${espalier.port}`;

function message(requestLine: string, ...headers: readonly string[]): string {
	return [requestLine, host(), ...headers, 'Connection: close', '', ''].join('\r\n');
}

const wayward = [
	'/api//session',
	'//api/session',
	'/./api/session',
	'/x/../api/session',
	'/v2/../api/session',
	'/v2/%2e%2e/api/session',
	'/assets/..%2fapi/session',
	'/%61pi/session',
	'/api%2fsession',
	'/api/session/',
	'/api/session;x',
	'/api/session%00',
	'/api/session%20',
	'/API/session',
	'/\\api\\session',
	'/api\\session',
	'/api/%73ession',
	'/api/session?x=/api/session/mode',
	'/api/session/mode/../../session',
	'/healthz/../api/session',
	'/healthz%2f..%2fapi/session',
	'/@localhost/api/session',
];

const traversals = [
	'/../../../../etc/passwd',
	'/..%2f..%2f..%2fetc/passwd',
	'/%2e%2e/%2e%2e/etc/passwd',
	'/assets/%2e%2e/%2e%2e/package.json',
	'/..\\..\\package.json',
	'/v2/../../package.json/manifests/x',
	'/v2/a/blobs/sha256:../../../../etc/passwd',
	'/v2/a/manifests/..%2f..%2findex.json',
	'/v2/%2e%2e%2f%2e%2e/tags/list',
	'/v2/a/b%2f..%2f../tags/list',
];

describe.each(['local', 'allow-origin', 'shared'] as const satisfies readonly ServingMode[])(
	'D2–D5 (tests 1–4): a %s server over a raw connection',
	(mode) => {
		beforeAll(async () => {
			espalier = await startWatched(mode);
		});
		beforeEach(() => espalier.forget());
		afterAll(() => espalier.stop());

		it('answers who asks as it should', async () => {
			const own = message('GET /api/session HTTP/1.1', `${tokenHeader}: ${espalier.token}`);
			expect(await raw(own)).toMatch(/^HTTP\/1\.1 200 .*"1\.2\.3"/s);
		});

		it.each(wayward)('has no way around its guards by %s', async (path) => {
			const foreign = message(`GET ${path} HTTP/1.1`, 'Sec-Fetch-Site: cross-site');
			for (const status of statusesIn(await raw(foreign))) expect(status).toBeGreaterThan(399);
			if (mode !== 'shared') {
				const answer = await raw(message(`GET ${path} HTTP/1.1`));
				expect(answer).not.toContain('1.2.3');
			}
			const elsewhere = message(`GET ${path} HTTP/1.1`).replace('localhost:', 'evil.test:');
			expect(statusesIn(await raw(elsewhere)).every((status) => status >= 400)).toBe(true);
			expect(espalier.passed).toEqual([]);
		});

		it.each(traversals)('gives no file away by %s', async (path) => {
			const answer = await raw(
				message(`GET ${path} HTTP/1.1`, `${tokenHeader}: ${espalier.token}`),
			);
			expect(answer).not.toMatch(/root:|"dependencies"|imageLayoutVersion/);
			expect(statusesIn(answer).every((status) => status >= 400)).toBe(true);
		});

		const smuggled = 'GET /api/session HTTP/1.1\r\nHost: localhost\r\n\r\n';
		it.each([
			[
				'both lengths',
				`Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
			],
			['two lengths', `Content-Length: 0\r\nContent-Length: 60\r\n\r\n${smuggled}`],
			['a length with a sign', `Content-Length: +5\r\n\r\nhello${smuggled}`],
			['a length in hex', `Content-Length: 0x5\r\n\r\nhello${smuggled}`],
			['an unknown coding', `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
			['a coding after chunked', `Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${smuggled}`],
			['a folded coding', `Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`],
			['a space before the colon', `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`],
			['a bare line feed', `X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
			[
				'a chunk size too large',
				`Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n${smuggled}`,
			],
			['a chunk with a bare line feed', `Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`],
		])('takes no request apart that has %s', async (_, rest) => {
			const begin = `POST /api/manifests HTTP/1.1\r\n${host()}\r\nContent-Type: application/json\r\n`;
			const answer = await raw(`${begin}${tokenHeader}: ${espalier.token}\r\n${rest}`);
			expect(answer).not.toContain('1.2.3');
			expect(statusesIn(answer).filter((status) => status < 400)).toEqual([]);
			expect(espalier.passed).toEqual([]);
		});

		it('does not take the body of a refused request for another one', async () => {
			const inner = message('GET /api/session HTTP/1.1', `${tokenHeader}: ${espalier.token}`);
			const answer = await raw(
				[
					'POST /api/manifests HTTP/1.1',
					host(),
					'Origin: https://evil.test',
					`Content-Length: ${inner.length}`,
					'',
					inner,
				].join('\r\n'),
			);
			expect(statusesIn(answer)).toEqual([403]);
		});
	},
);

describe('D3: entry codes in a race', () => {
	it('are worth one exchange, however many come at once', async () => {
		const codes = new EntryCodes();
		const code = codes.issue();
		const redeemed = await Promise.all(
			Array.from({ length: 100 }, () => Promise.resolve().then(() => codes.redeem(code))),
		);
		expect(redeemed.filter(Boolean)).toHaveLength(1);
	});
});

describe('D6, D15 (test 15): logins in a header', () => {
	beforeAll(async () => {
		espalier = await startWatched('local');
	});
	beforeEach(() => espalier.forget());
	afterAll(() => espalier.stop());

	const marker = 'hunter2-4f6a';
	const login = { kind: 'password', username: 'u', password: marker };
	const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

	async function ask(header: string): Promise<string> {
		const path = '/api/registries?repository=quay.io/a/b';
		const headers = [`${tokenHeader}: ${espalier.token}`, `${loginsHeader}: ${header}`];
		return raw(message(`GET ${path} HTTP/1.1`, ...headers));
	}

	it.each([
		['nothing', ''],
		['no base64', `%%%${marker}`],
		['no JSON', Buffer.from(marker).toString('base64url')],
		['no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('base64url')],
		['no list', encoded({ entry: 'quay.io', login })],
		[
			'too many',
			encoded(
				Array.from({ length: 101 }, () => ({ entry: 'a', login: { ...login, password: '' } })),
			),
		],
		['a field too many', encoded([{ entry: 'quay.io', login: { ...login, more: 1 } }])],
		[
			'a new line in the user name',
			encoded([{ entry: 'quay.io', login: { ...login, username: 'a\r\nx: y' } }]),
		],
		[
			'a zero in the password',
			encoded([{ entry: 'quay.io', login: { ...login, password: `${marker}\0` } }]),
		],
		[
			'a new line in a token',
			encoded([{ entry: 'quay.io', login: { kind: 'registry-token', token: `${marker}\n` } }]),
		],
		[
			'letters beyond ASCII in a token',
			encoded([{ entry: 'quay.io', login: { kind: 'registry-token', token: `${marker}ü` } }]),
		],
		[
			'a prototype',
			Buffer.from(
				`[{"entry":"quay.io","__proto__":{"login":{}},"login":{"kind":"x","p":"${marker}"}}]`,
			).toString('base64url'),
		],
		['more than fits', 'A'.repeat(12 * 1024 + 1)],
	])('that are %s are refused without being quoted', async (_, header) => {
		const answer = await ask(header);
		expect(statusesIn(answer)).toEqual([400]);
		expect(answer).not.toContain(marker);
		expect(espalier.passed).toEqual([]);
	});

	it('that are deeply nested or huge end in an answer', async () => {
		expect(statusesIn(await ask(Buffer.from('['.repeat(9_000)).toString('base64url')))).toEqual([
			400,
		]);
		expect(statusesIn(await ask('A'.repeat(20_000)))).toEqual([431]);
	});

	it('that come twice are refused: which of them counts is nobody’s guess', async () => {
		const header = encoded([{ entry: 'quay.io', login }]);
		const answer = await ask(`${header}\r\n${loginsHeader}: ${header}`);
		expect(statusesIn(answer)).toEqual([400]);
		expect(answer).not.toContain(marker);
	});

	it('say in the answer who would be used, and nothing of the secret', async () => {
		const answer = await ask(encoded([{ entry: 'quay.io', login }]));
		expect(statusesIn(answer)).toEqual([200]);
		expect(answer).toContain('"username":"u"');
		expect(answer).not.toContain(marker);
		expect(answer).not.toContain(Buffer.from(`u:${marker}`).toString('base64'));
	});
});

describe('D4, D5: a page of the allowed origin', () => {
	beforeAll(async () => {
		espalier = await startWatched('allow-origin');
	});
	beforeEach(() => espalier.forget());
	afterAll(() => espalier.stop());

	const key = () => `${tokenHeader}: ${espalier.token}`;
	const from = (origin: string) => [`Origin: ${origin}`, 'Sec-Fetch-Site: cross-site'];

	it('reads what the API answers, with the token and not without', async () => {
		const get = 'GET /api/session HTTP/1.1';
		const answer = await raw(message(get, ...from(allowedOrigin), key()));
		expect(answer).toMatch(/^HTTP\/1\.1 200 .*"1\.2\.3"/s);
		expect(answer).toMatch(new RegExp(`^access-control-allow-origin: ${allowedOrigin}\r$`, 'im'));
		expect(answer).not.toMatch(/access-control-allow-credentials/i);
		expect(statusesIn(await raw(message(get, ...from(allowedOrigin))))).toEqual([401]);
	});

	it.each([
		'http://pages.example.com',
		'https://pages.example.com:444',
		'https://pages.example.com.evil.test',
		'https://evil.pages.example.com',
		'https://pages.example.com/',
		'HTTPS://PAGES.EXAMPLE.COM',
		'null',
		`${allowedOrigin}, https://evil.test`,
		`${allowedOrigin}\r\nOrigin: https://evil.test`,
	])('is not one of %j, token or no token', async (origin) => {
		for (const method of ['GET', 'OPTIONS']) {
			const asked = 'Access-Control-Request-Method: GET';
			const answer = await raw(
				message(`${method} /api/session HTTP/1.1`, ...from(origin), key(), asked),
			);
			expect(statusesIn(answer)).toEqual([403]);
			expect(answer).not.toMatch(/access-control-allow/i);
		}
	});

	it('gets neither the page nor the embedded registry', async () => {
		for (const path of ['/', '/index.html', '/v2/', '/v2/_catalog']) {
			for (const method of ['GET', 'OPTIONS']) {
				const answer = await raw(
					message(`${method} ${path} HTTP/1.1`, ...from(allowedOrigin), key()),
				);
				expect(statusesIn(answer)).toEqual([403]);
				expect(answer).not.toMatch(/access-control-allow/i);
			}
		}
		expect(espalier.passed).toEqual([]);
	});
});
