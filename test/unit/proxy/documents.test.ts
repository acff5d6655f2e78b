import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { documentLineSchema } from '../../../shared/api/schema.ts';
import { formatReference } from '../../../shared/oci/reference.ts';
import { ProblemError, type Problem } from '../../../shared/registry/problem.ts';
import type { DocumentRequest, DocumentResult } from '../../../shared/registry/registries.ts';
import { digestOfBytes, fakeApp, fakeReader, linesOf, problemIn } from './fake-reader.ts';

const mediaType = 'application/vnd.oci.image.index.v1+json';
const gone: Problem = { code: 'manifest-unknown', origin: 'registry', reason: 'It is gone.' };
const reference = (tag: string) => ({ registry: 'quay.io', repository: 'a/b', tag });
const digest = digestOfBytes(new Uint8Array());

function found(request: DocumentRequest, bytes: Uint8Array): DocumentResult {
	const document = { mediaType, digest: digestOfBytes(bytes), bytes };
	return { ok: true, request, document, checkedAt: 17 };
}

async function* arrive(results: readonly DocumentResult[]) {
	for (const result of results) {
		await turn();
		yield result;
	}
}

function bytesOf(line: unknown): Uint8Array | undefined {
	const parsed = documentLineSchema.parse(line);
	if (!parsed.ok) return undefined;
	return parsed.text === undefined
		? new Uint8Array(Buffer.from(parsed.base64 ?? '', 'base64'))
		: new TextEncoder().encode(parsed.text);
}

describe('POST /api/manifests', () => {
	it('gives a line for each result as it arrives, with the place of its request', async () => {
		const reader = fakeReader({
			readManifests: ([one, two, three]) =>
				arrive([
					found(three!, Buffer.from('{"c":1}')),
					{ ok: false, request: one!, problem: gone },
					found(two!, Buffer.from('{}')),
				]),
		});
		const requests = ['1', '2', '3'].map((tag) => ({ reference: reference(tag) }));
		const response = await fakeApp({ reader }).post('/api/manifests', { requests });
		expect(response.status).toBe(200);
		expect(response.headers.get('content-type')).toBe('application/x-ndjson');
		expect(await linesOf(response)).toEqual([
			{
				index: 2,
				ok: true,
				digest: digestOfBytes(Buffer.from('{"c":1}')),
				mediaType,
				checkedAt: 17,
				text: '{"c":1}',
			},
			{ index: 0, ok: false, problem: gone },
			expect.objectContaining({ index: 1, ok: true, text: '{}' }),
		]);
	});

	it.each([
		['ASCII', Buffer.from('{\n "a": 1\r\n}\n')],
		['UTF-8 with a byte order mark', Buffer.from('\uFEFF{"a":"ä\u2028😀\u0000"}')],
		['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
		['a lone surrogate, as CESU-8 has it', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
		['an overlong form', Buffer.from([0xc0, 0xaf])],
		['every byte', Buffer.from(Array.from({ length: 256 }, (_, at) => at))],
		['nothing', Buffer.alloc(0)],
	])('gives back the exact bytes: %s', async (_, bytes) => {
		// A part of a larger buffer: what lies around it must not leak.
		const part = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]).subarray(
			6,
			6 + bytes.length,
		);
		const reader = fakeReader({ readManifests: ([one]) => arrive([found(one!, part)]) });
		const requests = [{ reference: reference('1') }];
		const lines = await linesOf(await fakeApp({ reader }).post('/api/manifests', { requests }));
		expect(bytesOf(lines[0])).toEqual(new Uint8Array(bytes));
	});

	it('passes on references and the registry that named them', async () => {
		const seen: string[] = [];
		const reader = fakeReader({
			async *readManifests(requests) {
				await turn();
				for (const request of requests) {
					seen.push(`${formatReference(request.reference)} ${request.namedBy ?? '-'}`);
					yield { ok: false, request, problem: gone };
				}
			},
		});
		const requests = [
			{ reference: reference('1') },
			{ reference: { ...reference('2'), digest }, namedBy: 'localhost:5000' },
			{ reference: { ...reference('3'), registry: 'store' } },
		];
		await linesOf(await fakeApp({ reader }).post('/api/manifests', { requests }));
		expect(seen).toEqual([
			'quay.io/a/b:1 -',
			`quay.io/a/b:2@${digest} localhost:5000`,
			'store/a/b:3 -',
		]);
	});

	it('passes on what is asked as who is about to write', async () => {
		const seen: unknown[] = [];
		const reader = fakeReader({
			async *readManifests(requests) {
				await turn();
				for (const request of requests) {
					seen.push(request.forWriting);
					yield { ok: false, request, problem: gone };
				}
			},
			async *exists(requests) {
				await turn();
				for (const request of requests) {
					seen.push(request.forWriting);
					yield { ok: true, request, present: false, checkedAt: 17 };
				}
			},
		});
		const { post } = fakeApp({ reader });
		const place = { reference: { ...reference('1'), digest } };
		const requests = [{ ...place, forWriting: true }, place];
		await linesOf(await post('/api/manifests', { requests }));
		const looks = requests.map((request) => ({ ...request, kind: 'blob' }));
		await linesOf(await post('/api/exists', { requests: looks }));
		expect(seen).toEqual([true, undefined, true, undefined]);
		const wrong = [{ ...place, forWriting: 'yes' }];
		expect((await post('/api/manifests', { requests: wrong })).status).toBe(400);
	});

	it.each([
		{ registry: 'quay.io', repository: '../a', tag: '1' },
		{ registry: 'quay.io/x', repository: 'a', tag: '1' },
		{ registry: 'quay.io', repository: 'a', tag: 'a\r\nb' },
		{ registry: 'quay.io', repository: 'a', digest: `sha256:${'A'.repeat(64)}` },
		{ registry: 'user@quay.io', repository: 'a', tag: '1' },
		'quay.io/a:1',
	])('refuses the reference %j', async (wrong) => {
		const response = await fakeApp().post('/api/manifests', { requests: [{ reference: wrong }] });
		expect(response.status).toBe(400);
		expect(await problemIn(response)).toBe('request-invalid');
	});

	it('gives every request an answer where the reader breaks', async () => {
		const problem: Problem = { code: 'connection-lost', origin: 'registry', reason: 'It broke.' };
		const reader = fakeReader({
			async *readManifests([one]) {
				await turn();
				yield found(one!, Buffer.from('{}'));
				throw new ProblemError(problem);
			},
		});
		const requests = ['1', '2'].map((tag) => ({ reference: reference(tag) }));
		const lines = await linesOf(await fakeApp({ reader }).post('/api/manifests', { requests }));
		expect(lines).toEqual([
			expect.objectContaining({ index: 0, ok: true }),
			{ index: 1, ok: false, problem },
		]);
	});

	it('gives every request an answer where the reader leaves one out', async () => {
		const reader = fakeReader({ readManifests: () => arrive([]) });
		const requests = [{ reference: reference('1') }];
		const lines = await linesOf(await fakeApp({ reader }).post('/api/manifests', { requests }));
		expect(lines).toMatchObject([{ index: 0, ok: false, problem: { code: 'internal' } }]);
	});

	it('aborts the reader when the request is aborted', async () => {
		let given: AbortSignal | undefined;
		const reader = fakeReader({
			async *readManifests([one], options) {
				given = options?.signal;
				yield found(one!, Buffer.from('{}'));
				await new Promise((_, reject) => {
					given?.addEventListener('abort', () => {
						reject(new Error('aborted'));
					});
				});
			},
		});
		const client = new AbortController();
		const requests = ['1', '2'].map((tag) => ({ reference: reference(tag) }));
		const { post } = fakeApp({ reader });
		const response = await post('/api/manifests', { requests }, { signal: client.signal });
		const body = response.body!.getReader();
		expect((await body.read()).done).toBe(false);
		expect(given?.aborted).toBe(false);
		client.abort();
		expect(given?.aborted).toBe(true);
		expect((await body.read()).done).toBe(true);
	});

	it('reads on only as far as the client takes', async () => {
		let made = 0;
		const reader = fakeReader({
			async *readManifests(requests) {
				for (const request of requests) {
					made += 1;
					yield found(request, Buffer.alloc(64 * 1024, 0x20));
					await turn();
				}
			},
		});
		const requests = Array.from({ length: 50 }, () => ({ reference: reference('1') }));
		const response = await fakeApp({ reader }).post('/api/manifests', { requests });
		const body = response.body!.getReader();
		await body.read();
		for (let turns = 0; turns < 20; turns += 1) await turn();
		expect(made).toBeLessThan(5);
		await body.cancel();
	});

	it('writes together what arrives together', async () => {
		const reader = fakeReader({
			async *readManifests(requests) {
				for (const request of requests) yield found(request, Buffer.from('{}'));
			},
		});
		const requests = Array.from({ length: 100 }, () => ({ reference: reference('1') }));
		const response = await fakeApp({ reader }).post('/api/manifests', { requests });
		let pieces = 0;
		const body = response.body!.getReader();
		while (!(await body.read()).done) pieces += 1;
		expect(pieces).toBe(1);
	});
});

