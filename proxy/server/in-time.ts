/** Waits for a client so long and no longer. */

/** @throws what `silence` gives, where nothing has come within that many milliseconds */
export async function inTime<T>(
	reading: Promise<T>,
	withinMs: number,
	silence: () => Error,
): Promise<T> {
	let timer: NodeJS.Timeout | undefined;
	const ended = new Promise<never>((_, reject) => {
		timer = setTimeout(() => {
			reject(silence());
		}, withinMs);
	});
	try {
		return await Promise.race([reading, ended]);
	} finally {
		clearTimeout(timer);
	}
}
