import { describe, expect, it } from 'vitest';
import {
	isPassing,
	mostTelling,
	nextStep,
	type AttemptsSoFar,
} from '../../../proxy/transfer/attempts.ts';
import { BodyPlaces } from '../../../proxy/transfer/body-places.ts';
import { BodyWidth } from '../../../proxy/transfer/body-width.ts';
import { InFlight } from '../../../proxy/transfer/in-flight.ts';
import { beginOrder, Queue } from '../../../proxy/transfer/order.ts';
import { Outbox } from '../../../proxy/transfer/outbox.ts';
import type { Problem, ProblemCode } from '../../../shared/registry/problem.ts';

const KiB = 1024;

function problem(code: ProblemCode, more: Partial<Problem> = {}): Problem {
	return { code, origin: 'registry', reason: code, ...more };
}

describe('the order of blobs', () => {
	const sized = (...sizes: number[]) => sizes.map((sizeBytes) => ({ sizeBytes }));

	it('begins with the small ones, then takes the largest first', () => {
		const sizes = [900 * KiB, 10, 64 * KiB, 5000 * KiB, 3, 65 * KiB];
		expect(beginOrder(sized(...sizes)).map(({ sizeBytes }) => sizeBytes)).toEqual([
			3,
			10,
			64 * KiB,
			5000 * KiB,
			900 * KiB,
			65 * KiB,
		]);
	});

	it('gives the smallest to one lane and the largest to the others', () => {
		const queue = new Queue<{ sizeBytes: number }>();
		const items = sized(5, 1, 9, 7, 5);
		for (const item of items) queue.add(item);
		queue.remove(items[3]!);
		expect(queue.take('smallest')?.sizeBytes).toBe(1);
		expect(queue.take('largest')?.sizeBytes).toBe(9);
		// Of equal ones, the one that waits longer.
		expect(queue.take('smallest')).toBe(items[0]);
		expect(queue.take('largest')).toBe(items[4]);
		expect(queue.take('largest')).toBeUndefined();
		expect(queue.length).toBe(0);
	});
});

describe('after a failure', () => {
	const soFar: AttemptsSoFar = { attempts: 1, sourcesLeft: 0, detours: new Set() };
	const step = (side: 'source' | 'target', what: Problem, more: Partial<AttemptsSoFar> = {}) =>
		nextStep({ side, problem: what }, { ...soFar, ...more }, () => 0.5);

	it.each([
		problem('connection-lost'),
		problem('timeout'),
		problem('truncated'),
		problem('registry-failure', { status: 502 }),
		problem('registry-failure'),
		problem('rate-limited', { retryAfterMs: 20_000 }),
	])('$code may pass', (what) => {
		expect(isPassing(what)).toBe(true);
		expect(step('target', what).kind).toBe('again');
		expect(step('target', what, { attempts: 3 }).kind).toBe('give-up');
	});

	it.each([
		problem('denied'),
		problem('unauthorized'),
		problem('storage-full'),
		problem('too-large'),
		problem('digest-mismatch'),
		problem('registry-failure', { status: 404 }),
		problem('rate-limited', { retryAfterMs: 20_001 }),
	])('$code does not pass', (what) => {
		expect(isPassing(what)).toBe(false);
		expect(step('target', what, { sourcesLeft: 2 }).kind).toBe('give-up');
		expect(step('source', what, { sourcesLeft: 1 }).kind).toBe('next-source');
	});

	it.each([
		['a login ran out', problem('unauthorized', { status: 401 })],
		['a body was too large', problem('too-large', { status: 413 })],
	])('tries once more where %s in the middle, and only there', (_name, refused) => {
		const midway = { side: 'target', problem: refused, isMidway: true } as const;
		expect(nextStep(midway, soFar, () => 0.5)).toEqual({ kind: 'again', afterMs: 0 });
		const before = { ...soFar, detours: new Set([refused.code]) };
		expect(nextStep(midway, before, () => 0.5).kind).toBe('give-up');
		const denied = { ...midway, problem: problem('denied') };
		expect(nextStep(denied, soFar, () => 0.5).kind).toBe('give-up');
	});

	it('waits longer each time, and as long as the registry says', () => {
		const after = (what: Problem, attempts: number) => step('target', what, { attempts });
		expect(after(problem('timeout'), 1)).toEqual({ kind: 'again', afterMs: 187.5 });
		expect(after(problem('timeout'), 2)).toEqual({ kind: 'again', afterMs: 375 });
		expect(after(problem('rate-limited', { retryAfterMs: 9_000 }), 1)).toEqual({
			kind: 'again',
			afterMs: 9_000,
		});
	});

	it('asks the next source where the first does not recover', () => {
		const what = problem('connection-lost');
		expect(step('source', what, { attempts: 3, sourcesLeft: 1 }).kind).toBe('next-source');
	});

	it('calls a blob absent only where every source says so', () => {
		const [absent, denied] = [problem('blob-unknown'), problem('denied')];
		expect(mostTelling([absent], absent)).toBe(absent);
		expect(mostTelling([denied], absent)).toBe(denied);
		expect(mostTelling([absent], denied)).toBe(denied);
	});
});

