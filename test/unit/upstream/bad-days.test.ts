import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { problemOf } from '../../../shared/registry/problem.ts';
import { freePort } from '../../support/docker-registry.ts';
import { sha256 } from '../../support/push.ts';
import {
	all,
	fakePace,
	manifestBytes,
	readerWith,
	readOne,
	refer,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
} from './scripted-server.ts';

afterEach(stopAll);

/** Answers with the scripts one after the other, and with the last from then on. */
function inTurn(...scripts: Script[]): Script {
	let turn = 0;
	return (request, response) => scripts[Math.min(turn++, scripts.length - 1)]?.(request, response);
}

function status(code: number, headers: Record<string, string> = {}): Script {
	return (_request, response) => void response.writeHead(code, headers).end();
}

const good: Script = (_request, response) => sendManifest(response);
const text = new TextDecoder().decode(manifestBytes());

describe('documents on a bad day', () => {
	it.each<[string, Script, string]>([
		[
			'other bytes than the digest says',
			(_request, response) => void response.end('{}'),
			'digest-mismatch',
		],
		[
			'less than Content-Length says',
			(_request, response) => {
				response.writeHead(200, { 'content-length': '500' });
				response.write('{"half":', () => response.destroy());
			},
			'truncated',
		],
		[
			'chunks that end in the middle',
			(_request, response) => void response.write('{"half":', () => response.destroy()),
			'truncated',
		],
		[
			'too much, without saying so before',
			(_request, response) => {
				const chunk = Buffer.alloc(1024 * 1024);
				for (let count = 0; count < 10; count += 1) response.write(chunk);
				response.end();
			},
			'too-large',
		],
		[
			'too much, and says so',
			(_request, response) =>
				void response.writeHead(200, { 'content-length': '9000000000' }).write('x'),
			'too-large',
		],
		[
			'a gzip bomb',
			(_request, response) => {
				response.setHeader('content-encoding', 'gzip');
				response.end(gzipSync(Buffer.alloc(9 * 1024 * 1024)));
			},
			'too-large',
		],
		[
			'something packed in an unknown way',
			(_request, response) => {
				response.setHeader('content-encoding', 'gzip, gzip');
				response.end('x');
			},
			'malformed',
		],
		[
			'nothing but a closed connection',
			(request) => void request.socket.destroy(),
			'connection-lost',
		],
		[
			'something that is not HTTP',
			(request) => void request.socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n'),
			'malformed',
		],
		['403', status(403), 'denied'],
		['500 for ever', status(500), 'registry-failure'],
	])('names the problem where a registry sends %s', async (_name, script, code) => {
		const server = await startScripted(script);
		expect(await readOne(readerWith(), server.host)).toMatchObject({ code });
	});

	it('undoes a compression that was not asked for', async () => {
		const server = await startScripted((_request, response) => {
			response.setHeader('content-encoding', 'gzip');
			response.end(gzipSync(manifestBytes()));
		});
		expect(await readOne(readerWith(), server.host)).toEqual({ text });
	});

	it('reads the others where one fails', async () => {
		const server = await startScripted((request, response) => {
			if (request.url?.endsWith(sha256(manifestBytes()))) sendManifest(response);
			else status(404)(request, response);
		});
		const requests = [0, 1].map((number) => ({
			reference: refer(server.host, sha256(manifestBytes(number))),
		}));
		const results = await all(readerWith().readManifests(requests));
		expect(results.map(({ ok }) => ok).sort()).toEqual([false, true]);
		expect(results.map(({ request }) => requests.includes(request as never))).toEqual([true, true]);
	});

	it('says that nothing answers', async () => {
		const host = `127.0.0.1:${await freePort()}`;
		const result = await readOne(readerWith(), host);
		expect(result).toMatchObject({
			code: 'connection-refused',
			reason: `Nothing answers at ${host}.`,
		});
	});

	it('says that a host name is not known', async () => {
		const reader = readerWith({
			resolve: () => Promise.reject(Object.assign(new Error('dns'), { code: 'ENOTFOUND' })),
		});
		expect(await readOne(reader, 'registry.invalid')).toMatchObject({ code: 'host-unknown' });
	});

	it('finds out once that a registry does not answer, however many documents wait', async () => {
		let questions = 0;
		const reader = readerWith({
			resolve: () => {
				questions += 1;
				return Promise.reject(Object.assign(new Error('dns'), { code: 'ENOTFOUND' }));
			},
		});
		const requests = [...Array(300).keys()].map((number) => ({
			reference: refer('registry.invalid', sha256(manifestBytes(number))),
		}));
		const results = await all(reader.readManifests(requests));
		expect(results.every((one) => !one.ok && one.problem.code === 'host-unknown')).toBe(true);
		expect(questions).toBe(1);
	});

	it('gives up on a registry that never answers', async () => {
		const server = await startScripted(() => undefined);
		const reader = readerWith({ timeouts: { connectMs: 1000, headersMs: 50, bodyMs: 50 } });
		expect(await readOne(reader, server.host)).toMatchObject({ code: 'timeout' });
	});

	it.each<[string, Script]>([
		[
			'sends a byte now and then',
			(_request, response) => {
				const drip = setInterval(() => response.write(' '), 20);
				response.on('close', () => clearInterval(drip));
			},
		],
		[
			'promises an answer again and again',
			(_request, response) => {
				const promise = setInterval(() => response.writeProcessing(), 20);
				response.on('close', () => clearInterval(promise));
			},
		],
	])('gives up on a registry that %s', async (_name, script) => {
		const server = await startScripted(script);
		const timeouts = { connectMs: 1000, headersMs: 5000, bodyMs: 5000, answerMs: 200 };
		expect(await readOne(readerWith({ timeouts }), server.host)).toMatchObject({
			code: 'timeout',
			reason: `${server.host} took too long to answer.`,
		});
	});

	it('lets a document take as long as it needs within its deadline', async () => {
		const server = await startScripted((_request, response) => {
			response.write(manifestBytes().subarray(0, 9));
			setTimeout(() => response.end(manifestBytes().subarray(9)), 100);
		});
		const timeouts = { connectMs: 1000, headersMs: 5000, bodyMs: 5000, answerMs: 2000 };
		expect(await readOne(readerWith({ timeouts }), server.host)).toEqual({ text });
	});

	it('asks once for what is wanted twice at the same time', async () => {
		const server = await startScripted(good);
		const reader = readerWith();
		await Promise.all([readOne(reader, server.host), readOne(reader, server.host)]);
		expect(server.requests).toHaveLength(1);
	});

	it('goes on for one reader where another, who asked first, gives up', async () => {
		const server = await startScripted(inTurn(() => undefined, good));
		const reader = readerWith();
		const quitting = new AbortController();
		const first = all(
			reader.readManifests([{ reference: refer(server.host) }], { signal: quitting.signal }),
		).catch((error: unknown) => problemOf(error).code);
		const second = readOne(reader, server.host);
		while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
		quitting.abort();
		expect(await first).toBe('cancelled');
		expect(await second).toEqual({ text });
	});

	it('ends what is under way where the loop is left early', async () => {
		let closed = 0;
		const server = await startScripted((request, response) => {
			response.on('close', () => (closed += response.writableFinished ? 0 : 1));
			if (request.url?.endsWith(sha256(manifestBytes()))) sendManifest(response);
		});
		const requests = [...Array(10).keys()].map((number) => ({
			reference: refer(server.host, sha256(manifestBytes(number))),
		}));
		for await (const result of readerWith().readManifests(requests)) {
			expect(result.ok).toBe(true);
			while (server.requests.length < 10) await new Promise((resolve) => setImmediate(resolve));
			break;
		}
		while (closed < 9) await new Promise((resolve) => setImmediate(resolve));
		expect(closed).toBe(9);
	});
});

