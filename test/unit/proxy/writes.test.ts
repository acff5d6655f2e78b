import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createApp } from '../../../proxy/app.ts';
import { listenOnLoopback } from '../../../proxy/server/listen.ts';
import { toRequestListener } from '../../../proxy/server/request-listener.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { writeLimits } from '../../../shared/api/write-schema.ts';
import { blobUploadRoutes } from '../../../proxy/routes/blob-upload.ts';
import { ProblemError, problemOf, type ProblemCode } from '../../../shared/registry/problem.ts';
import type {
	BlobCopyEvent,
	ManifestPush,
	RegistryWriter,
	TagMove,
} from '../../../shared/registry/registries.ts';
import {
	appOptions,
	digestOfBytes,
	fakeApp,
	fakeReader,
	fakeWriter,
	linesOf,
	problemIn,
	token,
} from './fake-reader.ts';

const bytes = Buffer.from('the content of a blob');
const digest = digestOfBytes(bytes);
const repository = { registry: 'quay.io', repository: 'a/b' };
const to = { ...repository, digest };
const from = [{ registry: 'ghcr.io', repository: 'c' }];

function problem(code: ProblemCode): ProblemError {
	return new ProblemError({ code, origin: 'registry', reason: 'It went wrong.' });
}

function app(writer: Partial<RegistryWriter> = {}) {
	return fakeApp({ writer: fakeWriter(writer) });
}

const never = () => Promise.reject(new Error('nobody asks for this'));

/** Something that happens once, to be waited for. */
function signalling() {
	let tell: () => void = () => undefined;
	const told = new Promise<void>((resolve) => (tell = resolve));
	return { told, tell: () => tell() };
}

describe('POST /api/copies', () => {
	const copies = [1, 2, 3].map((sizeBytes) => ({ to, sizeBytes, from }));

	it('gives a line for each step, and a last one for every copy', async () => {
		const { post } = app({
			copyBlobs: async function* ([one, two]) {
				await turn();
				yield { copy: one!, state: 'copying', bytes: 1 };
				yield { copy: two!, state: 'mounted' };
				yield { copy: one!, state: 'copied' };
				throw problem('rate-limited');
			},
		});
		expect(await linesOf(await post('/api/copies', { copies }))).toEqual([
			{ index: 0, state: 'copying', bytes: 1 },
			{ index: 1, state: 'mounted' },
			{ index: 0, state: 'copied' },
			{ index: 2, state: 'failed', problem: problem('rate-limited').problem },
		]);
	});

	it('counts copies of which nothing was said as failed', async () => {
		const { post } = app({ copyBlobs: async function* () {} });
		const lines = await linesOf(await post('/api/copies', { copies }));
		expect(lines).toHaveLength(3);
		expect(lines[0]).toMatchObject({ state: 'failed', problem: { code: 'internal' } });
	});

	it('stops when the client goes', async () => {
		let given: AbortSignal | undefined;
		const { post } = app({
			copyBlobs: async function* ([copy], options): AsyncGenerator<BlobCopyEvent> {
				given = options?.signal;
				for (let at = 0; ; at += 1) {
					await turn();
					yield { copy: copy!, state: 'copying', bytes: at };
				}
			},
		});
		const body = (await post('/api/copies', { copies })).body!.getReader();
		await body.read();
		await body.cancel();
		expect(given?.aborted).toBe(true);
	});

	it.each([
		['without a digest', { copies: [{ to: repository, sizeBytes: 1, from }] }],
		['with a negative size', { copies: [{ to, sizeBytes: -1, from }] }],
		['with half a byte', { copies: [{ to, sizeBytes: 1.5, from }] }],
		['without a size', { copies: [{ to, from }] }],
		['with a source as text', { copies: [{ to, sizeBytes: 1, from: ['ghcr.io/c'] }] }],
		['with a source by tag', { copies: [{ to, sizeBytes: 1, from: [{ ...from[0], tag: 'v1' }] }] }],
		['with too many', { copies: Array<unknown>(writeLimits.entries + 1).fill(copies[0]) }],
		['with a field too many', { copies, force: true }],
		['with nothing', {}],
	])('refuses a body %s', async (_, body: unknown) => {
		expect((await app().post('/api/copies', body)).status).toBe(400);
	});
});

