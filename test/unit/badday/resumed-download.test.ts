import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { Pace } from '../../../proxy/upstream/retry.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { sha256 } from '../../support/push.ts';
import {
	fakePace,
	readerWith,
	refer,
	startScripted,
	stopAll,
	type Script,
} from '../upstream/scripted-server.ts';

afterEach(stopAll);

const MiB = 1024 * 1024;
const content = Buffer.alloc((7 * MiB) / 2, createHash('sha256').update('content').digest('hex'));
const timeouts = { connectMs: 5_000, headersMs: 5_000, bodyMs: 150 };

interface Sent {
	readonly status?: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly bytes: Buffer;
	/** The connection ends after so many of them; or stays, and nothing comes. */
	readonly cutAt?: number;
	readonly stalls?: boolean;
}

function give(
	response: ServerResponse,
	{ status = 200, headers, bytes, cutAt, stalls }: Sent,
): void {
	response.writeHead(status, { 'content-length': String(bytes.length), ...headers });
	if (cutAt === undefined) response.end(bytes);
	else if (cutAt === 0) response.flushHeaders();
	else response.write(bytes.subarray(0, cutAt));
	if (cutAt === undefined || stalls) return;
	setImmediate(() => setTimeout(() => response.socket?.destroySoon(), 10));
}

function part(from: number, more: Partial<Sent> = {}, whole = content): Sent {
	const range = `bytes ${from}-${whole.length - 1}/${whole.length}`;
	return {
		status: 206,
		headers: { 'content-range': range },
		bytes: whole.subarray(from),
		...more,
	};
}

/** Answers one request after the other, the last of these for good; what it was asked is in `ranges`. */
async function read(answers: ((from: number) => Sent)[], sizeBytes?: number) {
	const ranges: (string | undefined)[] = [];
	const script: Script = (request, response) => {
		const { range } = request.headers;
		const answer = answers[Math.min(ranges.length, answers.length - 1)];
		ranges.push(range);
		if (answer) give(response, answer(Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)));
	};
	const server = await startScripted(script);
	const reader = readerWith({ timeouts, pace: fakePace() });
	const parts: Uint8Array[] = [];
	try {
		const reference = refer(server.host, sha256(content));
		const { chunks } = await reader.readBlob({ reference, sizeBytes });
		for await (const chunk of chunks) parts.push(chunk);
		return { ranges, code: 'none', isWhole: Buffer.concat(parts).equals(content) };
	} catch (error) {
		return { ranges, code: problemOf(error).code, bytes: Buffer.concat(parts).length };
	}
}

const broken = (cutAt: number) => (): Sent => ({ bytes: content, cutAt });

