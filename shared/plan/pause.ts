/** Holds a run back for as long as somebody wants. */
export class Pause {
	#resume: (() => void) | undefined;
	#resumed: Promise<void> | undefined;

	get isSet(): boolean {
		return this.#resumed !== undefined;
	}

	set(): void {
		this.#resumed ??= new Promise((resolve) => (this.#resume = resolve));
	}

	lift(): void {
		this.#resume?.();
		this.#resumed = undefined;
		this.#resume = undefined;
	}

	/** Waits until it is not set. @throws the signal's reason where that comes first */
	async passed(signal: AbortSignal | undefined): Promise<void> {
		signal?.throwIfAborted();
		while (this.#resumed) {
			const aborted = new Promise<never>((_, reject) => {
				signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
			});
			await (signal ? Promise.race([this.#resumed, aborted]) : this.#resumed);
		}
	}
}
