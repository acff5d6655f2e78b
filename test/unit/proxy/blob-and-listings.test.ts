import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { registryFactsSchema, sessionSchema } from '../../../shared/api/schema.ts';
import { ProblemError, type ProblemCode } from '../../../shared/registry/problem.ts';
import { digestOfBytes, fakeApp, fakeReader, linesOf, problemIn } from './fake-reader.ts';

const digest = digestOfBytes(new Uint8Array());
const blobPath = `/api/blob?reference=quay.io/a/b@${digest}`;

function problem(code: ProblemCode): ProblemError {
	return new ProblemError({ code, origin: 'registry', reason: 'It went wrong.' });
}

/** A blob of these chunks, that may break at its end. */
function blobOf(
	chunks: readonly Uint8Array[],
	sizeBytes: number | undefined,
	broken?: ProblemError,
) {
	async function* send() {
		for (const chunk of chunks) {
			await turn();
			yield chunk;
		}
		if (broken) throw broken;
	}
	return fakeApp({
		reader: fakeReader({ readBlob: () => Promise.resolve({ sizeBytes, chunks: send() }) }),
	});
}

const chunks = [Buffer.from('one '), Buffer.from(''), Buffer.from('two')];

describe('GET /api/blob', () => {
	it('sends the bytes as a download that no browser makes a document of', async () => {
		const response = await blobOf(chunks, 7).send(blobPath);
		expect(response.status).toBe(200);
		expect(await response.text()).toBe('one two');
		expect(Object.fromEntries(response.headers)).toMatchObject({
			'content-type': 'application/octet-stream',
			'content-disposition': 'attachment; filename="blob"',
			'content-security-policy': "default-src 'none'; sandbox",
			'x-content-type-options': 'nosniff',
			'content-length': '7',
		});
	});

	it('sends an empty blob, and one of unknown size', async () => {
		expect(await (await blobOf([], 0).send(blobPath)).text()).toBe('');
		const response = await blobOf(chunks, undefined).send(blobPath);
		expect(response.headers.get('content-length')).toBeNull();
		expect(await response.text()).toBe('one two');
	});

	it('breaks off before the last byte where the digest is wrong', async () => {
		const response = await blobOf(chunks, 7, problem('digest-mismatch')).send(blobPath);
		const body = response.body!.getReader();
		expect(Buffer.from((await body.read()).value!).toString()).toBe('one ');
		await expect(body.read()).rejects.toThrow(/went wrong/);
	});

	it.each([6, 8])('breaks off where the size is %i instead of 7', async (sizeBytes) => {
		const response = await blobOf(chunks, sizeBytes).send(blobPath);
		await expect(response.text()).rejects.toThrow(/another size/);
	});

	it.each([
		['blob-unknown', 404],
		['unauthorized', 403],
		['rate-limited', 429],
		['connection-refused', 502],
		['timeout', 504],
	] as const)('answers %s with %i where it comes before the first byte', async (code, status) => {
		const failing = fakeApp({
			reader: fakeReader({ readBlob: () => Promise.reject(problem(code)) }),
		});
		for (const { send } of [failing, blobOf([], undefined, problem(code))]) {
			const response = await send(blobPath);
			expect(response.status).toBe(status);
			expect(await problemIn(response)).toBe(code);
		}
	});

	it('stops the reader when nobody takes the bytes any more', async () => {
		let given: AbortSignal | undefined;
		let ended = false;
		async function* endless() {
			try {
				for (;;) {
					await turn();
					yield Buffer.alloc(1024);
				}
			} finally {
				ended = true;
			}
		}
		const reader = fakeReader({
			readBlob: (_, options) => {
				given = options?.signal;
				return Promise.resolve({ sizeBytes: undefined, chunks: endless() });
			},
		});
		const response = await fakeApp({ reader }).send(blobPath);
		const body = response.body!.getReader();
		await body.read();
		await body.cancel();
		await turn();
		expect(given?.aborted).toBe(true);
		expect(ended).toBe(true);
	});

	it.each([
		['/api/blob', 'nothing'],
		['/api/blob?reference=quay.io/a/b:1', 'a tag'],
		[`/api/blob?reference=quay.io/../b@${digest}`, 'a wrong repository'],
		[`/api/blob?reference=quay.io/a/b@${digest}%0d%0a`, 'a line break inside'],
		[`/api/blob?reference=https://quay.io/a/b@${digest}`, 'a web address'],
		['/api/blob?reference=quay.io/a@sha256:../../../../etc/passwd', 'a path'],
		[`${blobPath}&reference=quay.io/a/c@${digest}`, 'two'],
		[`${blobPath}&namedBy=a/b`, 'a wrong namedBy'],
		[`${blobPath}&namedBy=quay.io&namedBy=ghcr.io`, 'two of namedBy'],
	])('refuses %s', async (path) => {
		const response = await fakeApp().send(path.replace('%0d%0a', '%0d%0ax'));
		expect(response.status).toBe(400);
		expect(await problemIn(response)).toBe('reference-invalid');
	});
});

