/** How fast a run is, and how long it will still take: smoothed, and silent until it knows. */

const timeConstantMs = 8_000;
const knowsAfterMs = 5_000;

export class RunPace {
	#at: number | undefined;
	#bytes = 0;
	#movingMs = 0;
	#rate: number | undefined;

	/**
	 * @param bytes gone over the wire since the run began; what was there or mounted does not count
	 * @param now milliseconds, of any clock that does not jump
	 */
	note(bytes: number, now: number): void {
		if (this.#at === undefined) {
			this.#at = now;
			this.#bytes = bytes;
			return;
		}
		const elapsed = now - this.#at;
		if (elapsed <= 0) return;
		const current = Math.max(0, bytes - this.#bytes) / (elapsed / 1000);
		const weight = 1 - Math.exp(-elapsed / timeConstantMs);
		this.#rate = this.#rate === undefined ? current : this.#rate + weight * (current - this.#rate);
		this.#movingMs += elapsed;
		this.#at = now;
		this.#bytes = bytes;
	}

	/** A run that is held back is not slow. */
	rest(): void {
		this.#at = undefined;
	}

	/** bytes per second; undefined before anything was measured */
	get rate(): number | undefined {
		return this.#rate;
	}

	/** Undefined for the first seconds, and where nothing moves. */
	remainingMs(remainingBytes: number): number | undefined {
		if (this.#rate === undefined || this.#rate < 1 || this.#movingMs < knowsAfterMs) {
			return undefined;
		}
		return (remainingBytes / this.#rate) * 1000;
	}
}