describe('the width for bodies', () => {
	const succeed = (width: BodyWidth, times: number, bytesPerMs: number, from = 0) => {
		let now = from;
		for (let at = 0; at < times; at += 1) {
			width.took(0, now);
			now += 10;
			width.took(bytesPerMs * 10, now);
			width.succeeded(now);
		}
		return now;
	};

	it('starts with 8, and grows with every few successes while that brings more', () => {
		const width = new BodyWidth();
		expect(width.limit).toBe(8);
		const now = succeed(width, 4, 100);
		expect(width.limit).toBe(9);
		succeed(width, 4, 200, now);
		expect(width.limit).toBe(10);
	});

	it('holds where one more brought nothing, and tries again later', () => {
		const width = new BodyWidth();
		let now = succeed(width, 4, 100);
		now = succeed(width, 16, 100, now);
		expect(width.limit).toBe(9);
		succeed(width, 4, 100, now);
		expect(width.limit).toBe(10);
	});

	it('never grows beyond its cap', () => {
		const width = new BodyWidth({ start: 2, cap: 3 });
		let now = 0;
		for (let rate = 1; rate < 200; rate *= 2) now = succeed(width, 4, rate, now);
		expect(width.limit).toBe(3);
	});

	it('halves once for all bodies that were under way, and never below one', () => {
		const width = new BodyWidth();
		const { generation } = width;
		width.struggled(generation);
		width.struggled(generation);
		expect(width.limit).toBe(4);
		for (let at = 0; at < 5; at += 1) width.struggled(width.generation);
		expect(width.limit).toBe(1);
	});
});

describe('the places for bodies', () => {
	const { signal } = new AbortController();

	it('are few for large ones, and many for small ones beside them', async () => {
		const places = new BodyPlaces(() => 0, new BodyWidth({ start: 1, cap: 1 }));
		const first = await places.enter(KiB * KiB, signal);
		const small = await Promise.all(Array.from({ length: 32 }, () => places.enter(10, signal)));
		let isIn = false;
		const second = places.enter(KiB * KiB, signal).then((place) => {
			isIn = true;
			return place;
		});
		for (const place of small) place.leave('done');
		await Promise.resolve();
		expect(isIn).toBe(false);
		first.leave('done');
		(await second).leave('done');
	});

	it('are given back by who gives up waiting', async () => {
		const places = new BodyPlaces(() => 0, new BodyWidth({ start: 1, cap: 1 }));
		const first = await places.enter(KiB * KiB, signal);
		const impatient = new AbortController();
		const waiting = places.enter(KiB * KiB, impatient.signal);
		impatient.abort();
		await expect(waiting).rejects.toThrow();
		const third = places.enter(KiB * KiB, signal);
		first.leave('failed');
		(await third).leave('done');
		await expect(places.enter(KiB * KiB, AbortSignal.abort())).rejects.toThrow();
		await expect(places.enter(1, AbortSignal.abort())).rejects.toThrow();
	});
});

