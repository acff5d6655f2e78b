/** Times as the user's own place writes them. */

export interface LocalTime {
	/** for machines */
	readonly iso: string;
	readonly text: string;
}

/** Undefined where it is no time. */
export function localTime(at: string | number): LocalTime | undefined {
	const date = new Date(at);
	if (Number.isNaN(date.getTime())) return undefined;
	const text = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
	return { iso: date.toISOString(), text };
}
