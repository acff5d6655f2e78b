import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { digestOf } from '../../../shared/oci/digest.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import type { ManifestPush } from '../../../shared/registry/registries.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyWriter } from '../../../web/api/proxy-writer.ts';
import { all } from '../registry/contract.ts';

const to = {
	registry: 'quay.io',
	repository: 'a/b',
	digest: digestOf('sha256', new Uint8Array(32)),
};
const from = [{ registry: 'ghcr.io', repository: 'c' }];
const copies = [1, 2].map((sizeBytes) => ({ to, sizeBytes, from }));

const fetched = vi.fn<typeof fetch>();
const writer = new ProxyWriter(new ProxyClient({ token: () => 'T' }));

function answer(text: string): void {
	fetched.mockImplementationOnce(() => Promise.resolve(new Response(text)));
}

beforeEach(() => {
	vi.stubGlobal('navigator', {});
	vi.stubGlobal('fetch', fetched);
});
afterEach(() => {
	fetched.mockReset();
	vi.unstubAllGlobals();
});

describe('writing through the proxy', () => {
	it('counts as failed what the answer no longer tells of', async () => {
		answer('{"index":1,"state":"copying","bytes":5}\n{"index":0,"state":"mounted"}\n');
		const events = await all(writer.copyBlobs(copies));
		expect(events).toEqual([
			{ copy: copies[1], state: 'copying', bytes: 5 },
			{ copy: copies[0], state: 'mounted' },
			{
				copy: copies[1],
				state: 'failed',
				problem: expect.objectContaining({ code: 'connection-lost' }) as unknown,
			},
		]);
		expect(events[0]?.copy).toBe(copies[1]);
	});

	it('counts all as failed where the proxy is gone', async () => {
		fetched.mockRejectedValue(new TypeError('Failed to fetch'));
		const events = await all(writer.moveTags([{ ...to, tag: 'v1', expect: 'absent' }]));
		expect(events[0]).toMatchObject({ state: 'failed', problem: { code: 'proxy-unreachable' } });
		const upload = { to, sizeBytes: 0, content: nothing };
		expect((await all(writer.putBlobs([upload])))[0]).toMatchObject({
			upload,
			state: 'failed',
			problem: { code: 'proxy-unreachable' },
		});
	});

	it('sends content as a Blob, and not at all where its size is wrong', async () => {
		answer('{"state":"sent"}');
		const content = async function* () {
			yield await Promise.resolve(Uint8Array.of(1, 2));
			yield Uint8Array.of(3);
		};
		const uploads = [3, 2, 4].map((sizeBytes) => ({ to, sizeBytes, content }));
		const events = await all(writer.putBlobs(uploads));
		expect(events.map((event) => ('problem' in event ? event.problem.code : event.state))).toEqual([
			'sent',
			'malformed',
			'malformed',
		]);
		expect(fetched).toHaveBeenCalledTimes(1);
		const [url, init] = fetched.mock.calls[0]!;
		expect(url).toBe(`/api/blob?reference=quay.io%2Fa%2Fb%40sha256%3A${'0'.repeat(64)}&size=3`);
		expect(init).toMatchObject({
			method: 'PUT',
			headers: { 'content-type': 'application/octet-stream' },
		});
		expect(init?.body).toBeInstanceOf(Blob);
	});

	describe('of content that a registry refused', () => {
		const upload = { to, sizeBytes: 0, content: nothing };
		const refuse = (problem: Partial<Problem>): void => {
			fetched.mockImplementationOnce(() =>
				Promise.resolve(Response.json({ problem: { reason: '', ...problem } }, { status: 502 })),
			);
		};
		const ranOut = { code: 'unauthorized', origin: 'registry', status: 401 } as const;
		const put = async () => {
			const [event] = await all(writer.putBlobs([upload]));
			return event?.state === 'failed' ? event.problem.code : event?.state;
		};

		it('sends it once more where the login may have run out in the middle', async () => {
			refuse(ranOut);
			answer('{"state":"sent"}');
			expect(await put()).toBe('sent');
			expect(fetched).toHaveBeenCalledTimes(2);
		});

		it('gives up where the second time is refused too', async () => {
			refuse(ranOut);
			refuse(ranOut);
			expect(await put()).toBe('unauthorized');
			expect(fetched).toHaveBeenCalledTimes(2);
		});

		it.each<Partial<Problem>>([
			{ ...ranOut, origin: 'token-server' },
			{ code: 'denied', origin: 'registry', status: 403 },
			{ code: 'token-rejected', origin: 'proxy' },
		])('gives up at once at %j', async (problem) => {
			refuse(problem);
			expect(await put()).toBe(problem.code);
			expect(fetched).toHaveBeenCalledTimes(1);
		});
	});

	it('sends manifests byte for byte, and nothing of a reference but its place', async () => {
		answer('');
		const pushes: ManifestPush[] = [
			{ to: { ...to, tag: 'x' }, mediaType: 'a/b', bytes: new TextEncoder().encode('\ufeff{}\n') },
			{ to, mediaType: 'a/b', bytes: Uint8Array.of(255, 0, 1) },
			{ to, mediaType: 'a/b', from: [{ ...to }] },
		];
		await all(writer.pushManifests(pushes));
		const body = fetched.mock.calls[0]![1]?.body;
		expect(JSON.parse(body as string)).toEqual({
			pushes: [
				{ to, mediaType: 'a/b', text: '\ufeff{}\n' },
				{ to, mediaType: 'a/b', base64: '/wAB' },
				{ to, mediaType: 'a/b', from: [{ registry: 'quay.io', repository: 'a/b' }] },
			],
		});
	});

	it('splits what is too much for one request', async () => {
		fetched.mockImplementation(() => Promise.resolve(new Response('')));
		const many = Array.from({ length: 20_001 }, () => copies[0]!);
		expect(await all(writer.copyBlobs(many))).toHaveLength(20_001);
		const counts = fetched.mock.calls.map(
			([, init]) => (JSON.parse(init?.body as string) as { copies: unknown[] }).copies.length,
		);
		expect(counts.length).toBeGreaterThan(1);
		expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20_001);
	});
});

async function* nothing(): AsyncGenerator<Uint8Array> {
	// an empty blob
}
