/** Runs work between two frames in which nothing else is to be done, and within two seconds in any case. */
export function whenIdle(work: () => void): void {
	// Safari has no idle callbacks.
	const { requestIdleCallback } = window as Partial<Window>;
	if (requestIdleCallback) requestIdleCallback(work, { timeout: 2000 });
	else setTimeout(work, 200);
}