describe('trying again', () => {
	it.each([408, 429, 500, 502, 503, 504])('reads after a %i', async (code) => {
		const server = await startScripted(inTurn(status(code), good));
		expect(await readOne(readerWith(), server.host)).toEqual({ text });
	});

	it('reads after a connection was closed', async () => {
		const server = await startScripted(inTurn((request) => void request.socket.destroy(), good));
		expect(await readOne(readerWith(), server.host)).toEqual({ text });
	});

	it.each([400, 401, 403, 404, 501])('takes a %i for an answer', async (code) => {
		const server = await startScripted(status(code));
		await readOne(readerWith(), server.host);
		expect(server.requests.filter((one) => one.path !== '/v2/')).toHaveLength(1);
	});

	it('stops after four attempts, each later than the one before', async () => {
		const server = await startScripted(status(502));
		const pace = fakePace();
		await readOne(readerWith({ pace }), server.host);
		expect(server.requests).toHaveLength(4);
		expect(pace.waits).toEqual([187.5, 375, 750]);
	});

	it.each([
		['seconds', '7', 7_000],
		['a date', new Date(1_700_000_009_000).toUTCString(), 9_000],
		['a date long past', new Date(1_600_000_000_000).toUTCString(), 187.5],
	])('waits as long as Retry-After says: %s', async (_name, header, ms) => {
		const server = await startScripted(inTurn(status(429, { 'retry-after': header }), good));
		const pace = fakePace();
		expect(await readOne(readerWith({ pace }), server.host)).toEqual({ text });
		expect(pace.waits[0]).toBe(ms);
	});

	it('does not wait for an hour, and keeps the requests behind from trying', async () => {
		const server = await startScripted(status(429, { 'retry-after': '3600' }));
		const pace = fakePace();
		const reader = readerWith({ pace });
		const requests = ['a', 'b', 'c'].map((tag) => ({ reference: { ...refer(server.host), tag } }));
		const results = await all(reader.readManifests(requests));
		expect(results.map((result) => !result.ok && result.problem)).toMatchObject(
			requests.map(() => ({ code: 'rate-limited', retryAfterMs: 3_600_000 })),
		);
		expect(pace.waits).toEqual([]);
		expect(server.requests).toHaveLength(1);
	});

	it('says how long to wait where a registry goes on refusing', async () => {
		const server = await startScripted(status(429, { 'retry-after': '60' }));
		const reference = refer(server.host);
		const [result] = await all(readerWith().readManifests([{ reference }]));
		expect(result?.ok === false && result.problem).toMatchObject({
			code: 'rate-limited',
			retryAfterMs: 60_000,
		});
	});
});

