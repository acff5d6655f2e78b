/** To be imported before a program: measures its memory and its event loop, and tells both when asked. */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Measured {
	/** the most resident memory since the start */
	readonly peakMiB: number;
	/** how late the event loop came at most since it was last asked; on a busy machine others take part of it */
	readonly longestDelayMs: number;
	/** how long the event loop computed at most without looking up: what this program itself did of the delay */
	readonly longestTurnMs: number;
}

const resolutionMs = 1;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();

/** The processor time of the main thread, whose id is that of the process; elsewhere than on Linux the clock. */
function computedMs(): number {
	try {
		return (
			Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
		);
	} catch {
		return performance.now();
	}
}

let longestTurnMs = 0;
let before = computedMs();
const timer = setInterval(() => {
	const now = computedMs();
	longestTurnMs = Math.max(longestTurnMs, now - before);
	before = now;
}, resolutionMs);
timer.unref();

process.on('message', (message) => {
	if (message !== 'measure') return;
	const measured: Measured = {
		peakMiB: process.resourceUsage().maxRSS / 1024,
		longestDelayMs: Math.max(0, delay.max / 1e6 - resolutionMs),
		longestTurnMs,
	};
	delay.reset();
	longestTurnMs = 0;
	process.send?.(measured);
});
// Being asked is no reason to stay alive.
process.channel?.unref();
