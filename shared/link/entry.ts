/**
 * The link that opens the page for the first time: in its fragment it carries the process's token, or a code
 * that is exchanged for it once, and where to go.
 */

export type Key = { readonly token: string } | { readonly code: string };

export type Entry = Key & {
	/** a route, such as `#/release?ref=…`; `#/` where none was given */
	readonly to: string;
};

export function formatEntry(entry: Entry): string {
	const key = 'code' in entry ? `#c=${entry.code}` : `#t=${entry.token}`;
	return entry.to === '#/' ? key : `${key}&to=${encodeURIComponent(entry.to)}`;
}

/** Undefined where the fragment carries neither token nor code. */
export function parseEntry(fragment: string): Entry | undefined {
	if (!/^#[ct]=/.test(fragment)) return undefined;
	const params = new URLSearchParams(fragment.slice(1));
	const wanted = params.get('to') ?? '';
	const to = wanted.startsWith('#/') ? wanted : '#/';
	return fragment.startsWith('#c=')
		? { code: params.get('c') ?? '', to }
		: { token: params.get('t') ?? '', to };
}
