/** Signals that ask a command to finish what it can and end. */
import { constants } from 'node:os';

export interface Interruption {
	/** aborts at the first signal; a second one ends the process where it is */
	readonly until: AbortSignal;
	/** which signal it was */
	readonly by: () => NodeJS.Signals | undefined;
}

/** From now on the first of these signals no longer ends the process. */
export function takeSignals(): Interruption {
	const stop = new AbortController();
	let by: NodeJS.Signals | undefined;
	for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.once(signal, () => {
			by ??= signal;
			stop.abort();
		});
	}
	return { until: stop.signal, by: () => by };
}

/** As a shell reports a process that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals | undefined): number {
	return signal === undefined ? 1 : 128 + constants.signals[signal];
}