describe('POST /api/manifests/push', () => {
	it('takes bytes as text or base64, and copies by digest', async () => {
		let pushed: readonly ManifestPush[] = [];
		const { post } = app({
			pushManifests: async function* (pushes) {
				await turn();
				pushed = pushes;
				yield { push: pushes[1]!, state: 'pushed' };
				yield { push: pushes[0]!, state: 'existed' };
				yield { push: pushes[2]!, state: 'failed', problem: problem('denied').problem };
			},
		});
		const target = { to, mediaType: 'a/b' };
		const text = '\u{feff}{"größe": "😀"}\r\n';
		const pushes = [
			{ ...target, text },
			{ ...target, base64: Buffer.from([255, 0, 254]).toString('base64') },
			{ ...target, from },
		];
		expect(await linesOf(await post('/api/manifests/push', { pushes }))).toEqual([
			{ index: 1, state: 'pushed' },
			{ index: 0, state: 'existed' },
			{ index: 2, state: 'failed', problem: problem('denied').problem },
		]);
		expect(pushed).toEqual([
			{ ...target, bytes: new Uint8Array(Buffer.from(text)) },
			{ ...target, bytes: Uint8Array.of(255, 0, 254) },
			{ ...target, from },
		]);
	});

	it.each([
		['a text', { text: 'ä'.repeat(writeLimits.manifestBytes / 2 + 1) }, 413],
		['a longer text', { text: 'a'.repeat(writeLimits.manifestBytes + 1) }, 400],
		['base64', { base64: Buffer.alloc(writeLimits.manifestBytes + 1).toString('base64') }, 413],
	])('refuses a manifest over 4 MiB as %s', async (_, content, status) => {
		const pushes = [{ to, mediaType: 'a/b', ...content }];
		expect((await app().post('/api/manifests/push', { pushes })).status).toBe(status);
	});

	it.each([
		{ to, mediaType: 'a/b' },
		{ to, mediaType: '', text: '{}' },
		{ to, mediaType: 'a/b', base64: '***' },
		{ to, mediaType: 'a/b', text: '{}', from },
		{ to: repository, mediaType: 'a/b', text: '{}' },
	])('refuses %j', async (push) => {
		expect((await app().post('/api/manifests/push', { pushes: [push] })).status).toBe(400);
	});
});

describe('POST /api/tags/move', () => {
	const move = { ...repository, tag: 'v1', digest, expect: 'absent' };

	it('gives a line for each tag', async () => {
		let moved: readonly TagMove[] = [];
		const { post } = app({
			moveTags: async function* (moves) {
				await turn();
				moved = moves;
				yield { move: moves[1]!, state: 'conflict', found: 'absent' };
				yield { move: moves[0]!, state: 'held-back' };
			},
		});
		const moves = [move, { ...move, digest: 'absent', expect: digest }];
		expect(await linesOf(await post('/api/tags/move', { moves }))).toEqual([
			{ index: 1, state: 'conflict', found: 'absent' },
			{ index: 0, state: 'held-back' },
		]);
		expect(moved).toEqual(moves);
	});

	it.each([
		{ ...move, tag: '../v1' },
		{ ...move, digest: 'latest' },
		{ ...move, expect: undefined },
		{ ...move, registry: 'https://quay.io' },
	])('refuses %j', async (wrong) => {
		expect((await app().post('/api/tags/move', { moves: [wrong] })).status).toBe(400);
	});
});

