/** How many requests one registry gets at a time: more while it copes, half when it does not. */

export interface WidthOptions {
	readonly start: number;
	readonly cap: number;
}

/** Measured: a registry on loopback answers no faster with more than 32; a remote one is bound by round trips. */
export const metadataWidth: WidthOptions = { start: 32, cap: 64 };

const successesPerStep = 8;

export class Width {
	#limit: number;
	readonly #cap: number;
	#active = 0;
	#successes = 0;
	#generation = 0;
	readonly #waiting: (() => void)[] = [];

	constructor(options: WidthOptions = metadataWidth) {
		this.#limit = options.start;
		this.#cap = options.cap;
	}

	get limit(): number {
		return this.#limit;
	}

	/** The number to hand to `shrink`; requests of one generation halve the width only once. */
	get generation(): number {
		return this.#generation;
	}

	/** Takes a place; a promise where there is none yet. Each place taken is given back with `leave`. */
	enter(): Promise<void> | undefined {
		if (this.#active < this.#limit) {
			this.#active += 1;
			return undefined;
		}
		return new Promise((resolve) => this.#waiting.push(resolve));
	}

	leave(): void {
		this.#active -= 1;
		while (this.#active < this.#limit) {
			const next = this.#waiting.shift();
			if (!next) return;
			this.#active += 1;
			next();
		}
	}

	grow(): void {
		this.#successes += 1;
		if (this.#successes < successesPerStep) return;
		this.#successes = 0;
		this.#limit = Math.min(this.#limit + 1, this.#cap);
	}

	shrink(generation: number): void {
		if (generation !== this.#generation) return;
		this.#generation += 1;
		this.#successes = 0;
		this.#limit = Math.max(1, Math.floor(this.#limit / 2));
	}
}
