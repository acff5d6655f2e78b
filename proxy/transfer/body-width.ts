/** How many large bodies go to one registry at a time: more while that brings more bytes, half when it chokes. */

const bodyWidth = { start: 8, cap: 32 } as const;

const successesPerStep = 4;
/** One more body counts as gain where it brings this much more. */
const gain = 1.02;
/** After a step that brought nothing, so many are left out before the next try. */
const stepsHeld = 4;

export class BodyWidth {
	#limit: number;
	readonly #cap: number;
	#successes = 0;
	#generation = 0;
	#bytes = 0;
	#since: number | undefined;
	#bestRate = 0;
	#held = 0;

	constructor({ start, cap }: { readonly start: number; readonly cap: number } = bodyWidth) {
		this.#limit = start;
		this.#cap = cap;
	}

	get limit(): number {
		return this.#limit;
	}

	/** The number to hand to `struggled`; bodies of one generation halve the width only once. */
	get generation(): number {
		return this.#generation;
	}

	/** @param now in milliseconds */
	took(bytes: number, now: number): void {
		this.#since ??= now;
		this.#bytes += bytes;
	}

	/** @param now in milliseconds */
	succeeded(now: number): void {
		this.#successes += 1;
		if (this.#successes < successesPerStep) return;
		const elapsedMs = Math.max(1, now - (this.#since ?? now));
		const rate = this.#bytes / elapsedMs;
		const gains = rate > this.#bestRate * gain;
		if (gains || this.#held >= stepsHeld) {
			this.#limit = Math.min(this.#limit + 1, this.#cap);
			this.#bestRate = rate;
			this.#held = 0;
		} else {
			this.#held += 1;
		}
		this.#measureAnew();
	}

	struggled(generation: number): void {
		if (generation !== this.#generation) return;
		this.#generation += 1;
		this.#limit = Math.max(1, Math.floor(this.#limit / 2));
		this.#bestRate = 0;
		this.#held = 0;
		this.#measureAnew();
	}

	#measureAnew(): void {
		this.#successes = 0;
		this.#bytes = 0;
		this.#since = undefined;
	}
}
