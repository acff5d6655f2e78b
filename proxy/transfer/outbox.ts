/** What waits for a consumer who takes his time: all final states, and of the progress only the newest. */

export class Outbox<Event> {
	/** by request, in the order in which they are to be taken */
	readonly #waiting = new Map<number, Event>();
	#failure: Error | undefined;
	#wake: () => void = () => undefined;

	/** Takes the place of older progress of the same request. */
	progress(request: number, event: Event): void {
		this.#waiting.set(request, event);
		this.#wake();
	}

	/** The last there is of this request; progress that still waits is dropped. */
	finish(request: number, event: Event): void {
		this.#waiting.delete(request);
		this.progress(request, event);
	}

	/** From now on there is nothing to take but this. */
	fail(error: Error): void {
		this.#failure ??= error;
		this.#wake();
	}

	/** Waits for the next event. @throws what `fail` was told */
	async take(): Promise<Event> {
		for (;;) {
			if (this.#failure) throw this.#failure;
			for (const [request, event] of this.#waiting) {
				this.#waiting.delete(request);
				return event;
			}
			await new Promise<void>((resolve) => (this.#wake = resolve));
		}
	}
}
