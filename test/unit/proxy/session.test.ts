import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EntryCodes } from '../../../proxy/guard/entry-codes.ts';
import { createToken, isToken } from '../../../proxy/guard/token.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { fakeApp, port, problemIn, token } from './fake-reader.ts';

const ownOrigin = `http://localhost:${port}`;

describe('the codes of a server', () => {
	it('have 256 bits, and are other ones each time', () => {
		const codes = new EntryCodes();
		const [one, other] = [codes.issue(), codes.issue()];
		expect(isToken(one)).toBe(true);
		expect(one).not.toBe(other);
	});

	it('count once', () => {
		const codes = new EntryCodes();
		const code = codes.issue();
		expect(codes.redeem(code)).toBe(true);
		expect(codes.redeem(code)).toBe(false);
	});

	it('survive wrong guesses, and each other', () => {
		const codes = new EntryCodes();
		const [one, other] = [codes.issue(), codes.issue()];
		for (const wrong of ['', createToken(), `${one}x`, one.slice(1)]) {
			expect(codes.redeem(wrong)).toBe(false);
		}
		expect(codes.redeem(other)).toBe(true);
		expect(codes.redeem(one)).toBe(true);
	});

	it('are worth nothing after a minute', () => {
		let now = 0;
		const codes = new EntryCodes(() => now);
		const [early, late] = [codes.issue(), codes.issue()];
		now = 59_999;
		expect(codes.redeem(early)).toBe(true);
		now = 60_000;
		expect(codes.redeem(late)).toBe(false);
	});

	it('are a handful: a ninth takes the place of the first', () => {
		const codes = new EntryCodes();
		const issued = Array.from({ length: 9 }, () => codes.issue());
		expect(issued.map((code) => codes.redeem(code))).toEqual([
			false,
			...Array.from({ length: 8 }, () => true),
		]);
	});
});

/** A server, and what a page without the token may ask of it. */
function server() {
	const { send } = fakeApp();
	const exchange = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
		send('/api/session/exchange', {
			method: 'POST',
			headers: { [tokenHeader]: undefined, 'content-type': 'application/json', ...headers },
			body: JSON.stringify(body),
		});
	const code = async () => {
		const response = await send('/api/session/code', { method: 'POST' });
		expect(response.status).toBe(200);
		return ((await response.json()) as { code: string }).code;
	};
	return { send, exchange, code };
}

it('says without a token whether one is needed, and to pages from elsewhere not even that', async () => {
	const { send } = server();
	const ask = (headers: Readonly<Record<string, string>> = {}) =>
		send('/api/session/mode', { headers: { [tokenHeader]: undefined, ...headers } });
	expect(await (await ask()).json()).toEqual({ mode: 'local' });
	expect((await ask({ origin: 'https://evil.test' })).status).toBe(403);
	expect((await ask({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
});

describe('the exchange of a code', () => {
	it('gives the token, once', async () => {
		const { exchange, code } = server();
		const given = await code();
		const first = await exchange({ code: given }, { origin: ownOrigin });
		expect(first.status).toBe(200);
		expect(await first.json()).toEqual({ token });
		expect(first.headers.get('cache-control')).toBe('no-store');
		expect((await exchange({ code: given })).status).toBe(403);
	});

	it('is refused to a guess, which costs the code nothing', async () => {
		const { exchange, code } = server();
		const given = await code();
		const guess = await exchange({ code: createToken() });
		expect(guess.status).toBe(403);
		expect(await guess.text()).not.toContain(token);
		expect((await exchange({ code: given })).status).toBe(200);
	});

	it.each([{ origin: 'https://evil.test' }, { 'sec-fetch-site': 'cross-site' }, { host: 'evil' }])(
		'is refused to %j, which costs the code nothing',
		async (headers) => {
			const { exchange, code } = server();
			const given = await code();
			expect((await exchange({ code: given }, headers)).status).toBe(403);
			expect((await exchange({ code: given })).status).toBe(200);
		},
	);

	it.each([
		[400, {}],
		[400, { code: 1 }],
		[400, { code: '', more: 1 }],
		[413, { code: 'x'.repeat(2000) }],
	])('answers %i to the body %j', async (status, body) => {
		expect((await server().exchange(body)).status).toBe(status);
	});

	it('is a POST', async () => {
		const response = await server().send('/api/session/exchange', {
			headers: { [tokenHeader]: undefined },
		});
		expect(response.status).toBe(401);
	});

	it('is made possible only to those who have the token', async () => {
		const response = await server().send('/api/session/code', {
			method: 'POST',
			headers: { [tokenHeader]: undefined },
		});
		expect(response.status).toBe(401);
		expect(await problemIn(response)).toBe('token-missing');
	});
});

describe('the proof of a server', () => {
	const prove = (nonce: string, headers: Readonly<Record<string, string>> = {}) =>
		server().send(`/api/session/proof?nonce=${nonce}`, {
			headers: { [tokenHeader]: undefined, ...headers },
		});

	it('needs no token, and holds for this question at this port alone', async () => {
		const nonce = createToken();
		const response = await prove(nonce);
		expect(response.status).toBe(200);
		const proof = createHmac('sha256', token).update(`${nonce}${port}`).digest('base64url');
		expect(await response.json()).toEqual({ proof });
	});

	it.each(['', 'short', `${createToken()}1`])('is not given for the nonce %j', async (nonce) => {
		expect((await prove(nonce)).status).toBe(400);
	});

	it('is not given to other sites', async () => {
		expect((await prove(createToken(), { origin: 'https://evil.test' })).status).toBe(403);
	});
});
