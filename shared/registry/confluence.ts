/** Several streams as one, in the order in which things arrive; more may be added while it runs. */

interface Arrival<T> {
	readonly iterator: AsyncIterator<T>;
	readonly result: IteratorResult<T>;
}

async function take<T>(iterator: AsyncIterator<T>): Promise<Arrival<T>> {
	return { iterator, result: await iterator.next() };
}

export class Confluence<T> {
	readonly #next = new Map<AsyncIterator<T>, Promise<Arrival<T>>>();

	constructor(sources: Iterable<AsyncIterable<T>> = []) {
		for (const source of sources) this.add(source);
	}

	add(source: AsyncIterable<T>): void {
		const iterator = source[Symbol.asyncIterator]();
		this.#next.set(iterator, take(iterator));
	}

	/** How many streams have not ended. */
	get running(): number {
		return this.#next.size;
	}

	/** The next thing from any of them; undefined when all have ended. Throws what any of them throws. */
	async next(): Promise<T | undefined> {
		while (this.#next.size > 0) {
			const { iterator, result } = await Promise.race(this.#next.values());
			if (result.done) {
				this.#next.delete(iterator);
			} else {
				this.#next.set(iterator, take(iterator));
				return result.value;
			}
		}
		return undefined;
	}

	/** Ends all streams that still run, without waiting for them. */
	stop(): void {
		for (const [iterator, arrival] of this.#next) {
			arrival.catch(() => undefined);
			iterator.return?.().catch(() => undefined);
		}
		this.#next.clear();
	}
}