describe('a download that breaks off', () => {
	it('goes on from where it was, with every byte once', async () => {
		const { ranges, isWhole } = await read([broken(MiB), (from) => part(from)]);
		expect(isWhole).toBe(true);
		expect(ranges).toHaveLength(2);
		expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
	});

	it('goes on again and again, as long as it gets further', async () => {
		const step = (from: number): Sent => part(from, { cutAt: MiB });
		const { ranges, isWhole } = await read([broken(MiB), step, step, (from) => part(from)]);
		expect(isWhole).toBe(true);
		const starts = ranges.slice(1).map((range) => Number(range?.slice(6, -1)));
		expect(starts).toEqual([...new Set(starts)].toSorted((one, other) => one - other));
	});

	it('goes on where it stalls', async () => {
		const stalled = (): Sent => ({ bytes: content, cutAt: MiB, stalls: true });
		expect(await read([stalled, (from) => part(from)])).toMatchObject({ isWhole: true });
	});

	it('leaves out what it has where the registry knows no ranges', async () => {
		const whole = (): Sent => ({ bytes: content });
		expect(await read([broken(MiB), whole])).toMatchObject({ isWhole: true });
	});

	it.each<[string, (from: number) => Sent]>([
		['begins elsewhere', (from) => part(from - 1)],
		[
			'is of another size',
			(from) => part(from, { headers: { 'content-range': `bytes ${from}-9/10` } }),
		],
		['does not say where it begins', (from) => part(from, { headers: {} })],
		['is refused with 416', () => ({ status: 416, bytes: Buffer.alloc(0) })],
	])('begins anew where the rest %s', async (_name, answer) => {
		const { ranges, isWhole } = await read([broken(MiB), answer, () => ({ bytes: content })]);
		expect(isWhole).toBe(true);
		expect(ranges).toHaveLength(3);
		expect(ranges[2]).toBeUndefined();
	});

	it('goes on where a part ends before the blob does', async () => {
		const short = (from: number): Sent => part(from, { bytes: content.subarray(from, from + MiB) });
		const { ranges, isWhole } = await read([broken(MiB), short, (from) => part(from)]);
		expect([isWhole, ranges.length]).toEqual([true, 3]);
	});

	it('is as good as whole where only the end of the answer is lost', async () => {
		const server = await startScripted((_request, response) => {
			response.write(content, () => setTimeout(() => response.socket?.destroySoon(), 10));
		});
		const { chunks } = await readerWith().readBlob({
			reference: refer(server.host, sha256(content)),
			sizeBytes: content.length,
		});
		let bytes = 0;
		for await (const chunk of chunks) bytes += chunk.length;
		expect([bytes, server.requests.length]).toEqual([content.length, 1]);
	});

	it('is not accepted where the rest is of something else', async () => {
		const other = Buffer.alloc(content.length, 'other');
		const { code } = await read([broken(MiB), (from) => part(from, {}, other)]);
		expect(code).toBe('digest-mismatch');
	});

	it('is given up where nothing more comes, and says how far it came', async () => {
		const { ranges, code, bytes } = await read([broken(MiB), (from) => part(from, { cutAt: 0 })]);
		expect(code).toBe('truncated');
		expect(bytes).toBeLessThanOrEqual(MiB);
		expect(ranges.length).toBeLessThanOrEqual(4);
	});

	it('is given up where it comes byte by byte', async () => {
		const { ranges, code } = await read([broken(1), (from) => part(from, { cutAt: 1 })]);
		expect(code).toBe('truncated');
		expect(ranges).toHaveLength(3);
	});

	it('is given up where next to nothing comes for minutes', async () => {
		const server = await startScripted((_request, response) => {
			response.writeHead(200, { 'content-length': String(content.length) });
			const trickle = setInterval(() => response.write('b'), 2);
			response.once('close', () => clearInterval(trickle));
		});
		const pace = fakePace();
		// Every look at the clock takes a while.
		const clock = (): number => (pace.now += 1_000);
		const reader = readerWith({ timeouts, pace: { ...pace, clock } });
		const { chunks } = await reader.readBlob({ reference: refer(server.host, sha256(content)) });
		const work = (async () => {
			for await (const _ of chunks);
		})();
		expect(problemOf(await work.catch((error: unknown) => error)).code).toBe('timeout');
		expect(server.requests).toHaveLength(3);
	});

	it('says what the registry says to who asks for the rest', async () => {
		const gone = (): Sent => ({ status: 404, bytes: Buffer.alloc(0) });
		expect(await read([broken(MiB), gone])).toMatchObject({ code: 'blob-unknown' });
	});

	it('is refused where the whole has another size by then', async () => {
		const longer = (): Sent => ({ bytes: Buffer.concat([content, content]) });
		expect(await read([broken(MiB), longer])).toMatchObject({ code: 'malformed' });
	});

	it('asks the registry anew, as the address that it gave may have expired', async () => {
		let given = 0;
		const storage = await startScripted((request, response) => {
			const { range } = request.headers;
			const isCurrent = request.url === `/blob?ticket=${given}`;
			if (!isCurrent) response.writeHead(403).end();
			else if (range === undefined) give(response, broken(MiB)());
			else give(response, part(Number(range.slice(6, -1))));
		});
		const server = await startScripted((_request, response) => {
			given += 1;
			response.writeHead(307, { location: `http://${storage.host}/blob?ticket=${given}` }).end();
		});
		const reader = readerWith({ timeouts });
		const { chunks } = await reader.readBlob({ reference: refer(server.host, sha256(content)) });
		const parts: Uint8Array[] = [];
		for await (const chunk of chunks) parts.push(chunk);
		expect(Buffer.concat(parts).equals(content)).toBe(true);
		expect([server.requests.length, storage.requests.length]).toEqual([2, 2]);
	});

	it('asks for a new login where that of its beginning ran out', async () => {
		let given = 0;
		const server = await startScripted((request, response) => {
			const { url = '', headers } = request;
			const realm = { 'www-authenticate': 'Bearer realm="/token",service="reg"' };
			if (url.startsWith('/token')) response.end(JSON.stringify({ token: `t${(given += 1)}` }));
			else if (headers.authorization === undefined) response.writeHead(401, realm).end();
			else if (headers.range === undefined) give(response, broken(MiB)());
			else if (headers.authorization === 'Bearer t1') response.writeHead(401, realm).end();
			else give(response, part(Number(headers.range.slice(6, -1))));
		});
		const reader = readerWith({ timeouts });
		const { chunks } = await reader.readBlob({ reference: refer(server.host, sha256(content)) });
		let bytes = 0;
		for await (const chunk of chunks) bytes += chunk.length;
		expect([bytes, given]).toEqual([content.length, 2]);
	});

	it('ends with who reads it', async () => {
		const server = await startScripted((_request, response) => give(response, broken(MiB)()));
		const leaving = new AbortController();
		const wait: Pace['wait'] = (_ms, signal) =>
			new Promise((_resolve, reject) => {
				signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
				leaving.abort();
			});
		const pace = { ...fakePace(), wait };
		const blob = await readerWith({ timeouts, pace }).readBlob(
			{ reference: refer(server.host, sha256(content)) },
			{ signal: leaving.signal },
		);
		const work = (async () => {
			for await (const _ of blob.chunks);
		})();
		expect(problemOf(await work.catch((error: unknown) => error)).code).toBe('cancelled');
		expect(server.requests).toHaveLength(1);
	});
});
