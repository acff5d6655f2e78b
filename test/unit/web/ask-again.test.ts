import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { digestOf } from '../../../shared/oci/digest.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import type { BlobCopy } from '../../../shared/registry/registries.ts';
import { hashBytes } from '../../../proxy/hashing.ts';
import { noPatience, waitBeforeAskingAgain } from '../../../web/api/ask-again.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyReader } from '../../../web/api/proxy-reader.ts';
import { ProxyWriter } from '../../../web/api/proxy-writer.ts';
import { sha256 } from '../../support/push.ts';
import { all } from '../registry/contract.ts';

const at = (byte: number) => ({
	registry: 'quay.io',
	repository: 'a/b',
	digest: digestOf('sha256', new Uint8Array(32).fill(byte)),
});
const copies: readonly BlobCopy[] = [1, 2, 3].map((byte) => ({
	to: at(byte),
	sizeBytes: 1,
	from: [],
}));
const problem = (over: Partial<Problem>): Problem => ({
	code: 'internal',
	origin: 'proxy',
	reason: '',
	...over,
});

const fetched = vi.fn<typeof fetch>();
const client = new ProxyClient({ token: () => undefined, patience: () => [1, 1] });

function answer(text: string, status = 200, headers = {}): void {
	fetched.mockImplementationOnce(() => Promise.resolve(new Response(text, { status, headers })));
}

function bodyOf(call: number): { copies?: unknown[]; requests?: unknown[]; moves?: unknown[] } {
	return JSON.parse(fetched.mock.calls[call]?.[1]?.body as string) as object;
}

beforeEach(() => {
	vi.stubGlobal('navigator', {});
	vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
	fetched.mockReset();
	vi.unstubAllGlobals();
});

describe('asking again', () => {
	it.each([
		[{ code: 'proxy-unreachable', origin: 'browser' }, 0, 100],
		[{ code: 'connection-lost', origin: 'proxy' }, 1, 200],
		[{ code: 'connection-lost', origin: 'browser' }, 2, undefined],
		[{ code: 'connection-lost', origin: 'registry' }, 0, undefined],
		[{ code: 'rate-limited', origin: 'proxy', retryAfterMs: 5_000 }, 0, 5_000],
		[{ code: 'rate-limited', origin: 'proxy', retryAfterMs: 1 }, 1, 200],
		[{ code: 'rate-limited', origin: 'proxy', retryAfterMs: 100_000 }, 0, undefined],
		[{ code: 'rate-limited', origin: 'registry', retryAfterMs: 1 }, 0, undefined],
		[{ code: 'internal', origin: 'proxy' }, 0, undefined],
		[{ code: 'token-rejected', origin: 'proxy' }, 0, undefined],
	] as const)('after %j, %d times in vain, waits %s', (over, inVain, expected) => {
		expect(waitBeforeAskingAgain(problem(over), inVain, [100, 200])).toBe(expected);
		expect(waitBeforeAskingAgain(problem(over), inVain, noPatience)).toBeUndefined();
	});

	it('is for what an answer said nothing final about, and nothing else', async () => {
		answer('{"index":1,"state":"copied"}\n{"index":0,"state":"copying","bytes":1}\n');
		fetched.mockRejectedValueOnce(new TypeError('Failed to fetch'));
		answer(
			'{"index":1,"state":"failed","problem":{"code":"denied","origin":"registry","reason":""}}\n',
		);
		answer('{"index":0,"state":"existed"}\n');
		const events = await all(new ProxyWriter(client).copyBlobs(copies));
		expect(events.map(({ copy, state }) => [copies.indexOf(copy), state])).toEqual([
			[1, 'copied'],
			[0, 'copying'],
			[2, 'failed'],
			[0, 'existed'],
		]);
		expect([0, 1, 2, 3].map((call) => bodyOf(call).copies?.length)).toEqual([3, 2, 2, 1]);
	});

	it('ends where nobody answers for long, with what was the matter last', async () => {
		fetched.mockRejectedValue(new TypeError('Failed to fetch'));
		const events = await all(new ProxyWriter(client).copyBlobs(copies));
		expect(events).toHaveLength(3);
		expect(events[0]).toMatchObject({ state: 'failed', problem: { code: 'proxy-unreachable' } });
		expect(fetched).toHaveBeenCalledTimes(3);
	});

	it('is no use where the proxy refuses', async () => {
		answer(JSON.stringify({ problem: problem({ code: 'token-missing' }) }), 401);
		const events = await all(new ProxyWriter(client).copyBlobs(copies));
		expect(events[0]).toMatchObject({ problem: { code: 'token-missing' } });
		expect(fetched).toHaveBeenCalledTimes(1);
	});

	it('ends at once where it is given up', async () => {
		const patient = new ProxyClient({ token: () => undefined, patience: () => [60_000] });
		const stop = new AbortController();
		fetched.mockImplementationOnce(() => {
			setTimeout(() => stop.abort(), 5);
			return Promise.reject(new TypeError('Failed to fetch'));
		});
		const { signal } = stop;
		await expect(all(new ProxyWriter(patient).copyBlobs(copies, { signal }))).rejects.toThrow(
			/abort/i,
		);
	});

	it('holds for reading: documents, blobs, and what is uploaded', async () => {
		const reader = new ProxyReader(client, hashBytes);
		answer('{"index":1,"ok":true,"present":true,"checkedAt":1}\n');
		answer('{"index":0,"ok":true,"present":false,"checkedAt":1}\n');
		const requests = [1, 2].map((byte) => ({ reference: at(byte), kind: 'blob' as const }));
		const found = await all(reader.exists(requests));
		expect(
			found.map(
				(result) => result.ok && [requests.indexOf(result.request as never), result.present],
			),
		).toEqual([
			[1, true],
			[0, false],
		]);

		const bytes = new TextEncoder().encode('blob');
		const reference = { ...at(0), digest: sha256(bytes) };
		const broken = new ReadableStream({ start: (stream) => stream.error(new Error('reset')) });
		fetched.mockImplementationOnce(() => Promise.resolve(new Response(broken)));
		answer('', 503);
		answer('blob');
		const blob = await reader.readBlob({ reference, sizeBytes: bytes.length });
		expect(blob.sizeBytes).toBe(4);

		answer('', 504);
		answer('{"state":"sent"}');
		const content = async function* () {
			yield await Promise.resolve(bytes);
		};
		const upload = { to: reference, sizeBytes: bytes.length, content };
		expect(await all(new ProxyWriter(client).putBlobs([upload]))).toMatchObject([
			{ state: 'sent' },
		]);
	});
});
