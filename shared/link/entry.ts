/** The link that opens the page for the first time: it carries the process's token in its fragment, and where to go. */

export interface Entry {
	readonly token: string;
	/** a route, such as `#/release?ref=…`; `#/` where none was given */
	readonly to: string;
}

export function formatEntry({ token, to }: Entry): string {
	return to === '#/' ? `#t=${token}` : `#t=${token}&to=${encodeURIComponent(to)}`;
}

/** Undefined where the fragment carries no token. */
export function parseEntry(fragment: string): Entry | undefined {
	if (!fragment.startsWith('#t=')) return undefined;
	const params = new URLSearchParams(fragment.slice(1));
	const to = params.get('to') ?? '';
	return { token: params.get('t') ?? '', to: to.startsWith('#/') ? to : '#/' };
}
