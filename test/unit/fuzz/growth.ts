/** Whether something takes linear time, measured on an input and on one eight times as long. */
import { expect } from 'vitest';

const factor = 8;
/** Eight for what is linear, 64 for what is quadratic; what is short is noise. */
const mostGrowth = 30;
const noiseMs = 25;
const attempts = 4;

function timeOf(action: () => unknown): number {
	const before = performance.now();
	action();
	return performance.now() - before;
}

/** @param make an input of about this length, as bad as can be */
export function expectLinear<T>(
	make: (length: number) => T,
	action: (input: T) => unknown,
	length = 4_000,
): void {
	const short = make(length);
	const long = make(length * factor);
	let measured = '';
	// Other work on the machine makes single measurements too long, never too short.
	for (let attempt = 0; attempt < attempts; attempt += 1) {
		const first = timeOf(() => action(short));
		const second = timeOf(() => action(long));
		if (second < noiseMs || second < first * mostGrowth) return;
		measured += ` ${first.toFixed(1)} and ${second.toFixed(1)} ms;`;
	}
	expect.fail(`${length} and ${length * factor} took${measured} that is not linear`);
}