describe('presence on a bad day', () => {
	it.each([403, 405, 501])('asks by GET where HEAD is answered with %i', async (code) => {
		const server = await startScripted((request, response) =>
			(request.method === 'HEAD' ? status(code) : good)(request, response),
		);
		const [result] = await all(
			readerWith().exists([{ reference: refer(server.host), kind: 'manifest' }]),
		);
		expect(result?.ok && result.present).toBe(true);
	});

	it('does not take a failure for absence', async () => {
		const server = await startScripted(status(500));
		const [result] = await all(
			readerWith().exists([{ reference: refer(server.host), kind: 'blob' }]),
		);
		expect(result?.ok === false && result.problem.code).toBe('registry-failure');
	});
});

describe('blobs on a bad day', () => {
	const content = Buffer.alloc(300_000, 'b');

	async function readBlob(script: Script): Promise<{ bytes: number; code: string }> {
		const server = await startScripted(script);
		const blob = await readerWith().readBlob({ reference: refer(server.host, sha256(content)) });
		let bytes = 0;
		try {
			for await (const chunk of blob.chunks) bytes += chunk.length;
			return { bytes, code: 'none' };
		} catch (error) {
			return { bytes, code: problemOf(error).code };
		}
	}

	it('hands on a blob that is what was asked for', async () => {
		const script: Script = (_request, response) => void response.end(content);
		expect(await readBlob(script)).toEqual({ bytes: content.length, code: 'none' });
	});

	it('holds the end of a blob back where its digest is wrong', async () => {
		const wrong = Buffer.concat([content.subarray(1), Buffer.from('!')]);
		const { bytes, code } = await readBlob((_request, response) => void response.end(wrong));
		expect(code).toBe('digest-mismatch');
		expect(bytes).toBeLessThan(wrong.length);
	});

	it('says that a blob ended too early', async () => {
		const { code } = await readBlob((_request, response) => {
			response.writeHead(200, { 'content-length': String(content.length) });
			response.write(content.subarray(0, 1000), () => response.destroy());
		});
		expect(code).toBe('truncated');
	});

	it('gives up on a blob whose answer never begins', async () => {
		const server = await startScripted((_request, response) => {
			const promise = setInterval(() => response.writeProcessing(), 20);
			response.on('close', () => clearInterval(promise));
		});
		const timeouts = { connectMs: 1000, headersMs: 5000, bodyMs: 5000, answerMs: 200 };
		const reading = readerWith({ timeouts }).readBlob({
			reference: refer(server.host, sha256(content)),
		});
		expect(problemOf(await reading.catch((error: unknown) => error)).code).toBe('timeout');
	});

	it('does not end a blob that takes longer than an answer may', async () => {
		const server = await startScripted((_request, response) => {
			response.write(content.subarray(0, 9));
			setTimeout(() => response.end(content.subarray(9)), 300);
		});
		const timeouts = { connectMs: 1000, headersMs: 5000, bodyMs: 5000, answerMs: 100 };
		const reference = refer(server.host, sha256(content));
		const { chunks } = await readerWith({ timeouts }).readBlob({ reference });
		expect(Buffer.concat(await all(chunks)).length).toBe(content.length);
	});

	it('may be left in the middle', async () => {
		const server = await startScripted((_request, response) => {
			response.write(content);
		});
		const blob = await readerWith().readBlob({ reference: refer(server.host, sha256(content)) });
		const iterator = blob.chunks[Symbol.asyncIterator]();
		expect((await iterator.next()).done).toBe(false);
		await iterator.return?.();
		expect((await iterator.next()).done).toBe(true);
	});
});

