/** Work on many things at once, results as they come. */

/**
 * Runs `work` on each item, at most `width` at a time, and yields in the order in which they finish.
 * Leaving the loop, or aborting, starts nothing further. `work` is expected not to throw.
 */
export async function* asCompleted<T, R>(
	items: readonly T[],
	work: (item: T) => Promise<R>,
	options: { readonly width: number; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<R> {
	const running = new Map<number, Promise<readonly [number, R]>>();
	let started = 0;
	for (;;) {
		options.signal?.throwIfAborted();
		for (const item of items.slice(started, started + options.width - running.size)) {
			const id = started++;
			running.set(
				id,
				work(item).then((result) => [id, result]),
			);
		}
		if (running.size === 0) return;
		const [id, result] = await Promise.race(running.values());
		running.delete(id);
		yield result;
	}
}
