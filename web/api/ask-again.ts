/**
 * Behind a team's address there are several proxies: where the way to one breaks off, another one is asked for what
 * is left. Everything that the port asks for may be asked twice.
 */
import type { Problem } from '../../shared/registry/problem.ts';

/** Milliseconds to wait before each further try; as many tries as there are waits. */
export type Patience = readonly number[];

/** For a proxy that is alone: where it is gone, it is gone. */
export const noPatience: Patience = [];

/** As long as a dead replica may still be sent requests. */
export const patienceWithReplicas: Patience = [100, 300, 1_000, 2_000, 4_000, 8_000];

/** Nobody waits longer than this for a limit to pass. */
const longestWaitMs = 60_000;

/** True where it was the way to the proxy, and nothing that was asked for. */
function brokeOffHere({ code, origin }: Problem): boolean {
	return code === 'proxy-unreachable' || (code === 'connection-lost' && origin !== 'registry');
}

/**
 * Milliseconds until it makes sense to ask again; undefined where it makes none.
 * @param inVain tries before that brought nothing new
 */
export function waitBeforeAskingAgain(
	problem: Problem,
	inVain: number,
	patience: Patience,
): number | undefined {
	const waitMs = patience[inVain];
	if (waitMs === undefined) return undefined;
	if (brokeOffHere(problem)) return waitMs;
	if (problem.code !== 'rate-limited' || problem.origin !== 'proxy') return undefined;
	const { retryAfterMs = waitMs } = problem;
	return retryAfterMs > longestWaitMs ? undefined : Math.max(waitMs, retryAfterMs);
}

/** Waits; ends early, without an error, where the signal is aborted. */
export function waited(ms: number, signal: AbortSignal | undefined): Promise<void> {
	return new Promise((resolve) => {
		const end = (): void => {
			clearTimeout(timer);
			signal?.removeEventListener('abort', end);
			resolve();
		};
		const timer = setTimeout(end, ms);
		signal?.addEventListener('abort', end);
	});
}

/** Requests that an answer said nothing final about, and why. */
export interface Lost<Request> {
	readonly requests: readonly Request[];
	readonly problem: Problem;
}

export interface Asking<Request, Event> {
	/** Yields what one answer says, and returns what it says nothing about. */
	readonly once: (requests: readonly Request[]) => AsyncGenerator<Event, Lost<Request>>;
	/** Waits where it makes sense to ask again. */
	readonly asksAgain: (problem: Problem, inVain: number) => Promise<boolean>;
	readonly lost: (request: Request, problem: Problem) => Event;
	readonly signal: AbortSignal | undefined;
}

/** Asks for what is left until all of it is answered, or asking makes no more sense. @throws the signal's reason */
export async function* untilAnswered<Request, Event>(
	requests: readonly Request[],
	{ once, asksAgain, lost, signal }: Asking<Request, Event>,
): AsyncGenerator<Event> {
	let left = requests;
	let inVain = 0;
	while (left.length > 0) {
		const after = yield* once(left);
		if (after.requests.length < left.length) inVain = 0;
		left = after.requests;
		const goesOn = left.length > 0 && (await asksAgain(after.problem, inVain));
		signal?.throwIfAborted();
		inVain += 1;
		if (goesOn) continue;
		for (const request of left) yield lost(request, after.problem);
		return;
	}
}
