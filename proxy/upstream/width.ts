/** How many requests one registry gets at a time: more while it copes, half when it does not. */
import { Places } from './places.ts';

export interface WidthOptions {
	readonly start: number;
	readonly cap: number;
}

/** Measured: a registry on loopback answers no faster with more than 32; a remote one is bound by round trips. */
export const metadataWidth: WidthOptions = { start: 32, cap: 64 };

const successesPerStep = 8;

export class Width {
	readonly #places: Places;
	readonly #cap: number;
	#successes = 0;
	#generation = 0;

	constructor(options: WidthOptions = metadataWidth) {
		this.#places = new Places(options.start);
		this.#cap = options.cap;
	}

	get limit(): number {
		return this.#places.limit;
	}

	/** The number to hand to `shrink`; requests of one generation halve the width only once. */
	get generation(): number {
		return this.#generation;
	}

	/** Takes a place; a promise where there is none yet. Each place taken is given back with `leave`. */
	enter(): Promise<void> | undefined {
		return this.#places.enter();
	}

	leave(): void {
		this.#places.leave();
	}

	grow(): void {
		this.#successes += 1;
		if (this.#successes < successesPerStep) return;
		this.#successes = 0;
		this.#places.limit = Math.min(this.limit + 1, this.#cap);
	}

	shrink(generation: number): void {
		if (generation !== this.#generation) return;
		this.#generation += 1;
		this.#successes = 0;
		this.#places.limit = Math.max(1, Math.floor(this.limit / 2));
	}
}
