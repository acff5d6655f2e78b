/** What is remembered of places that content or strangers may name: so many, and then the oldest are forgotten. */

export class BoundedMap<K, V> {
	readonly #most: number;
	readonly #values = new Map<K, V>();

	constructor(most: number) {
		this.#most = most;
	}

	get size(): number {
		return this.#values.size;
	}

	get(key: K): V | undefined {
		return this.#values.get(key);
	}

	/** The key is the newest then, also where it was known. */
	set(key: K, value: V): void {
		this.#values.delete(key);
		this.#values.set(key, value);
		if (this.#values.size <= this.#most) return;
		for (const oldest of this.#values.keys()) {
			this.#values.delete(oldest);
			return;
		}
	}

	delete(key: K): void {
		this.#values.delete(key);
	}

	deleteWhere(isOver: (value: V) => boolean): void {
		for (const [key, value] of this.#values) {
			if (isOver(value)) this.#values.delete(key);
		}
	}
}
