/**
 * A browser gives one origin six connections over all its tabs. Long answers hold at most four of them,
 * so that short ones still get through; a fifth waits until one is free.
 */

const slots = [0, 1, 2, 3].map((slot) => `espalier-stream-${slot}`);

/** Takes a named lock for as long as the returned function has not been called; undefined where it is taken. */
function hold(name: string, options: LockOptions): Promise<(() => void) | undefined> {
	return new Promise((resolve, reject) => {
		navigator.locks
			.request(name, options, (lock) => {
				if (!lock) {
					resolve(undefined);
					return undefined;
				}
				return new Promise<void>((release) => resolve(release));
			})
			.catch(reject);
	});
}

/** Waits for a slot; the returned function gives it back. Without Web Locks (plain http on a network) there is no limit. */
export async function takeStreamSlot(signal: AbortSignal | undefined): Promise<() => void> {
	const { locks } = navigator as Partial<Navigator>;
	if (!locks) return () => undefined;
	for (const name of slots) {
		const release = await hold(name, { ifAvailable: true });
		if (release) return release;
	}
	const name = slots[Math.floor(Math.random() * slots.length)] ?? 'espalier-stream-0';
	return (await hold(name, signal ? { signal } : {})) ?? (() => undefined);
}
