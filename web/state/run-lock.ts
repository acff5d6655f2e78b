/** One run of a plan at a time, over all tabs of this browser. */
import type { Digest } from '../../shared/oci/digest.ts';

function lockName(id: Digest): string {
	return `espalier-run-${id}`;
}

/**
 * The returned function gives it back; undefined where another tab has it. Without Web Locks (plain http on a
 * network) nobody is kept out: steps may be repeated, and tags move only from where they were seen.
 */
export async function takeRunLock(id: Digest): Promise<(() => void) | undefined> {
	const { locks } = navigator as Partial<Navigator>;
	if (!locks) return () => undefined;
	return new Promise((resolve, reject) => {
		locks
			.request(lockName(id), { ifAvailable: true }, (lock) => {
				if (!lock) {
					resolve(undefined);
					return undefined;
				}
				return new Promise<void>((release) => resolve(release));
			})
			.catch(reject);
	});
}

/** True once no tab has it; false where the waiting was broken off. It is not taken. */
export async function waitForRunLock(id: Digest, signal: AbortSignal): Promise<boolean> {
	const { locks } = navigator as Partial<Navigator>;
	try {
		await locks?.request(lockName(id), { signal }, () => undefined);
		return !signal.aborted;
	} catch {
		return false;
	}
}
