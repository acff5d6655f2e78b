/** Random numbers that a seed repeats (mulberry32). */

export type Random = () => number;

/** Numbers from 0 up to but not including 1. */
export function seededRandom(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** A whole number from `least` to `most`, both included. */
export function wholeNumber(random: Random, least: number, most: number): number {
	return least + Math.floor(random() * (most - least + 1));
}

export function oneOf<T>(random: Random, choices: readonly [T, ...T[]]): T {
	return choices[Math.floor(random() * choices.length)] ?? choices[0];
}

export function seededBytes(random: Random, length: number): Uint8Array {
	const words = new Uint32Array(Math.ceil(length / 4));
	for (let at = 0; at < words.length; at += 1) words[at] = random() * 2 ** 32;
	return new Uint8Array(words.buffer, 0, length);
}
