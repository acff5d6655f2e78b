/** A number of places: whoever finds none waits for one, first come first served. */
export class Places {
	#limit: number;
	#taken = 0;
	readonly #waiting: (() => void)[] = [];

	constructor(limit: number) {
		this.#limit = limit;
	}

	get limit(): number {
		return this.#limit;
	}

	/** Takes effect with the next place that is taken or given back. */
	set limit(limit: number) {
		this.#limit = limit;
	}

	/** Takes a place; a promise where there is none yet. Each place taken is given back with `leave`. */
	enter(): Promise<void> | undefined {
		if (this.#taken < this.#limit) {
			this.#taken += 1;
			return undefined;
		}
		return new Promise((resolve) => this.#waiting.push(resolve));
	}

	leave(): void {
		this.#taken -= 1;
		while (this.#taken < this.#limit) {
			const next = this.#waiting.shift();
			if (!next) return;
			this.#taken += 1;
			next();
		}
	}
}
