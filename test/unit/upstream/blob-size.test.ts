import { afterEach, describe, expect, it, vi } from 'vitest';
import { blobRoutes } from '../../../proxy/routes/blob.ts';
import { formatReference } from '../../../shared/oci/reference.ts';
import { limits } from '../../../shared/registry/limits.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import type { BlobRequest, BlobStream } from '../../../shared/registry/registries.ts';
import { hashBytes } from '../../../web/api/hashing.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyReader } from '../../../web/api/proxy-reader.ts';
import { sha256 } from '../../support/push.ts';
import { callerBy } from '../../../proxy/routes/caller.ts';
import { appOptions, fakeReader } from '../proxy/fake-reader.ts';
import { readerWith, refer, startScripted, stopAll, type Script } from './scripted-server.ts';

afterEach(async () => {
	vi.unstubAllGlobals();
	await stopAll();
});

const content = Buffer.alloc(300_000, 'b');

/** The bytes that came, and the problem that ended them. */
async function outcomeOf(
	reading: Promise<BlobStream>,
): Promise<{ bytes: number; problem?: Problem }> {
	let bytes = 0;
	try {
		for await (const chunk of (await reading).chunks) bytes += chunk.length;
		return { bytes };
	} catch (error) {
		return { bytes, problem: problemOf(error) };
	}
}

describe('a blob read from a registry', () => {
	async function read(script: Script, sizeBytes: number) {
		const server = await startScripted(script);
		const reference = refer(server.host, sha256(content));
		const stated: (number | undefined)[] = [];
		const reading = readerWith().readBlob({ reference, sizeBytes });
		reading.then(
			(blob) => stated.push(blob.sizeBytes),
			() => undefined,
		);
		return { ...(await outcomeOf(reading)), stated };
	}
	const chunked: Script = (_request, response) => {
		response.write(content.subarray(0, 9));
		response.end(content.subarray(9));
	};
	const sized: Script = (_request, response) => void response.end(content);

	it.each([
		['its length', sized],
		['no length', chunked],
	])('arrives where it has the size its descriptor states, sent with %s', async (_name, script) => {
		expect(await read(script, content.length)).toEqual({
			bytes: content.length,
			stated: [content.length],
		});
	});

	it.each([1, 299_999, 300_001])('is refused at once where %i bytes are expected', async (size) => {
		const { bytes, problem, stated } = await read(sized, size);
		expect([bytes, stated]).toEqual([0, []]);
		expect(problem?.code).toBe('malformed');
		expect(problem?.reason).toMatch(new RegExp(`300000 bytes.*${size}`));
	});

	it('is broken off at the first byte beyond', async () => {
		let ended = false;
		const endless: Script = (_request, response) => {
			response.on('close', () => (ended = true));
			const more = (): void => {
				if (!ended) response.write(Buffer.alloc(65_536), () => setImmediate(more));
			};
			more();
		};
		const { bytes, problem } = await read(endless, 100_000);
		expect(problem?.code).toBe('malformed');
		expect(problem?.reason).toContain('100000');
		expect(bytes).toBeLessThanOrEqual(100_000);
		await vi.waitFor(() => expect(ended).toBe(true));
	});

	it('is refused where it is whole and still smaller than its descriptor states', async () => {
		const { bytes, problem } = await read(chunked, 300_001);
		expect(problem?.code).toBe('malformed');
		expect(bytes).toBeLessThan(content.length);
	});
});

describe('the route of blobs', () => {
	function route() {
		const asked: BlobRequest[] = [];
		async function* chunks() {
			yield await Promise.resolve(content);
		}
		const readBlob = (request: BlobRequest): Promise<BlobStream> => {
			asked.push(request);
			return Promise.resolve({ sizeBytes: content.length, chunks: chunks() });
		};
		const reader = fakeReader({ readBlob });
		const app = blobRoutes(callerBy(appOptions({ reader }).callerWith));
		const query = `reference=${formatReference(refer('quay.io', sha256(content)))}`;
		const get = (more: string) => Promise.resolve(app.request(`/blob?${query}${more}`));
		return { asked, get };
	}

	it('hands the size on', async () => {
		const { asked, get } = route();
		expect((await get('&size=300000')).status).toBe(200);
		expect((await get('')).status).toBe(200);
		expect(asked.map(({ sizeBytes }) => sizeBytes)).toEqual([300_000, undefined]);
	});

	it.each(['-1', '1e3', '', 'x', '0x10', '1.5', '9'.repeat(16), '1&size=2'])(
		'does not take “%s” for a size',
		async (size) => {
			const { asked, get } = route();
			expect([(await get(`&size=${size}`)).status, asked]).toEqual([400, []]);
		},
	);
});