describe('listings on a bad day', () => {
	function pages(next: (page: number) => string | undefined): Script {
		return (request, response) => {
			const page = Number(
				new URL(request.url ?? '', 'http://x.invalid').searchParams.get('page') ?? 0,
			);
			const link = next(page);
			if (link !== undefined) response.setHeader('link', `<${link}>; rel="next"`);
			response.end(JSON.stringify({ name: 'a/b', tags: [`t${page}`] }));
		};
	}

	async function tagsOf(script: Script): Promise<string[] | string> {
		const server = await startScripted(script);
		try {
			return await all(readerWith().tags({ registry: server.host, repository: 'a/b' }));
		} catch (error) {
			return problemOf(error).code;
		}
	}

	it('follows its links to the end', async () => {
		const script = pages((page) => (page < 4 ? `/v2/a/b/tags/list?page=${page + 1}` : undefined));
		expect(await tagsOf(script)).toEqual(['t0', 't1', 't2', 't3', 't4']);
	});

	it.each([
		['another host', 'http://10.0.0.1/v2/a/b/tags/list?page=1', 'redirect-refused'],
		['another port', 'http://127.0.0.1:1/v2/a/b/tags/list?page=1', 'redirect-refused'],
		['another part of its host', '/admin/delete', 'redirect-refused'],
		['an address with a user name', '//me@127.0.0.1/v2/x', 'redirect-refused'],
		['itself', '/v2/a/b/tags/list?n=1000', 'malformed'],
	])('does not follow a link to %s', async (_name, link, code) => {
		expect(await tagsOf(pages(() => link))).toBe(code);
	});

	it('notices pages that repeat under new names', async () => {
		let count = 0;
		const script: Script = (_request, response) => {
			response.setHeader('link', `</v2/a/b/tags/list?last=${++count}>; rel="next"`);
			response.end('{"tags":["t"]}');
		};
		expect(await tagsOf(script)).toBe('malformed');
	});

	it.each([
		['no tags at all', '{"name":"a/b","tags":null}', []],
		['a page that is not JSON', '<html>', 'malformed'],
		['tags that are not text', '{"tags":[1]}', 'malformed'],
		['a tag that no reference can have', '{"tags":["../x","ok"]}', ['ok']],
	])('understands %s', async (_name, body, expected) => {
		expect(await tagsOf((_request, response) => void response.end(body))).toEqual(expected);
	});

	it.each([401, 403, 500])('does not take a %i for “no referrers”', async (code) => {
		const server = await startScripted(status(code));
		const reading = all(readerWith().referrers(refer(server.host)));
		await expect(reading).rejects.toThrow();
		expect(server.requests.some((one) => one.path.includes('/manifests/'))).toBe(false);
	});

	it.each([
		['HTML', 'text/html', '<html></html>'],
		['JSON that is no index', 'application/json', '{"manifests":[]}'],
	])('does not take %s with the status 200 for “no referrers”', async (_name, type, body) => {
		const server = await startScripted((_request, response) => {
			response.setHeader('content-type', type).end(body);
		});
		const reading = all(readerWith().referrers(refer(server.host)));
		await expect(reading).rejects.toMatchObject({ problem: { code: 'malformed' } });
	});
});