describe('PUT /api/blob', () => {
	const path = `/api/blob?reference=quay.io/a/b@${digest}&size=${bytes.length}`;
	const headers = {
		'content-type': 'application/octet-stream',
		'content-length': String(bytes.length),
	};

	/** Takes the content and tells what came. */
	function taking(received: Buffer[] = []): Partial<RegistryWriter> {
		return {
			putBlobs: async function* ([upload]) {
				yield { upload: upload!, state: 'sending', bytes: 0 };
				for await (const chunk of upload!.content()) received.push(Buffer.from(chunk));
				yield { upload: upload!, state: 'sent' };
			},
		};
	}

	it('hands the content on and says what became of it', async () => {
		const received: Buffer[] = [];
		const { send } = app(taking(received));
		const response = await send(path, { method: 'PUT', headers, body: bytes });
		expect(await response.json()).toEqual({ state: 'sent' });
		expect(Buffer.concat(received)).toEqual(bytes);
	});

	it('takes an empty blob', async () => {
		const empty = `/api/blob?reference=quay.io/a/b@${digestOfBytes(Buffer.alloc(0))}&size=0`;
		const response = await app(taking()).send(empty, {
			method: 'PUT',
			headers: { ...headers, 'content-length': '0' },
		});
		expect(await response.json()).toEqual({ state: 'sent' });
	});

	it.each([
		['storage-full', 502],
		['denied', 403],
		['unauthorized', 403],
		['digest-mismatch', 502],
	] as const)('answers %s with %i', async (code, status) => {
		const { send } = app({
			putBlobs: async function* ([upload]) {
				await turn();
				yield { upload: upload!, state: 'failed', problem: problem(code).problem };
			},
		});
		const response = await send(path, { method: 'PUT', headers, body: bytes });
		expect([response.status, await problemIn(response)]).toEqual([status, code]);
	});

	it('gives a client up that falls silent, however it is asked for more', async () => {
		const failures: string[] = [];
		const writer = fakeWriter({
			putBlobs: async function* ([upload]) {
				try {
					for await (const _ of upload!.content());
				} catch (error) {
					failures.push(problemOf(error).code);
					yield { upload: upload!, state: 'failed', problem: problemOf(error) };
				}
			},
		});
		const routes = blobUploadRoutes(
			() => ({ reader: fakeReader(), writer, describeRegistry: never }),
			30,
		);
		const body = new ReadableStream<Uint8Array>({
			start: (controller) => controller.enqueue(bytes.subarray(0, 1)),
		});
		const init: RequestInit & { duplex: 'half' } = { method: 'PUT', headers, body, duplex: 'half' };
		const response = await routes.request(path.slice('/api'.length), init);
		expect(failures).toEqual(['timeout']);
		expect(await response.json()).toMatchObject({
			problem: { code: 'timeout', reason: expect.stringContaining('0.03 s') as string },
		});
		expect(response.headers.get('connection')).toBe('close');
	});

	it('gives a client up that falls silent after the blob was refused', async () => {
		const writer = fakeWriter({
			putBlobs: async function* ([upload]) {
				await turn();
				yield { upload: upload!, state: 'failed', problem: problem('denied').problem };
			},
		});
		const routes = blobUploadRoutes(
			() => ({ reader: fakeReader(), writer, describeRegistry: never }),
			30,
		);
		const init: RequestInit & { duplex: 'half' } = {
			method: 'PUT',
			headers,
			body: new ReadableStream<Uint8Array>(),
			duplex: 'half',
		};
		const response = await routes.request(path.slice('/api'.length), init);
		expect(await problemIn(response)).toBe('denied');
	});

	it('does not give the content a second time', async () => {
		const codes: string[] = [];
		const { send } = app({
			putBlobs: async function* ([upload]) {
				for await (const _ of upload!.content());
				try {
					upload!.content();
				} catch (error) {
					codes.push((error as ProblemError).problem.code);
				}
				yield { upload: upload!, state: 'existed' };
			},
		});
		const response = await send(path, { method: 'PUT', headers, body: bytes });
		expect(await response.json()).toEqual({ state: 'existed' });
		expect(codes).toEqual(['request-invalid']);
	});

	it.each([
		[415, { 'content-type': 'application/json' }],
		[415, { 'content-type': 'application/octet-stream; charset=utf-8' }],
		[415, { 'content-type': undefined }],
		[415, { 'content-encoding': 'gzip' }],
		[411, { 'content-length': undefined }],
		[400, { 'content-length': '20' }],
		[401, { [tokenHeader]: undefined }],
		[403, { origin: 'https://evil.test' }],
		[403, { 'sec-fetch-site': 'cross-site' }],
		[403, { 'sec-fetch-site': 'same-site' }],
	])('refuses with %i where the headers have %j', async (status, changes) => {
		const response = await app().send(path, {
			method: 'PUT',
			headers: { ...headers, ...changes },
			body: bytes,
		});
		expect(response.status).toBe(status);
	});

	it.each([
		`/api/blob?reference=quay.io/a/b@${digest}`,
		`/api/blob?reference=quay.io/a/b:1&size=${bytes.length}`,
		`/api/blob?reference=quay.io/a/b@${digest}&size=x`,
		`${path}&size=1`,
	])('refuses %s', async (wrong) => {
		const response = await app().send(wrong, { method: 'PUT', headers, body: bytes });
		expect(response.status).toBe(400);
	});

	describe('over a socket', () => {
		async function serve(writer: Partial<RegistryWriter>): Promise<number> {
			const server = await listenOnLoopback(0, (port) =>
				toRequestListener(createApp(appOptions({ port, writer: fakeWriter(writer) }))),
			);
			onTestFinished(() => server.close());
			return server.port;
		}

		it('answers only when the client has sent all of it', async () => {
			const size = 8 * 1024 * 1024;
			const port = await serve({
				putBlobs: async function* ([upload]) {
					await turn();
					yield { upload: upload!, state: 'failed', problem: problem('denied').problem };
				},
			});
			const { statusCode, body } = await request(
				`http://127.0.0.1:${port}/api/blob?reference=quay.io/a/b@${digest}&size=${size}`,
				{
					method: 'PUT',
					headers: {
						[tokenHeader]: token,
						'content-type': 'application/octet-stream',
						'content-length': String(size),
					},
					body: Buffer.alloc(size),
				},
			);
			await body.dump();
			expect(statusCode).toBe(403);
		});

		it('stops when the client goes in the middle', async () => {
			const [begun, ended] = [signalling(), signalling()];
			const port = await serve({
				putBlobs: async function* ([upload], options) {
					try {
						for await (const _ of upload!.content()) begun.tell();
						yield { upload: upload!, state: 'sent' };
					} finally {
						options?.signal?.addEventListener('abort', ended.tell);
						if (options?.signal?.aborted) ended.tell();
					}
				},
			});
			const socket = connect(port, '127.0.0.1');
			socket.write(
				`PUT ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${tokenHeader}: ${token}\r\n` +
					`Content-Type: application/octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\nthe`,
			);
			await begun.told;
			socket.destroy();
			await ended.told;
		});
	});
});