describe('a blob read by the page', () => {
	const reader = new ProxyReader(new ProxyClient({ token: () => 'T' }), hashBytes);
	const reference = refer('quay.io', sha256(content));

	/** An answer of the proxy, and how much of it was taken. */
	function answer(chunks: Iterable<Uint8Array>, headers: Record<string, string> = {}) {
		const taken = { bytes: 0, cancelled: false, path: '' };
		const iterator: Iterator<Uint8Array, unknown> = chunks[Symbol.iterator]();
		const body = new ReadableStream<Uint8Array>(
			{
				pull(controller) {
					const next = iterator.next();
					if (next.done) {
						controller.close();
						return;
					}
					taken.bytes += next.value.length;
					controller.enqueue(next.value);
				},
				cancel() {
					taken.cancelled = true;
				},
			},
			{ highWaterMark: 0 },
		);
		vi.stubGlobal('fetch', (path: string) => {
			taken.path = path;
			return Promise.resolve(new Response(body, { headers }));
		});
		return taken;
	}
	function* far() {
		const megabyte = new Uint8Array(1024 * 1024);
		for (let count = 0; count < 200; count += 1) yield megabyte;
	}

	it('is asked for with its size', async () => {
		const taken = answer([content.subarray(0, 9), content.subarray(9)]);
		const reading = reader.readBlob({ reference, sizeBytes: 300_000 });
		expect(await outcomeOf(reading)).toEqual({ bytes: 300_000 });
		expect((await reading).sizeBytes).toBe(300_000);
		expect(new URL(taken.path, 'http://x.invalid').searchParams.get('size')).toBe('300000');
	});

	it('needs no size', async () => {
		const taken = answer([content], { 'content-length': '300000' });
		expect(await outcomeOf(reader.readBlob({ reference }))).toEqual({ bytes: 300_000 });
		expect(taken.path).not.toContain('size');
	});

	it('is not read beyond its size', async () => {
		const taken = answer(far());
		const { problem } = await outcomeOf(reader.readBlob({ reference, sizeBytes: 3_000_000 }));
		expect(problem?.code).toBe('malformed');
		expect(problem?.reason).toContain('3000000');
		expect(taken).toMatchObject({ bytes: 3 * 1024 * 1024, cancelled: true });
	});

	it.each([
		['unknown', undefined],
		['larger', 10 * limits.payloadBytes],
	])('is not read beyond what the page holds where its size is %s', async (_name, sizeBytes) => {
		const taken = answer(far());
		const request = { reference, ...(sizeBytes !== undefined && { sizeBytes }) };
		const { problem } = await outcomeOf(reader.readBlob(request));
		expect(problem?.code).toBe('too-large');
		expect(taken.cancelled).toBe(true);
		expect(taken.bytes).toBeLessThanOrEqual(limits.payloadBytes + 1024 * 1024);
	});

	it('is not read at all where another length is announced', async () => {
		const taken = answer([content], { 'content-length': '300000' });
		const { problem } = await outcomeOf(reader.readBlob({ reference, sizeBytes: 7 }));
		expect(problem?.code).toBe('malformed');
		expect(problem?.reason).toMatch(/300000 bytes.*7/);
		expect(taken).toMatchObject({ bytes: 0, cancelled: true });
	});

	it('is refused where it is whole and smaller than its descriptor states', async () => {
		answer([content]);
		const { problem } = await outcomeOf(reader.readBlob({ reference, sizeBytes: 300_001 }));
		expect(problem?.code).toBe('malformed');
	});

	it('is refused where its digest is another', async () => {
		answer([Buffer.alloc(300_000, 'c')]);
		const { problem } = await outcomeOf(reader.readBlob({ reference, sizeBytes: 300_000 }));
		expect(problem?.code).toBe('digest-mismatch');
	});

	it('says that it did not arrive whole', async () => {
		const body = new ReadableStream({ pull: (controller) => controller.error(new TypeError('x')) });
		vi.stubGlobal('fetch', () => Promise.resolve(new Response(body)));
		const { problem } = await outcomeOf(reader.readBlob({ reference }));
		expect(problem?.code).toBe('truncated');
	});
});
