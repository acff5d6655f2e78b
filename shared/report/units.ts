/** Numbers as people read them. */

const steps = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Bytes in decimal units with three significant digits: `955 kB`, `8.99 MB`. */
export function formatBytes(bytes: number): string {
	// 999 999 B is 1.00 MB, not 1000 kB.
	const rounded = Number(bytes.toPrecision(3));
	const step = rounded < 1000 ? 0 : Math.min(Math.floor(Math.log10(rounded) / 3), steps.length - 1);
	const unit = 1000 ** step;
	const digits = step === 0 || rounded >= 100 * unit ? 0 : rounded >= 10 * unit ? 1 : 2;
	return `${(bytes / unit).toFixed(digits)} ${steps[step] ?? ''}`;
}

/** The day of an RFC 3339 time, or the text as it is. */
export function formatDay(time: string): string {
	return /^\d{4}-\d{2}-\d{2}T/.test(time) ? time.slice(0, 10) : time;
}

const minuteMs = 60_000;

/** How long ago, coarsely: `just now`, `5 min ago`, `3 d ago`. */
export function formatAge(ageMs: number): string {
	const minutes = Math.floor(ageMs / minuteMs);
	if (minutes < 1) return 'just now';
	if (minutes < 60) return `${minutes} min ago`;
	const hours = Math.floor(minutes / 60);
	return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} d ago`;
}

/** How long, coarsely: `12 s`, `5 min`, `2 h`. */
export function formatDuration(ms: number): string {
	if (ms < 2 * minuteMs) return `${Math.ceil(ms / 1000)} s`;
	const minutes = Math.ceil(ms / minuteMs);
	return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

/** A number with its noun: `1 tag`, `3 tags`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
	return `${count} ${count === 1 ? one : many}`;
}