describe('the listings', () => {
	async function* yielding<T>(items: readonly T[], broken?: ProblemError) {
		for (const item of items) {
			await turn();
			yield item;
		}
		if (broken) throw broken;
	}

	it('give an item a line', async () => {
		const descriptor = { mediaType: 'a/b', digest, size: 2 };
		const { send } = fakeApp({
			reader: fakeReader({
				tags: ({ repository }) => yielding([repository, '2']),
				referrers: (subject) => yielding([{ ...descriptor, digest: subject.digest }]),
				repositories: (registry) => yielding([registry]),
			}),
		});
		expect(await linesOf(await send('/api/tags?repository=quay.io/a/b'))).toEqual([
			{ ok: true, item: 'a/b' },
			{ ok: true, item: '2' },
		]);
		expect(await linesOf(await send(`/api/referrers?reference=quay.io/a/b@${digest}`))).toEqual([
			{ ok: true, item: descriptor },
		]);
		expect(await linesOf(await send('/api/repositories?registry=store'))).toEqual([
			{ ok: true, item: 'store' },
		]);
	});

	it('hand on who named the place, and refuse what is no registry', async () => {
		const named: (string | undefined)[] = [];
		const reader = fakeReader({
			referrers: (_, options) => {
				named.push(options?.namedBy);
				return yielding([]);
			},
		});
		const { send } = fakeApp({ reader });
		const path = `/api/referrers?reference=quay.io/a/b@${digest}`;
		await linesOf(await send(`${path}&namedBy=registry.test`));
		await linesOf(await send(path));
		expect(named).toEqual(['registry.test', undefined]);
		expect((await send(`${path}&namedBy=no%20registry`)).status).toBe(400);
	});

	it('end with the problem', async () => {
		const reader = fakeReader({ tags: () => yielding(['1'], problem('rate-limited')) });
		expect(await linesOf(await fakeApp({ reader }).send('/api/tags?repository=quay.io/a'))).toEqual(
			[{ ok: true, item: '1' }, expect.objectContaining({ ok: false })],
		);
	});

	it.each([
		'/api/tags',
		'/api/tags?repository=quay.io/a:1',
		'/api/tags?repository=quay.io/a&repository=quay.io/b',
		'/api/referrers?reference=quay.io/a:1',
		'/api/repositories',
		'/api/repositories?registry=quay.io/a',
		'/api/repositories?registry=user@quay.io',
		'/api/registries?repository=quay.io/A',
	])('refuse %s', async (path) => {
		expect((await fakeApp().send(path)).status).toBe(400);
	});
});

describe('GET /api/registries', () => {
	it('says how a registry is reached', async () => {
		const response = await fakeApp().send('/api/registries?repository=quay.io/a/b');
		expect(registryFactsSchema.parse(await response.json())).toEqual({
			registry: 'quay.io',
			transport: 'https',
			credential: { registry: 'quay.io', kind: 'none' },
		});
	});

	it('says what is wrong', async () => {
		const describeRegistry = () => Promise.reject(problem('credentials-unusable'));
		const response = await fakeApp({ describeRegistry }).send(
			'/api/registries?repository=quay.io/a',
		);
		expect(response.status).toBe(502);
		expect(await problemIn(response)).toBe('credentials-unusable');
	});
});

describe('GET /api/session', () => {
	it('names the version, and the demo where there is one', async () => {
		const read = async (demo?: string) =>
			sessionSchema.parse(await (await fakeApp({ demo }).send('/api/session')).json());
		expect(await read()).toEqual({ mode: 'local', version: '1.2.3' });
		expect(await read('store/demo/release:1')).toEqual({
			mode: 'local',
			version: '1.2.3',
			demo: 'store/demo/release:1',
		});
	});
});

describe('a defect', () => {
	it('is answered, and told to whoever runs the server', async () => {
		const told: unknown[] = [];
		const describeRegistry = () => {
			throw new TypeError('oops');
		};
		const { send } = fakeApp({ describeRegistry, onDefect: (error) => told.push(error) });
		const response = await send('/api/registries?repository=quay.io/a');
		expect(response.status).toBe(500);
		expect(await problemIn(response)).toBe('internal');
		expect(told).toEqual([new TypeError('oops')]);
	});
});
