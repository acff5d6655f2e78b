import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { sha256 } from '../../support/push.ts';
import { all } from '../registry/contract.ts';
import {
	fakePace,
	manifestBytes,
	readerWith,
	refer,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
} from '../upstream/scripted-server.ts';

afterEach(stopAll);

const now = 1_700_000_000_000;
const date = (ms: number): string => new Date(now + ms).toUTCString();

/** Refuses the first request of a kind with that header, and then does its work. */
function refusingOnce(isRefused: (request: IncomingMessage) => boolean, retryAfter?: string) {
	let left = 1;
	const times: number[] = [];
	const pace = fakePace(now);
	const script: Script = (request, response) => {
		times.push(pace.now);
		if (left > 0 && isRefused(request)) {
			left -= 1;
			response.writeHead(429, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
			return;
		}
		const number = Number(/^\/v2\/a\/b\/manifests\/t(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
		if (request.method === 'POST') {
			response.writeHead(202, { location: '/v2/a/b/blobs/uploads/1' }).end();
		} else if (request.method === 'HEAD') response.writeHead(404).end();
		else if (request.method === 'GET') sendManifest(response, manifestBytes(number));
		else {
			request.resume();
			request.once('end', () => response.writeHead(201).end());
		}
	};
	return { script, pace, times };
}

const blobs = [...Array(12).keys()].map((number) => Buffer.alloc(1000 + number, `blob ${number}`));

async function upload(isRefused: (request: IncomingMessage) => boolean, retryAfter?: string) {
	const { script, pace, times } = refusingOnce(isRefused, retryAfter);
	const server = await startScripted(script);
	const reader = readerWith({ pace });
	const transfer = new Transfer({ reader, targetOf: () => reader.target, pace });
	const uploads = blobs.map((bytes) => ({
		to: refer(server.host, sha256(bytes)),
		sizeBytes: bytes.length,
		content: async function* () {
			yield await Promise.resolve(bytes);
		},
	}));
	const events = await all(transfer.putBlobs(uploads));
	const finals = events.filter(({ state }) => state !== 'sending');
	const codes = finals.map((event) =>
		event.state === 'failed' ? event.problem.code : event.state,
	);
	return { codes: new Set(codes), finals, server, pace, times };
}

const isPut = ({ method }: IncomingMessage): boolean => method === 'PUT';

describe('a registry that asks for patience', () => {
	it.each([
		['no time', undefined, [100, 1_000]],
		['seconds', '7', [7_000, 7_500]],
		['a date ahead', date(9_000), [9_000, 9_500]],
		['a date in the past', date(-86_400_000), [100, 1_000]],
		['nonsense', 'soon', [100, 1_000]],
	] as const)(
		'in the middle of uploads, by %s, gets them all after it',
		async (_name, header, [leastMs, mostMs]) => {
			const { codes, pace } = await upload(isPut, header);
			expect(codes).toEqual(new Set(['sent']));
			const longestMs = Math.max(...pace.waits);
			expect(longestMs).toBeGreaterThanOrEqual(leastMs);
			expect(longestMs).toBeLessThanOrEqual(mostMs);
		},
	);

	it.each([
		['seconds', '3600'],
		['a date', date(3_600_000)],
	])('for an hour, by %s, is not waited for: all are told at once', async (_name, header) => {
		const { finals, codes, pace, server } = await upload(({ method }) => method === 'HEAD', header);
		expect(codes).toEqual(new Set(['rate-limited']));
		expect(pace.waits).toEqual([]);
		expect(server.requests).toHaveLength(1);
		for (const event of finals) {
			const wait = event.state === 'failed' ? (event.problem.retryAfterMs ?? 0) : 0;
			expect(wait).toBeGreaterThan(3_590_000);
		}
	});

	it('holds all workers at its gate until then', async () => {
		const { script, pace, times } = refusingOnce(() => true, '5');
		const server = await startScripted(script);
		const requests = [...Array(20).keys()].map((number) => ({
			reference: { registry: server.host, repository: 'a/b', tag: `t${number}` },
		}));
		const results = await all(readerWith({ pace }).readManifests(requests));
		expect(results.every(({ ok }) => ok)).toBe(true);
		expect(times.filter((time) => time < now + 5_000)).toHaveLength(1);
		expect(times).toHaveLength(21);
	});

	it('does not hold up another registry', async () => {
		const busy = refusingOnce(() => true, '3600');
		const [one, other] = [
			await startScripted(busy.script),
			await startScripted((_request, response) => sendManifest(response)),
		];
		const reader = readerWith({ pace: busy.pace });
		const requests = [one, other].map(({ host }) => ({ reference: refer(host) }));
		const results = await all(reader.readManifests(requests));
		const codes = results.map((result) => (result.ok ? 'read' : result.problem.code));
		expect(codes.toSorted()).toEqual(['rate-limited', 'read']);
		expect(busy.pace.waits).toEqual([]);
	});
});

describe('a registry that does not answer', () => {
	const timeouts = { connectMs: 1_000, headersMs: 100, bodyMs: 100, answerMs: 100 };

	it('once is asked once more, where it has answered before', async () => {
		let asked = 0;
		const server = await startScripted((_request, response) => {
			asked += 1;
			if (asked !== 2) sendManifest(response);
		});
		const reader = readerWith({ timeouts });
		for (const expected of [1, 3]) {
			const [result] = await all(reader.readManifests([{ reference: refer(server.host) }]));
			expect([result?.ok, asked]).toEqual([true, expected]);
		}
	});

	it('and never did is not asked again', async () => {
		const server = await startScripted(() => undefined);
		const [result] = await all(
			readerWith({ timeouts }).readManifests([{ reference: refer(server.host) }]),
		);
		expect(result?.ok === false && result.problem.code).toBe('timeout');
		expect(server.requests).toHaveLength(1);
	});
});