describe('what waits for its consumer', () => {
	it('is the newest progress of each request, and every final state', async () => {
		const outbox = new Outbox<string>();
		outbox.progress(1, 'one at 10');
		outbox.progress(2, 'two at 5');
		outbox.progress(1, 'one at 20');
		outbox.finish(2, 'two done');
		expect([await outbox.take(), await outbox.take()]).toEqual(['one at 20', 'two done']);
		const next = outbox.take();
		outbox.finish(1, 'one done');
		expect(await next).toBe('one done');
	});

	it('is nothing but the failure after one', async () => {
		const outbox = new Outbox<string>();
		outbox.finish(1, 'done');
		outbox.fail(new Error('first'));
		outbox.fail(new Error('second'));
		await expect(outbox.take()).rejects.toThrow('first');
	});
});

describe('work in flight', () => {
	interface Work {
		readonly key: string;
		readonly variant?: string;
	}
	/** Runs that end when the test says so. */
	function inFlight() {
		const runs: {
			request: Work;
			signal: AbortSignal;
			onBytes: (bytes: number) => void;
			end: (outcome: string) => void;
		}[] = [];
		const flights = new InFlight<Work, string>({
			keyOf: ({ key }) => key,
			run: (request, { signal, onBytes }) =>
				new Promise((resolve, reject) => {
					runs.push({ request, signal, onBytes, end: resolve });
					signal.addEventListener('abort', () => reject(new Error('given up')));
				}),
			answers: (done, outcome, other) => outcome !== 'failed' || done.variant === other.variant,
		});
		return { flights, runs };
	}

	it('is done once for all who want it, who all hear of its progress', async () => {
		const { flights, runs } = inFlight();
		const heard: string[] = [];
		const seats = ['one', 'two'].map((who) =>
			flights.join({ key: 'a' }, (bytes) => heard.push(`${who} ${bytes}`)),
		);
		const other = flights.join({ key: 'b' });
		expect(runs).toHaveLength(2);
		runs[0]?.onBytes(7);
		runs[0]?.end('done');
		runs[1]?.end('other');
		expect(await Promise.all([...seats, other].map(({ outcome }) => outcome))).toEqual([
			'done',
			'done',
			'other',
		]);
		expect(heard).toEqual(['one 7', 'two 7']);
	});

	it('is done again for who comes later', async () => {
		const { flights, runs } = inFlight();
		const first = flights.join({ key: 'a' });
		runs[0]?.end('done');
		await first.outcome;
		flights.join({ key: 'a' });
		expect(runs).toHaveLength(2);
	});

	it('goes on when who began it leaves, and ends when the last one does', async () => {
		const { flights, runs } = inFlight();
		const [leader, follower] = [flights.join({ key: 'a' }), flights.join({ key: 'a' })];
		leader.leave();
		expect(runs[0]?.signal.aborted).toBe(false);
		follower.leave();
		expect(runs[0]?.signal.aborted).toBe(true);
		await expect(leader.outcome).rejects.toThrow();
		await expect(follower.outcome).rejects.toThrow();
	});

	it('is not joined while it is being given up', async () => {
		const { flights, runs } = inFlight();
		const left = flights.join({ key: 'a' });
		left.leave();
		const late = flights.join({ key: 'a' });
		expect(runs).toHaveLength(2);
		runs[1]?.end('done');
		expect(await late.outcome).toBe('done');
		await expect(left.outcome).rejects.toThrow();
	});

	it('is tried by a follower who would do it another way, where it failed', async () => {
		const { flights, runs } = inFlight();
		const leader = flights.join({ key: 'a', variant: 'x' });
		const same = flights.join({ key: 'a', variant: 'x' });
		const other = flights.join({ key: 'a', variant: 'y' });
		runs[0]?.end('failed');
		expect([await leader.outcome, await same.outcome]).toEqual(['failed', 'failed']);
		expect(runs[1]?.request.variant).toBe('y');
		runs[1]?.end('done');
		expect(await other.outcome).toBe('done');
	});
});