describe('POST /api/configs', () => {
	it('gives configs in the same form', async () => {
		const reader = fakeReader({
			async *readConfigs(requests) {
				await turn();
				for (const request of requests) {
					const bytes = Buffer.from('{"architecture":"arm64"}');
					const document = { mediaType, digest: digestOfBytes(bytes), bytes };
					yield { ok: true, request, document, checkedAt: 1 };
				}
			},
		});
		const requests = [{ reference: { registry: 'quay.io', repository: 'a/b', digest } }];
		const lines = await linesOf(await fakeApp({ reader }).post('/api/configs', { requests }));
		expect(lines).toMatchObject([{ index: 0, ok: true, text: '{"architecture":"arm64"}' }]);
	});

	it('takes digests only', async () => {
		const response = await fakeApp().post('/api/configs', {
			requests: [{ reference: reference('1') }],
		});
		expect(response.status).toBe(400);
	});
});

describe('POST /api/exists', () => {
	it('says of each whether it is there, is not, or could not be asked', async () => {
		const problem: Problem = { code: 'denied', origin: 'registry', reason: 'No.' };
		const reader = fakeReader({
			async *exists(requests) {
				await turn();
				for (const request of requests) {
					yield request.kind === 'manifest'
						? { ok: false, request, problem }
						: { ok: true, request, present: request.reference.repository === 'a', checkedAt: 3 };
				}
			},
		});
		const item = (repository: string, kind: string) => ({
			reference: { registry: 'quay.io', repository, digest },
			kind,
		});
		const requests = [item('a', 'blob'), item('b', 'blob'), item('a', 'manifest')];
		const lines = await linesOf(await fakeApp({ reader }).post('/api/exists', { requests }));
		expect(lines).toEqual([
			{ index: 0, ok: true, present: true, checkedAt: 3 },
			{ index: 1, ok: true, present: false, checkedAt: 3 },
			{ index: 2, ok: false, problem },
		]);
	});
});
