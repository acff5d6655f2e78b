import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hono } from 'hono';
import * as z from 'zod';
import { BodyBudget, uncountedBytes } from '../../../proxy/guard/body-budget.ts';
import { readStrictJson } from '../../../proxy/guard/strict-json.ts';
import { judgeJsonShape } from '../../../proxy/guard/json-shape.ts';
import { limits } from '../../../shared/registry/limits.ts';
import { fakeApp, fakeReader, problemIn } from './fake-reader.ts';

const { send, post } = fakeApp({
	reader: fakeReader({
		async *readManifests() {},
	}),
});
const nothing = '{"requests":[]}';

describe('the Content-Type of a body', () => {
	it.each([
		'text/plain',
		'application/x-www-form-urlencoded',
		'multipart/form-data; boundary=a',
		'application/json; charset=utf-8',
		'application/json;charset=utf-16',
		'application/json, text/plain',
		'application/jsonp',
		'text/json',
		undefined,
	])('is refused where it is %s', async (type) => {
		const body = new TextEncoder().encode(nothing);
		const headers = { 'content-type': type };
		const response = await send('/api/manifests', { method: 'POST', headers, body });
		expect(response.status).toBe(415);
		expect(await problemIn(response)).toBe('request-invalid');
	});

	it('is taken where it is application/json, and not compressed', async () => {
		expect((await post('/api/manifests', nothing)).status).toBe(200);
		const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
		const compressed = await send('/api/manifests', { method: 'POST', headers, body: nothing });
		expect(compressed.status).toBe(415);
	});
});

describe('the shape of a body', () => {
	it.each([
		['a key twice', '{"requests":[],"requests":[]}'],
		['a key twice, once escaped', '{"requests":[],"reque\\u0073ts":[]}'],
		['a key twice further down', '{"requests":[{"reference":{"registry":"a","registry":"b"}}]}'],
		['__proto__', '{"requests":[],"__proto__":{"admin":true}}'],
		['__proto__, escaped', '{"requests":[],"\\u005f_proto__":{}}'],
		['too deep', `{"requests":${'['.repeat(64)}${']'.repeat(64)}}`],
		['a bomb of brackets', '['.repeat(1_000_000)],
		['an unknown key', '{"requests":[],"more":1}'],
		['another type', '{"requests":{}}'],
		['no object', '[]'],
		['no JSON', '{"requests":[]'],
		['nothing', ''],
		['a byte order mark', '\uFEFF{"requests":[]}'],
		['more than one value', '{"requests":[]}{}'],
	])('is refused: %s', async (_, body) => {
		const response = await post('/api/manifests', body);
		expect(response.status).toBe(400);
		expect(await problemIn(response)).toBe('request-invalid');
	});

	it('is refused where it is no UTF-8', async () => {
		const body = Buffer.from('{"requests":["\xff"]}', 'latin1');
		const headers = { 'content-type': 'application/json' };
		expect((await send('/api/manifests', { method: 'POST', headers, body })).status).toBe(400);
	});

	it('may have the same key in different objects, and any text as a value', () => {
		expect(
			judgeJsonShape('{"a":{"a":"__proto__"},"b":["a","a",{"a":1},{"a":1}]}', 4),
		).toBeUndefined();
		expect(judgeJsonShape('{"a":"{\\"a\\":1,","b":"]]]"}', 2)).toBeUndefined();
		expect(judgeJsonShape('[[[]]]', 3)).toBeUndefined();
		expect(judgeJsonShape('[[[]]]', 2)).toMatch(/deeper than 2/);
	});

	it('is never refused for JSON that was printed from a plain value', () => {
		fc.assert(
			fc.property(fc.json({ maxDepth: 8 }), (text) => {
				const printed = JSON.stringify(JSON.parse(text));
				if (printed.includes('__proto__')) return;
				expect(judgeJsonShape(printed, 64)).toBeUndefined();
			}),
		);
	});

	it('is judged for any text without failing', () => {
		fc.assert(fc.property(fc.string(), (text) => void judgeJsonShape(text, 64)));
		fc.assert(
			fc.property(
				fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'a')),
				(parts) => {
					judgeJsonShape(parts.join(''), 64);
				},
			),
		);
	});
});

