/** In which order blobs go. */

/** Up to this size a blob costs round trips rather than bandwidth. */
const smallBytes = 64 * 1024;

interface Sized {
	readonly sizeBytes: number;
}

export function isSmall({ sizeBytes }: Sized): boolean {
	return sizeBytes <= smallBytes;
}

/** The small ones first, from the smallest on; then the others, from the largest on. */
export function beginOrder<T extends Sized>(blobs: readonly T[]): T[] {
	return blobs.toSorted((one, other) => {
		if (isSmall(one) !== isSmall(other)) return isSmall(one) ? -1 : 1;
		return isSmall(one) ? one.sizeBytes - other.sizeBytes : other.sizeBytes - one.sizeBytes;
	});
}

/**
 * What waits for its turn. One lane takes the smallest, so that manifests soon have all their parts; the
 * others take the largest, so that the last one running is not the one that lasts longest.
 */
export class Queue<T extends Sized> {
	/** from the smallest to the largest */
	readonly #waiting: T[] = [];
	/** the same, as they came */
	readonly #arrived = new Set<T>();

	get length(): number {
		return this.#waiting.length;
	}

	add(item: T): void {
		let [low, high] = [0, this.#waiting.length];
		while (low < high) {
			const middle = (low + high) >>> 1;
			const isBefore = (this.#waiting[middle]?.sizeBytes ?? 0) <= item.sizeBytes;
			if (isBefore) low = middle + 1;
			else high = middle;
		}
		this.#waiting.splice(low, 0, item);
		this.#arrived.add(item);
	}

	remove(item: T): void {
		this.#arrived.delete(item);
		const at = this.#waiting.lastIndexOf(item);
		if (at >= 0) this.#waiting.splice(at, 1);
	}

	take(which: 'smallest' | 'largest' | 'oldest'): T | undefined {
		const taken = this.#peek(which);
		if (taken !== undefined) this.remove(taken);
		return taken;
	}

	#peek(which: 'smallest' | 'largest' | 'oldest'): T | undefined {
		if (which === 'oldest') return this.#arrived.values().next().value;
		return this.#waiting.at(which === 'smallest' ? 0 : -1);
	}
}
