import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { Document } from '../../../shared/oci/document.ts';
import type { DigestReference } from '../../../shared/oci/reference.ts';
import { ProblemError, problemOf, type Problem } from '../../../shared/registry/problem.ts';
import type { OpenUpload, UploadBody } from '../../../proxy/transfer/target.ts';
import { Secret } from '../../../proxy/upstream/credentials/secret.ts';
import type { DirectReaderOptions } from '../../../proxy/upstream/direct-reader.ts';
import type { RegistryTarget } from '../../../proxy/upstream/registry-target.ts';
import { sha256 } from '../../support/push.ts';
import {
	fakePace,
	manifestBytes,
	readerWith,
	refer,
	startScripted,
	stopAll,
	type Script,
	type ScriptedServer,
} from './scripted-server.ts';

afterEach(stopAll);

const blobBytes = Buffer.from('a blob of a few bytes');
const digest = sha256(blobBytes);
const imageType = 'application/vnd.oci.image.manifest.v1+json';
const upload = '/v2/a/b/blobs/uploads/1';
const timeouts = { connectMs: 5_000, headersMs: 5_000, bodyMs: 5_000 };

function documentOf(number = 0): Document {
	const bytes = manifestBytes(number);
	return { mediaType: imageType, digest: sha256(bytes), bytes };
}

function targetOf(options: Partial<DirectReaderOptions> = {}): RegistryTarget {
	return readerWith(options).target;
}

interface WatchedBody extends UploadBody {
	readonly state: { taken: number; closed: boolean };
}

