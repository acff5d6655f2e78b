/** Runs the requests of one call side by side, and yields what becomes of them as it happens. */
import { abortReason } from '../upstream/exchange.ts';
import type { Seat } from './in-flight.ts';
import { Outbox } from './outbox.ts';

const progressEveryMs = 250;

export interface SideBySide<Request, Outcome, Event> {
	readonly begin: (request: Request, onBytes: (bytes: number) => void) => Seat<Outcome>;
	readonly progress?: (request: Request, bytes: number) => Event;
	readonly final: (request: Request, outcome: Outcome) => Event;
	/** in milliseconds */
	readonly clock: () => number;
	readonly signal?: AbortSignal | undefined;
}

/** Lets through one call in a while, beginning with the first. */
function atTimes(clock: () => number, report: (bytes: number) => void): (bytes: number) => void {
	let notBefore = -Infinity;
	return (bytes) => {
		const now = clock();
		if (now < notBefore) return;
		notBefore = now + progressEveryMs;
		report(bytes);
	};
}

function toError(error: unknown): Error {
	return error instanceof Error ? error : new Error(String(error));
}

/**
 * All of them are begun, in this order, without waiting for who takes the events. Leaving the loop, or
 * aborting `signal`, leaves all work of this call. @throws the signal's reason
 */
export async function* sideBySide<Request, Outcome, Event>(
	requests: readonly Request[],
	{ begin, progress, final, clock, signal }: SideBySide<Request, Outcome, Event>,
): AsyncGenerator<Event, void, undefined> {
	if (signal?.aborted) throw abortReason(signal);
	const outbox = new Outbox<{ readonly isFinal: boolean; readonly event: Event }>();
	const stop = (): void => outbox.fail(abortReason(signal));
	signal?.addEventListener('abort', stop);
	const seats: Seat<Outcome>[] = [];
	try {
		for (const [index, request] of requests.entries()) {
			const report = atTimes(clock, (bytes) => {
				if (progress) outbox.progress(index, { isFinal: false, event: progress(request, bytes) });
			});
			const seat = begin(request, report);
			seats.push(seat);
			seat.outcome.then(
				(outcome) => outbox.finish(index, { isFinal: true, event: final(request, outcome) }),
				(error: unknown) => outbox.fail(toError(error)),
			);
		}
		for (let left = requests.length; left > 0;) {
			const { isFinal, event } = await outbox.take();
			if (isFinal) left -= 1;
			yield event;
		}
	} finally {
		signal?.removeEventListener('abort', stop);
		for (const seat of seats) seat.leave();
	}
}
