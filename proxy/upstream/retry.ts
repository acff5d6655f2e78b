/** When a read is tried again, and how long to wait before. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ProblemCode } from '../../shared/registry/problem.ts';

/** Waits that many milliseconds; fails with the signal's reason where that comes first. */
export type Wait = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface Pace {
	/** milliseconds since 1970 */
	readonly clock: () => number;
	readonly wait: Wait;
	/** in [0, 1) */
	readonly random: () => number;
}

export const realPace: Pace = {
	clock: () => Date.now(),
	wait: async (ms, signal) => delay(ms, undefined, signal && { signal }),
	random: () => Math.random(),
};

/** Somebody is looking at the page: what takes longer than this is told, and left to them. */
export const retryLimits = { attempts: 4, totalWaitMs: 20_000 } as const;

const baseMs = 250;
const mostMs = 8_000;
const passing: ReadonlySet<number> = new Set([408, 425, 429, 499, 500, 502, 503, 504, 522]);
const passingProblems: ReadonlySet<ProblemCode> = new Set(['connection-lost', 'truncated']);

const lostAnswers: ReadonlySet<ProblemCode> = new Set(['connection-lost', 'timeout', 'truncated']);

export function isPassingStatus(status: number): boolean {
	return passing.has(status);
}

export function isPassingProblem(code: ProblemCode): boolean {
	return passingProblems.has(code);
}

/** True where a request may have been heard although its answer was not. */
export function isLostAnswer(code: ProblemCode): boolean {
	return lostAnswers.has(code);
}

/** True for answers and failures that mean: fewer at once. */
export function asksForLess(what: number | ProblemCode): boolean {
	return what === 429 || what === 503 || what === 'connection-lost';
}

/** 250 ms, doubled for every attempt made, up to 8 s; half of it by chance, so that workers spread out. */
export function backoffMs(attemptsMade: number, random: () => number): number {
	const full = Math.min(baseMs * 2 ** (attemptsMade - 1), mostMs);
	return full / 2 + (full / 2) * random();
}

/** Closed while a registry asked to be left alone; all workers of that registry wait at it. */
export class Gate {
	#opensAt = 0;

	/** @param time milliseconds since 1970; an earlier time than the one known changes nothing */
	closeUntil(time: number): void {
		this.#opensAt = Math.max(this.#opensAt, time);
	}

	remainingMs(now: number): number {
		return Math.max(0, this.#opensAt - now);
	}
}