/** A body of those chunks, an error among them being thrown. */
function bodyOf(
	chunks: Iterable<Uint8Array | Error> | AsyncIterable<Uint8Array | Error> = [blobBytes],
	sizeBytes: number = blobBytes.length,
): WatchedBody {
	const state = { taken: 0, closed: false };
	async function* flow(): AsyncGenerator<Uint8Array> {
		try {
			for await (const chunk of chunks) {
				if (chunk instanceof Error) throw chunk;
				yield chunk;
			}
		} finally {
			state.closed = true;
		}
	}
	return { sizeBytes, chunks: flow(), onBytes: (bytes) => (state.taken += bytes), state };
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

/** What each request was, without the bodies. */
function lines({ requests }: ScriptedServer): string[] {
	return requests.map(({ method, path }) => `${method} ${path}`);
}

async function problemFrom(work: Promise<unknown>): Promise<Problem> {
	const error: unknown = await work.then(
		() => new Error('it went well'),
		(failure: unknown) => failure,
	);
	expect(error).toBeInstanceOf(ProblemError);
	return problemOf(error);
}

async function opened(
	target: RegistryTarget,
	blob: DigestReference,
	from?: { registry: string; repository: string },
): Promise<OpenUpload> {
	const begun = from && (await target.mount(blob, from));
	if (begun === 'mounted') throw new Error('mounted');
	return begun ?? target.startUpload(blob);
}

/** Answers POST with that Location, and the rest by `rest`. */
function uploads(location: string | ((host: string) => string), rest: Script): Script {
	return (request, response) => {
		if (request.method !== 'POST') {
			rest(request, response);
			return;
		}
		const host = request.headers.host ?? '';
		const value = typeof location === 'string' ? location : location(host);
		response.writeHead(202, { location: value }).end();
	};
}

/** Takes every body and answers with that status. */
function takes(bodies: Buffer[], status = 201): Script {
	return (request, response) =>
		void bytesOf(request).then(
			(bytes) => {
				bodies.push(bytes);
				response.writeHead(status).end();
			},
			() => undefined,
		);
}

async function sendTo(
	script: Script,
	options: Partial<DirectReaderOptions> = {},
	body: WatchedBody = bodyOf(),
): Promise<{ server: ScriptedServer; problem: Problem | undefined }> {
	const server = await startScripted(script);
	const started = await opened(targetOf(options), refer(server.host, digest));
	const problem = await started.send(body, undefined).then(
		() => undefined,
		(error: unknown) => problemOf(error),
	);
	return { server, problem };
}

describe('an upload', () => {
	it('goes in two requests, with the exact length and the type of bytes', async () => {
		const headers: IncomingMessage['headers'][] = [];
		const bodies: Buffer[] = [];
		const body = bodyOf([blobBytes.subarray(0, 5), blobBytes.subarray(5)]);
		const { server, problem } = await sendTo(
			uploads(upload, (request, response) => {
				headers.push(request.headers);
				takes(bodies)(request, response);
			}),
			{},
			body,
		);
		expect(problem).toBeUndefined();
		expect(bodies).toEqual([blobBytes]);
		expect(headers[0]).toMatchObject({
			'content-length': `${blobBytes.length}`,
			'content-type': 'application/octet-stream',
		});
		expect(headers[0]).not.toHaveProperty('transfer-encoding');
		expect(lines(server)).toEqual([
			'POST /v2/a/b/blobs/uploads/',
			`PUT ${upload}?digest=${encodeURIComponent(digest)}`,
		]);
		expect(body.state).toEqual({ taken: blobBytes.length, closed: true });
	});

	it.each<[string, string | ((host: string) => string), string]>([
		['an absolute address', (host) => `http://${host}/up/1`, '/up/1?'],
		['an address without scheme', (host) => `${host}/up/1`, '/up/1?'],
		['an address without scheme in front of //', (host) => `//${host}/up/1`, '/up/1?'],
		['a path', '/up/1', '/up/1?'],
		['a relative path', 'one', '/v2/a/b/blobs/uploads/one?'],
		['a query of its own', '/up/1?_state=a%3D%3D&x=~', '/up/1?_state=a%3D%3D&x=~&'],
	])('goes where the registry says, by %s', async (_name, location, path) => {
		const bodies: Buffer[] = [];
		const { server, problem } = await sendTo(uploads(location, takes(bodies)));
		expect(problem).toBeUndefined();
		expect(bodies).toEqual([blobBytes]);
		expect(lines(server)[1]).toBe(`PUT ${path}digest=${encodeURIComponent(digest)}`);
	});

	it.each([
		['no Location', undefined, 'malformed'],
		['a user name', 'http://me:pw@127.0.0.1/x', 'redirect-refused'],
		['no web address', 'ftp://127.0.0.1/x', 'redirect-refused'],
	])('is refused where the registry says %s', async (_name, location, code) => {
		const server = await startScripted((_request, response) => {
			response.writeHead(202, location === undefined ? {} : { location }).end();
		});
		const work = targetOf().startUpload(refer(server.host, digest));
		expect(await problemFrom(work)).toMatchObject({ code });
	});

	it.each(['http://10.1.2.3/x', 'http://169.254.169.254/x'])(
		'is not sent to the private address %s, and its source is closed',
		async (location) => {
			const body = bodyOf();
			const { problem } = await sendTo(
				uploads(location, () => undefined),
				{},
				body,
			);
			expect(problem).toMatchObject({ code: 'egress-blocked' });
			expect(body.state).toEqual({ taken: 0, closed: false });
			expect(await body.chunks[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
		},
	);

	it('to another host carries no login', async () => {
		const bodies: Buffer[] = [];
		const storage = await startScripted(takes(bodies));
		const server = await startScripted((request, response) => {
			if (!request.headers.authorization) {
				response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
			} else {
				const location = `http://localhost:${storage.port}/up?sig=x`;
				response.writeHead(202, { location }).end();
			}
		});
		const credentials = passwords();
		const target = targetOf({ credentials, plainHttp: ['localhost'] });
		await (await opened(target, refer(server.host, digest))).send(bodyOf(), undefined);
		expect(bodies).toEqual([blobBytes]);
		expect(server.requests.at(-1)?.authorization).toMatch(/^Basic /);
		expect(storage.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
	});

	it.each([404, 405, 411, 501])(
		'that is answered %i goes in one part and an end instead, then always',
		async (status) => {
			const bodies: Buffer[] = [];
			const server = await startScripted(
				uploads(upload, (request, response) => {
					if (request.method === 'PATCH') {
						void bytesOf(request).then((bytes) => {
							bodies.push(bytes);
							response.writeHead(202, { location: '/v2/a/b/blobs/uploads/1/next?s=2' }).end();
						});
					} else if (request.url?.includes('/next')) takes(bodies)(request, response);
					else response.writeHead(status).end();
				}),
			);
			const target = targetOf();
			const body = bodyOf([blobBytes.subarray(0, 5), blobBytes.subarray(5)]);
			await (await opened(target, refer(server.host, digest))).send(body, undefined);
			expect(body.state).toEqual({ taken: blobBytes.length, closed: true });
			expect(bodies).toEqual([blobBytes, Buffer.alloc(0)]);
			await (await opened(target, refer(server.host, digest))).send(bodyOf(), undefined);
			expect(lines(server).slice(4)).toEqual([
				'POST /v2/a/b/blobs/uploads/',
				`PATCH ${upload}`,
				`PUT ${upload}/next?s=2&digest=${encodeURIComponent(digest)}`,
			]);
		},
	);

	it('too large to be sent from memory again fails once, and the next goes in parts', async () => {
		const large = Buffer.alloc(2 * 1024 * 1024, 7);
		const chunks = [large.subarray(0, 1024 * 1024), large.subarray(1024 * 1024)];
		const bodies: Buffer[] = [];
		const server = await startScripted(
			uploads(upload, (request, response) => {
				if (request.method === 'PATCH') takes(bodies, 202)(request, response);
				else if (bodies.length > 0) response.writeHead(201).end();
				else void bytesOf(request).then(() => response.writeHead(405).end());
			}),
		);
		const target = targetOf();
		const first = await opened(target, refer(server.host, digest));
		const problem = await problemFrom(first.send(bodyOf(chunks, large.length), undefined));
		expect(problem).toMatchObject({ code: 'connection-lost', status: 405 });
		const second = await opened(target, refer(server.host, digest));
		await second.send(bodyOf(chunks, large.length), undefined);
		expect(bodies[0]?.equals(large)).toBe(true);
	});

	it('of an empty blob has a length of 0', async () => {
		const bodies: Buffer[] = [];
		const lengths: unknown[] = [];
		const script = uploads(upload, (request, response) => {
			lengths.push(request.headers['content-length']);
			takes(bodies)(request, response);
		});
		const { problem } = await sendTo(script, {}, bodyOf([], 0));
		expect(problem).toBeUndefined();
		expect([bodies, lengths]).toEqual([[Buffer.alloc(0)], ['0']]);
	});

	it.each([
		[413, '', 'too-large'],
		[403, error('DENIED', 'requested access is denied'), 'denied'],
		[507, '', 'storage-full'],
		[500, error('UNKNOWN', 'unknown error', { Err: 'no space left on device' }), 'storage-full'],
		[403, error('DENIED', 'adding 5 MiB would exceed the storage quota'), 'storage-full'],
		[400, error('DIGEST_INVALID', 'provided digest did not match'), 'digest-mismatch'],
		[500, '', 'registry-failure'],
	])('that is answered %i %s early ends its source at once: %s', async (status, text, code) => {
		const chunk = Buffer.alloc(64 * 1024);
		let sent = 0;
		async function* endless(): AsyncGenerator<Uint8Array> {
			for (; sent < 64 * 1024 * 1024; sent += chunk.length) yield await Promise.resolve(chunk);
		}
		const body = bodyOf(endless(), 64 * 1024 * 1024);
		const refuse: Script = (_request, response) => void response.writeHead(status).end(text);
		const { problem } = await sendTo(uploads(upload, refuse), {}, body);
		expect(problem).toMatchObject({ code, status });
		expect(body.state.closed).toBe(true);
		expect(sent).toBeLessThan(64 * 1024 * 1024);
	});

	it('that is answered early by a registry that hangs up is refused as that says', async () => {
		for (let round = 0; round < 20; round += 1) {
			const chunk = Buffer.alloc(256 * 1024);
			async function* endless(): AsyncGenerator<Uint8Array> {
				for (let number = 0; number < 64; number += 1) yield await Promise.resolve(chunk);
			}
			const hangUp: Script = (request, response) => {
				request.once('data', () => {
					response.writeHead(413, { connection: 'close' }).end(error('SIZE', 'too large'));
					response.once('finish', () => request.socket.destroySoon());
				});
			};
			const body = bodyOf(endless(), 64 * chunk.length);
			const { problem } = await sendTo(uploads(upload, hangUp), {}, body);
			expect(problem).toMatchObject({ code: 'too-large' });
		}
	});

	it('that is answered early does not wait for a source that is stuck', async () => {
		async function* stuck(): AsyncGenerator<Uint8Array> {
			yield blobBytes.subarray(0, 5);
			await new Promise(() => undefined);
		}
		const refuse: Script = (_request, response) => void response.writeHead(413).end();
		const { problem } = await sendTo(uploads(upload, refuse), {}, bodyOf(stuck()));
		expect(problem).toMatchObject({ code: 'too-large' });
	});

	it('leaves its connection to the next', async () => {
		const sockets = new Set<unknown>();
		const server = await startScripted(
			uploads(upload, (request, response) => {
				sockets.add(request.socket);
				takes([])(request, response);
			}),
		);
		const target = targetOf();
		for (let number = 0; number < 10; number += 1) {
			await (await opened(target, refer(server.host, digest))).send(bodyOf(), undefined);
		}
		expect(sockets.size).toBe(1);
	});

	it('whose bytes turn out wrong at the last chunk is never complete at the registry', async () => {
		const wrong = new ProblemError({
			code: 'digest-mismatch',
			origin: 'content',
			reason: 'other bytes',
			registry: 'source.test',
		});
		const ends: string[] = [];
		let ended = (): void => undefined;
		const end = new Promise<void>((resolve) => (ended = resolve));
		const script = uploads(upload, (request, response) => {
			if (request.method === 'DELETE') {
				response.writeHead(204).end();
				return;
			}
			request.resume();
			request.once('end', () => ends.push('end'));
			request.once('close', () => {
				ends.push('close');
				ended();
			});
		});
		const body = bodyOf([blobBytes.subarray(0, 9), wrong]);
		const { problem } = await sendTo(script, {}, body);
		await end;
		expect(problem).toEqual(wrong.problem);
		expect(ends).toEqual(['close']);
		expect(body.state.closed).toBe(true);
	});

	it.each([
		['shorter', [blobBytes.subarray(1)]],
		['longer', [blobBytes, blobBytes]],
	])('whose source is %s than announced is never complete', async (_name, chunks) => {
		const bodies: Buffer[] = [];
		const { problem } = await sendTo(uploads(upload, takes(bodies)), {}, bodyOf(chunks));
		expect(problem?.code === 'malformed' || bodies[0]?.equals(blobBytes)).toBe(true);
	});

	it('that the registry stops taking ends with a timeout', async () => {
		async function* endless(): AsyncGenerator<Uint8Array> {
			for (;;) yield await Promise.resolve(Buffer.alloc(1024 * 1024));
		}
		const body = bodyOf(endless(), 1024 ** 3);
		const stuck: Script = (request) => void request.pause();
		const { problem } = await sendTo(
			uploads(upload, stuck),
			{ timeouts: { ...timeouts, uploadStallMs: 100 } },
			body,
		);
		expect(problem).toMatchObject({ code: 'timeout' });
		expect(body.state.closed).toBe(true);
	});

	it('waits longer for its source than for the registry', async () => {
		const bodies: Buffer[] = [];
		async function* slow(): AsyncGenerator<Uint8Array> {
			yield blobBytes.subarray(0, 5);
			await new Promise((resolve) => setTimeout(resolve, 200));
			yield blobBytes.subarray(5);
		}
		const { problem } = await sendTo(
			uploads(upload, takes(bodies)),
			{ timeouts: { ...timeouts, uploadStallMs: 50 } },
			bodyOf(slow()),
		);
		expect(problem).toBeUndefined();
	});

	it('that is not answered ends with a timeout, unless the blob is there', async () => {
		for (const there of [false, true]) {
			const { problem } = await sendTo(
				uploads(upload, (request, response) => {
					if (request.method === 'HEAD') response.writeHead(there ? 200 : 404).end();
				}),
				{ timeouts: { ...timeouts, uploadAnswerMs: 100 } },
			);
			expect(problem?.code).toBe(there ? undefined : 'timeout');
		}
	});

	it('whose answer is lost is looked for before it counts as failed', async () => {
		for (const there of [false, true]) {
			const { problem, server } = await sendTo(
				uploads(upload, (request, response) => {
					if (request.method === 'HEAD') response.writeHead(there ? 200 : 404).end();
					else if (request.method === 'DELETE') response.writeHead(204).end();
					else void bytesOf(request).then(() => response.destroy());
				}),
			);
			expect(problem?.code).toBe(there ? undefined : 'connection-lost');
			expect(lines(server)[2]).toBe(`HEAD /v2/a/b/blobs/${digest}`);
		}
	});

	it('that the registry has forgotten may be begun anew', async () => {
		const { problem } = await sendTo(
			uploads(upload, (_request, response) => {
				response.writeHead(404).end(error('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown'));
			}),
		);
		expect(problem).toMatchObject({ code: 'connection-lost' });
	});

	it('that is cancelled is given up at the registry too', async () => {
		const cancelling = new AbortController();
		let gone = (): void => undefined;
		const dismissed = new Promise<void>((resolve) => (gone = resolve));
		const server = await startScripted(
			uploads(upload, (request, response) => {
				if (request.method !== 'DELETE') return;
				response.writeHead(204).end();
				gone();
			}),
		);
		const started = await opened(targetOf(), refer(server.host, digest));
		async function* stuck(): AsyncGenerator<Uint8Array> {
			yield blobBytes.subarray(0, 5);
			cancelling.abort();
			await new Promise(() => undefined);
			yield blobBytes.subarray(5);
		}
		const body = bodyOf(stuck());
		const problem = await problemFrom(started.send(body, cancelling.signal));
		expect(problem).toMatchObject({ code: 'cancelled' });
		await dismissed;
		expect(lines(server).at(-1)).toBe(`DELETE ${upload}`);
	});

	it('of which nothing was sent is cancelled by its address', async () => {
		const server = await startScripted(
			uploads(upload, (_request, response) => void response.writeHead(500).end()),
		);
		await (await opened(targetOf(), refer(server.host, digest))).cancel();
		expect(lines(server).at(-1)).toBe(`DELETE ${upload}`);
	});

	it('of 256 MiB passes through without being kept', async () => {
		const chunk = Buffer.alloc(64 * 1024, 1);
		const count = 4096;
		async function* large(): AsyncGenerator<Uint8Array> {
			for (let number = 0; number < count; number += 1) yield await Promise.resolve(chunk);
		}
		const before = process.memoryUsage().rss;
		let most = 0;
		let received = 0;
		const { problem } = await sendTo(
			uploads(upload, (request, response) => {
				request.on('data', (part: Buffer) => {
					received += part.length;
					most = Math.max(most, process.memoryUsage.rss());
				});
				request.once('end', () => response.writeHead(201).end());
			}),
			{},
			bodyOf(large(), chunk.length * count),
		);
		expect(problem).toBeUndefined();
		expect(received).toBe(chunk.length * count);
		expect((most - before) / 1024 / 1024).toBeLessThan(80);
	});
});

function error(code: string, message: string, detail?: unknown): string {
	return JSON.stringify({ errors: [{ code, message, detail }] });
}

function passwords(): DirectReaderOptions['credentials'] {
	const password = new Secret('s3cret');
	const credential = {
		kind: 'password',
		username: 'me',
		password,
		source: 'a test',
		entry: 'x',
	} as const;
	return {
		find: async () => credential,
		describe: async ({ registry }) => ({ registry, kind: 'none' }),
	};
}

describe('mounting', () => {
	const from = (server: ScriptedServer) => ({ registry: server.host, repository: 'c/d' });
	const mountPath = `/v2/a/b/blobs/uploads/?mount=${digest}&from=c/d`;

	it('takes one request where the registry does it', async () => {
		const server = await startScripted((_request, response) => void response.writeHead(201).end());
		const blob = refer(server.host, digest);
		expect(await targetOf().mount(blob, from(server))).toBe('mounted');
		expect(lines(server)).toEqual([`POST ${mountPath}`]);
	});

	it('goes on with the upload that the registry begins instead', async () => {
		const bodies: Buffer[] = [];
		const server = await startScripted(uploads(upload, takes(bodies)));
		const started = await opened(targetOf(), refer(server.host, digest), from(server));
		await started.send(bodyOf(), undefined);
		expect(lines(server).map((line) => line.split('?')[0])).toEqual([
			'POST /v2/a/b/blobs/uploads/',
			`PUT ${upload}`,
		]);
	});

	it.each([400, 401, 403, 404, 405])('answered %i is followed by an upload', async (status) => {
		const server = await startScripted((request, response) => {
			if (request.url?.includes('mount=')) response.writeHead(status).end();
			else response.writeHead(202, { location: upload }).end();
		});
		await opened(targetOf(), refer(server.host, digest), from(server));
		expect(lines(server).at(-1)).toBe('POST /v2/a/b/blobs/uploads/');
	});

	it('that lost its answer is followed by an upload', async () => {
		const server = await startScripted((request, response) => {
			if (request.url?.includes('mount=')) response.destroy();
			else response.writeHead(202, { location: upload }).end();
		});
		await opened(targetOf(), refer(server.host, digest), from(server));
		expect(lines(server).at(-1)).toBe('POST /v2/a/b/blobs/uploads/');
	});

	it('that made another blob is not believed', async () => {
		const server = await startScripted((request, response) => {
			if (request.url?.includes('mount=')) {
				response.writeHead(201, { 'docker-content-digest': documentOf().digest }).end();
			} else response.writeHead(202, { location: upload }).end();
		});
		await opened(targetOf(), refer(server.host, digest), from(server));
	});

	it('is not tried from another registry, nor again where it is forbidden', async () => {
		const server = await startScripted((request, response) => {
			if (request.url?.includes('mount=')) response.writeHead(403).end();
			else response.writeHead(202, { location: upload }).end();
		});
		const target = targetOf();
		const blob = refer(server.host, digest);
		await opened(target, blob, { registry: 'elsewhere.test', repository: 'c/d' });
		await opened(target, blob, from(server));
		await opened(target, blob, from(server));
		expect(lines(server).filter((line) => line.includes('mount='))).toHaveLength(1);
	});
});

describe('tokens for writing', () => {
	/** Wants a bearer token for everything, and gives one named after its scopes. */
	function bearer(rest: (scopes: readonly string[]) => Script): Script {
		return (request, response) => {
			const url = new URL(request.url ?? '', 'http://x');
			if (url.pathname === '/token') {
				const token = Buffer.from(JSON.stringify(url.searchParams.getAll('scope')));
				response.end(JSON.stringify({ token: token.toString('base64url') }));
				return;
			}
			const sent = request.headers.authorization?.slice(7);
			if (sent === undefined) unauthorized(response);
			else {
				const scopes = JSON.parse(Buffer.from(sent, 'base64url').toString()) as string[];
				rest(scopes)(request, response);
			}
		};
	}

	function unauthorized(response: ServerResponse, more = ''): void {
		const header = `Bearer realm="/token",service="reg"${more}`;
		response.writeHead(401, { 'www-authenticate': header }).end();
	}

	function scopesAsked({ requests }: ServerRequests): string[][] {
		return requests
			.filter(({ path }) => path.startsWith('/token'))
			.map(({ path }) => new URL(path, 'http://x').searchParams.getAll('scope'));
	}
	type ServerRequests = Pick<ScriptedServer, 'requests'>;

	const begins: Script = (_request, response) =>
		void response.writeHead(202, { location: upload }).end();

	it('ask for pushing first, and for the repository to mount from after it', async () => {
		const server = await startScripted(bearer(() => begins));
		const from = { registry: server.host, repository: 'c/d' };
		await opened(targetOf(), refer(server.host, digest), from);
		expect(scopesAsked(server)).toEqual([['repository:a/b:pull,push', 'repository:c/d:pull']]);
	});

	it('are others than those for reading, which stay as they were', async () => {
		const server = await startScripted(
			bearer(() => (request, response) => {
				if (request.method === 'POST') begins(request, response);
				else response.writeHead(404).end();
			}),
		);
		const reader = readerWith();
		const blob = refer(server.host, digest);
		for await (const _ of reader.exists([{ kind: 'blob', reference: blob }]));
		await opened(reader.target, blob);
		for await (const _ of reader.exists([{ kind: 'blob', reference: blob }]));
		expect(scopesAsked(server)).toEqual([['repository:a/b:pull'], ['repository:a/b:pull,push']]);
	});

	it('that allow less than was asked for lead to an upload without a mount', async () => {
		const server = await startScripted(
			bearer((scopes) => (request, response) => {
				if (scopes.length > 1) unauthorized(response);
				else begins(request, response);
			}),
		);
		const from = { registry: server.host, repository: 'c/d' };
		await opened(targetOf(), refer(server.host, digest), from);
		expect(scopesAsked(server).at(-1)).toEqual(['repository:a/b:pull,push']);
	});

	it.each([
		['what it is about', 'repository:a/b:pull,push,*', 'repository:a/b:pull,push,*'],
		['another repository', 'repository:x/y:push', 'repository:a/b:pull,push'],
	])('follow a registry that wants more for %s as far as that', async (_name, asked, last) => {
		const server = await startScripted(
			bearer((scopes) => (request, response) => {
				if (request.method === 'HEAD') response.writeHead(404).end();
				else if (scopes[0]?.includes('*')) begins(request, response);
				else unauthorized(response, `,error="insufficient_scope",scope="${asked}"`);
			}),
		);
		const target = targetOf();
		const blob = refer(server.host, digest);
		expect(await target.hasBlob(blob)).toBe(false);
		await target.startUpload(blob).catch(() => undefined);
		expect(scopesAsked(server).at(-1)).toEqual([last]);
	});

	it('refused in the middle are asked for anew before the next upload', async () => {
		let given = 0;
		const bodies: Buffer[] = [];
		const server = await startScripted((request, response) => {
			if (request.url?.startsWith('/token')) {
				given += 1;
				response.end(JSON.stringify({ token: `t${given}`, expires_in: 300 }));
			} else if (request.headers.authorization === undefined) unauthorized(response);
			else if (request.method === 'POST') begins(request, response);
			else if (request.method === 'DELETE') response.writeHead(204).end();
			else if (request.headers.authorization === 'Bearer t1') unauthorized(response);
			else takes(bodies)(request, response);
		});
		const target = targetOf();
		const blob = refer(server.host, digest);
		const first = await problemFrom((await opened(target, blob)).send(bodyOf(), undefined));
		expect(first).toMatchObject({ code: 'unauthorized' });
		await (await opened(target, blob)).send(bodyOf(), undefined);
		expect(bodies).toEqual([blobBytes]);
	});

	it('do not send a refused password again and again', async () => {
		const server = await startScripted((_request, response) => {
			response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
		});
		const target = targetOf({ credentials: passwords() });
		const problems = await Promise.all(
			[...Array(20).keys()].map((number) => {
				const from = { registry: server.host, repository: `from/n${number}` };
				return problemFrom(opened(target, refer(server.host, digest), from));
			}),
		);
		expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(['unauthorized']));
		const withPassword = server.requests.filter(({ authorization }) => authorization);
		expect(withPassword.length).toBeLessThanOrEqual(2);
		expect(JSON.stringify(problems)).not.toContain('s3cret');
	});
});

describe('putting a manifest', () => {
	const manifest = documentOf();
	const put = async (script: Script): Promise<{ server: ScriptedServer; work: Promise<void> }> => {
		const server = await startScripted(script);
		const repository = { registry: server.host, repository: 'a/b' };
		return { server, work: targetOf().putManifest(repository, manifest) };
	};

	it('sends its very bytes under its digest with its media type', async () => {
		let type: string | undefined;
		const bodies: Buffer[] = [];
		const { server, work } = await put((request, response) => {
			type = request.headers['content-type'];
			void bytesOf(request).then((bytes) => {
				bodies.push(bytes);
				response.writeHead(201, { 'docker-content-digest': manifest.digest }).end();
			});
		});
		await work;
		expect(type).toBe(imageType);
		expect(bodies[0]?.equals(manifest.bytes)).toBe(true);
		expect(lines(server)).toEqual([`PUT /v2/a/b/manifests/${manifest.digest}`]);
	});

	it.each([200, 404])('is looked for where no digest comes back: %i', async (status) => {
		const { work } = await put((request, response) => {
			response.writeHead(request.method === 'PUT' ? 201 : status).end();
		});
		if (status === 200) await work;
		else expect(await problemFrom(work)).toMatchObject({ code: 'registry-failure' });
	});

	it('says so where the registry keeps it as something else', async () => {
		const other = documentOf(1).digest;
		const { work } = await put((_request, response) => {
			response.writeHead(201, { 'docker-content-digest': other }).end();
		});
		const problem = await problemFrom(work);
		expect(problem).toMatchObject({ code: 'digest-mismatch' });
		expect(problem.reason).toContain(other);
	});

	const child = `sha256:${'c'.repeat(64)}`;
	it.each([
		[
			400,
			error('MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { digest: child }),
			'parts-missing',
			child,
		],
		[
			400,
			error('MANIFEST_INVALID', `Could not find child manifest with digest \`${child}\``),
			'parts-missing',
			child,
		],
		[404, error('BLOB_UNKNOWN', 'blob unknown to registry', child), 'parts-missing', child],
		[400, error('MANIFEST_INVALID', 'manifest invalid'), 'manifest-refused', 'manifest invalid'],
		[400, error('UNSUPPORTED', 'Invalid JSON syntax'), 'manifest-refused', 'Invalid JSON syntax'],
		[415, '', 'manifest-refused', 'does not take'],
		[400, error('MANIFEST_INVALID', 'http: request body too large'), 'too-large', 'as large'],
		[413, '', 'too-large', 'as large'],
		[412, error('PROJECTPOLICYVIOLATION', 'not scanned'), 'policy-refused', 'not scanned'],
		[403, error('DENIED', 'requested access is denied'), 'denied', 'write to'],
		[404, error('NAME_UNKNOWN', 'repository not known'), 'repository-unknown', 'created before'],
		[401, '', 'unauthorized', 'before it takes'],
		[429, '', 'rate-limited', 'no more requests'],
	])('answered %i %s is a problem: %s', async (status, text, code, words) => {
		const { work } = await put((_request, response) => {
			response.writeHead(status).end(text);
		});
		const problem = await problemFrom(work);
		expect(problem).toMatchObject({ code, status });
		expect(problem.reason).toContain(words);
	});

	it('is sent again where the registry failed in passing', async () => {
		let tries = 0;
		const { work } = await put((_request, response) => {
			tries += 1;
			if (tries === 1) response.writeHead(503).end();
			else response.writeHead(201, { 'docker-content-digest': manifest.digest }).end();
		});
		await work;
		expect(tries).toBe(2);
	});

	it('follows no redirect to another origin', async () => {
		const other = await startScripted(() => undefined);
		const { work } = await put((_request, response) => {
			response.writeHead(307, { location: `http://${other.host}/x` }).end();
		});
		expect(await problemFrom(work)).toMatchObject({ code: 'redirect-refused' });
		expect(other.requests).toEqual([]);
	});

	it('is not done in the embedded registry', async () => {
		const work = targetOf().putManifest({ registry: 'store', repository: 'a/b' }, manifest);
		expect(await problemFrom(work)).toMatchObject({ code: 'unsupported' });
	});
});

describe('a tag', () => {
	const [before, after, other] = [documentOf(1), documentOf(2), documentOf(3)];

	/** Where the tag is, and what a write of it meets. */
	interface TagScript {
		at: Document | undefined;
		write: (state: TagScript, request: IncomingMessage, response: ServerResponse) => void;
		/** leaves the digest out of answers */
		bare?: boolean;
		conditions?: (string | undefined)[];
	}

	const serve =
		(state: TagScript): Script =>
		(request, response) => {
			if (request.method === 'PUT' || request.method === 'DELETE') {
				const { headers } = request;
				state.conditions?.push(headers['if-match'] ?? headers['if-none-match']);
				state.write(state, request, response);
				return;
			}
			if (!state.at) {
				response.writeHead(404).end();
				return;
			}
			const headers = state.bare ? {} : { 'docker-content-digest': state.at.digest };
			response.writeHead(200, { 'content-type': imageType, ...headers });
			response.end(request.method === 'GET' ? state.at.bytes : undefined);
		};

	const moves: TagScript['write'] = (state, _request, response) => {
		state.at = after;
		response.writeHead(201).end();
	};
	const answers =
		(status: number, text = ''): TagScript['write'] =>
		(_state, _request, response) =>
			void response.writeHead(status).end(text);

	async function set(state: TagScript) {
		const server = await startScripted(serve(state));
		const tag = {
			registry: server.host,
			repository: 'a/b',
			tag: 'v1',
			expect: before.digest,
		};
		return { server, work: targetOf().setTag(tag, after, undefined) };
	}

	it.each([
		['that is as expected is moved', before, `"${before.digest}"`],
		['that is absent as expected is made', undefined, '*'],
	])('%s, under a condition', async (_name, at, condition) => {
		const state: TagScript = { at, write: moves, conditions: [] };
		const server = await startScripted(serve(state));
		const expectation = at?.digest ?? ('absent' as const);
		const tag = { registry: server.host, repository: 'a/b', tag: 'v1', expect: expectation };
		expect(await targetOf().setTag(tag, after)).toBe('set');
		expect(state.conditions).toEqual([condition]);
		expect(lines(server)).toEqual([
			`${at ? 'HEAD' : 'GET'} /v2/a/b/manifests/v1`,
			'PUT /v2/a/b/manifests/v1',
			'HEAD /v2/a/b/manifests/v1',
		]);
	});

	/** Answers HEAD with 404, whatever is there. */
	const blindToHead =
		(state: TagScript): Script =>
		(request, response) => {
			if (request.method === 'HEAD') response.writeHead(404).end();
			else serve(state)(request, response);
		};

	it('that only HEAD calls absent is not absent', async () => {
		const server = await startScripted(blindToHead({ at: before, write: moves }));
		const repository = { registry: server.host, repository: 'a/b' };
		const place = { ...repository, expect: 'absent' as const };
		expect(await targetOf().resolveTag(repository, 'v1')).toBe(before.digest);
		expect(await targetOf().resolveTag(place, 'v1')).toBe(before.digest);
	});

	it('that only HEAD calls absent is a conflict for who expects it absent, and stays', async () => {
		const state: TagScript = { at: other, write: moves };
		const server = await startScripted(blindToHead(state));
		const tag = { registry: server.host, repository: 'a/b', tag: 'v1', expect: 'absent' as const };
		expect(await targetOf().setTag(tag, after)).toEqual({ found: other.digest });
		expect(state.at).toBe(other);
	});

	it('that only HEAD calls absent is moved from where it is expected, and found there', async () => {
		const state: TagScript = { at: before, write: moves };
		const server = await startScripted(blindToHead(state));
		const tag = { registry: server.host, repository: 'a/b', tag: 'v1', expect: before.digest };
		expect(await targetOf().setTag(tag, after)).toBe('set');
	});

	it('that HEAD alone states elsewhere is no conflict, as its bytes say where it is', async () => {
		const state: TagScript = { at: before, write: moves };
		const honest = serve(state);
		const server = await startScripted((request, response) => {
			if (request.method === 'HEAD' && state.at === before) {
				response.writeHead(200, { 'docker-content-digest': other.digest }).end();
			} else honest(request, response);
		});
		const tag = { registry: server.host, repository: 'a/b', tag: 'v1', expect: before.digest };
		expect(await targetOf().setTag(tag, after)).toBe('set');
		expect(state.at).toBe(after);
	});

	it('that is thought absent takes one request, and is not absent where that fails', async () => {
		let status = 404;
		const server = await startScripted((_request, response) => {
			response.writeHead(status).end();
		});
		const place = { registry: server.host, repository: 'a/b', expect: 'absent' as const };
		expect(await targetOf().resolveTag(place, 'v1')).toBe('absent');
		expect(server.requests).toHaveLength(1);
		for (status of [401, 403, 500]) {
			expect(await problemFrom(targetOf().resolveTag(place, 'v1'))).toMatchObject({ status });
		}
	});

	it('that is there already is not written', async () => {
		const { server, work } = await set({ at: after, write: answers(500) });
		expect(await work).toBe('set');
		expect(server.requests).toHaveLength(1);
	});

	it.each([
		['elsewhere', other],
		['gone', undefined],
	])('that is %s is a conflict, and stays', async (_name, at) => {
		const { server, work } = await set({ at, write: moves });
		expect(await work).toEqual({ found: at?.digest ?? 'absent' });
		expect(lines(server).filter((line) => line.startsWith('PUT'))).toEqual([]);
	});

	it('that moved between looking and writing is a conflict where the registry noticed', async () => {
		const { work } = await set({
			at: before,
			write: (state, _request, response) => {
				state.at = other;
				response.writeHead(412).end();
			},
		});
		expect(await work).toEqual({ found: other.digest });
	});

	it('that moved right after writing is a conflict', async () => {
		const { work } = await set({
			at: before,
			write: (state, _request, response) => {
				state.at = other;
				response.writeHead(201).end();
			},
		});
		expect(await work).toEqual({ found: other.digest });
	});

	it.each([
		[412, '', 'policy-refused'],
		[412, error('PRECONDITION', 'the tag is configured as immutable'), 'tag-immutable'],
		[409, '', 'tag-immutable'],
		[400, error('TAG_IMMUTABLE', 'tag is immutable'), 'tag-immutable'],
		[400, error('ImageTagAlreadyExistsException', 'exists'), 'tag-immutable'],
		[403, '', 'denied'],
	])(
		'that stays where it is and is answered %i %s is a problem: %s',
		async (status, text, code) => {
			const { work } = await set({ at: before, write: answers(status, text) });
			expect(await problemFrom(work)).toMatchObject({ code, status });
		},
	);

	it('whose write lost its answer is looked at, not written again', async () => {
		let writes = 0;
		const { work } = await set({
			at: before,
			write: (state, _request, response) => {
				writes += 1;
				state.at = after;
				response.destroy();
			},
		});
		expect(await work).toBe('set');
		expect(writes).toBe(1);
	});

	it('whose write failed in passing is not written again where it moved meanwhile', async () => {
		let writes = 0;
		const { work } = await set({
			at: before,
			write: (state, _request, response) => {
				writes += 1;
				state.at = other;
				response.writeHead(503).end();
			},
		});
		expect(await work).toEqual({ found: other.digest });
		expect(writes).toBe(1);
	});

	it('that the registry says it moved and did not is a failure', async () => {
		const { work } = await set({ at: before, write: answers(201) });
		const problem = await problemFrom(work);
		expect(problem).toMatchObject({ code: 'registry-failure' });
		expect(problem.reason).toContain(before.digest);
	});

	it('is resolved by its bytes where the registry states no digest', async () => {
		const server = await startScripted(serve({ at: before, write: moves, bare: true }));
		const repository = { registry: server.host, repository: 'a/b' };
		expect(await targetOf().resolveTag(repository, 'v1')).toBe(before.digest);
	});

	it('is resolved by GET where the registry answers no HEAD', async () => {
		const state: TagScript = { at: before, write: moves };
		const server = await startScripted((request, response) => {
			if (request.method === 'HEAD') response.writeHead(405).end();
			else serve(state)(request, response);
		});
		const repository = { registry: server.host, repository: 'a/b' };
		expect(await targetOf().resolveTag(repository, 'v1')).toBe(before.digest);
		state.at = undefined;
		expect(await targetOf().resolveTag(repository, 'v1')).toBe('absent');
	});

	it.each([401, 403, 500])(
		'that cannot be looked at (%i) is not taken for absent',
		async (status) => {
			const server = await startScripted((_request, response) => {
				response.writeHead(status).end();
			});
			const repository = { registry: server.host, repository: 'a/b' };
			expect(await problemFrom(targetOf().resolveTag(repository, 'v1'))).toMatchObject({ status });
		},
	);

	async function remove(state: TagScript) {
		const server = await startScripted(serve(state));
		const tag = {
			registry: server.host,
			repository: 'a/b',
			tag: 'v1',
			expect: before.digest,
		};
		return { server, work: targetOf().removeTag(tag, undefined) };
	}

	it.each([202, 404])('is removed by its name, never by its digest (%i)', async (status) => {
		const { server, work } = await remove({
			at: before,
			write: (state, _request, response) => {
				state.at = undefined;
				response.writeHead(status).end();
			},
		});
		expect(await work).toBe('removed');
		expect(lines(server).filter((line) => line.startsWith('DELETE'))).toEqual([
			'DELETE /v2/a/b/manifests/v1',
		]);
	});

	it('that is gone already is removed', async () => {
		const { work } = await remove({ at: undefined, write: answers(500) });
		expect(await work).toBe('removed');
	});

	it('that is elsewhere is not removed', async () => {
		const { server, work } = await remove({ at: other, write: answers(202) });
		expect(await work).toEqual({ found: other.digest });
		expect(lines(server).some((line) => line.startsWith('DELETE'))).toBe(false);
	});

	it.each([
		[400, ''],
		[405, ''],
		[400, error('UNSUPPORTED', 'The operation is unsupported.')],
	])('that the registry removes for nobody (%i %s) is unsupported', async (status, text) => {
		const { work } = await remove({ at: before, write: answers(status, text) });
		const problem = await problemFrom(work);
		expect(problem).toMatchObject({ code: 'unsupported', status });
		expect(problem.reason).toContain('removes no tags');
	});
});

describe('the width of a registry', () => {
	it('is not taken up by uploads', async () => {
		const waiting: ServerResponse[] = [];
		const server = await startScripted(
			uploads(upload, (request, response) => {
				if (request.method === 'HEAD') {
					response.writeHead(404).end();
					for (const one of waiting) one.writeHead(201).end();
				} else waiting.push(response);
			}),
		);
		const target = targetOf({ width: { start: 1, cap: 1 } });
		const blob = refer(server.host, digest);
		const sending = await Promise.all([0, 1, 2].map(() => opened(target, blob)));
		const sent = Promise.all(sending.map((one) => one.send(bodyOf(), undefined)));
		await expect.poll(() => waiting.length).toBe(3);
		expect(await target.hasBlob(blob)).toBe(false);
		await sent;
	});

	it('closes its gate where an upload is answered 429', async () => {
		const pace = fakePace();
		const server = await startScripted(
			uploads(upload, (request, response) => {
				if (request.method === 'HEAD') response.writeHead(404).end();
				else response.writeHead(429, { 'retry-after': '7' }).end();
			}),
		);
		const target = targetOf({ pace });
		const started = await opened(target, refer(server.host, digest));
		const problem = await problemFrom(started.send(bodyOf(), undefined));
		expect(problem).toMatchObject({ code: 'rate-limited', retryAfterMs: 7_000 });
		await target.hasBlob(refer(server.host, digest));
		expect(pace.waits.some((ms) => ms >= 7_000)).toBe(true);
	});
});