describe('the size of a body', () => {
	function endless(onCancel: () => void) {
		return new ReadableStream<Uint8Array>({
			pull(controller) {
				controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20));
			},
			cancel: onCancel,
		});
	}

	it('is counted while it is read: one without a length ends at the limit', async () => {
		let cancelled = false;
		const init: RequestInit & { duplex: 'half' } = {
			body: endless(() => (cancelled = true)),
			duplex: 'half',
		};
		const headers = { 'content-type': 'application/json' };
		const response = await send('/api/manifests', { ...init, method: 'POST', headers });
		expect(response.status).toBe(413);
		expect(await problemIn(response)).toBe('too-large');
		expect(cancelled).toBe(true);
	});

	it('is refused at once where it is announced', async () => {
		const headers = {
			'content-type': 'application/json',
			'content-length': String(limits.apiBodyBytes + 1),
		};
		const response = await send('/api/manifests', { method: 'POST', headers, body: nothing });
		expect(response.status).toBe(413);
	});
});

describe('the budget of all bodies', () => {
	const MiB = 1024 * 1024;
	const headers = { 'content-type': 'application/json' };

	/** An app that reads any JSON within a budget, and bodies that stop in the middle until they are ended. */
	function within(budget: BodyBudget) {
		const app = new Hono();
		app.onError((_, c) => c.text('broken off', 500));
		app.post('/', async (c) => {
			const read = await readStrictJson(c, z.unknown(), 64 * MiB, budget);
			return read.ok ? c.text('read') : read.response;
		});
		const post = (body: string | ReadableStream<Uint8Array>) => {
			const init: RequestInit & { duplex: 'half' } = {
				method: 'POST',
				headers,
				body,
				duplex: 'half',
			};
			return Promise.resolve(app.request('/', init));
		};
		const postSlowly = (bytes: number) => {
			let end: () => void = () => undefined;
			const body = new ReadableStream<Uint8Array>({
				start(controller) {
					controller.enqueue(new Uint8Array(bytes).fill(0x20));
					end = () => {
						controller.enqueue(new TextEncoder().encode('{}'));
						controller.close();
					};
				},
			});
			return { answer: post(body), end: () => end() };
		};
		return { post, postSlowly };
	}

	it('refuses what is too much at once, says when to come again, and lets small ones in', async () => {
		const budget = new BodyBudget(2 * MiB);
		const { post, postSlowly } = within(budget);
		const held = [postSlowly(MiB), postSlowly(MiB)];
		await expect.poll(() => budget.heldBytes).toBe(2 * MiB - 2 * uncountedBytes);
		const refused = await post(' '.repeat(MiB) + '{}');
		expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
		expect(await refused.json()).toMatchObject({
			problem: { code: 'rate-limited', origin: 'proxy', retryAfterMs: 5000 },
		});
		expect((await post('{}')).status).toBe(200);
		for (const { end } of held) end();
		expect(
			(await Promise.all(held.map(({ answer }) => answer))).map(({ status }) => status),
		).toEqual([200, 200]);
		expect(budget.heldBytes).toBe(0);
		expect((await post(' '.repeat(MiB) + '{}')).status).toBe(200);
	});

	it('has all of it back after bodies that were refused or broke off', async () => {
		const budget = new BodyBudget(2 * MiB);
		const { post } = within(budget);
		expect((await post(' '.repeat(MiB))).status).toBe(400);
		const broken = new ReadableStream<Uint8Array>({
			pull(controller) {
				if (budget.heldBytes > 0) controller.error(new Error('broken off'));
				else controller.enqueue(new Uint8Array(MiB).fill(0x20));
			},
		});
		expect((await post(broken)).status).toBe(500);
		expect(budget.heldBytes).toBe(0);
	});
});
