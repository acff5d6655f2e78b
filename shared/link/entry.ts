/**
 * The link that opens the page for the first time: in its fragment it carries the process's token, or a code
 * that is exchanged for it once, and where to go. A page of a static host is also told where its proxy is.
 */
import { parseProxyAddress } from './proxy-address.ts';

export type Key = { readonly token: string } | { readonly code: string };

export type Entry = Key & {
	/** a route, such as `#/release?ref=…`; `#/` where none was given */
	readonly to: string;
	/** the origin of the proxy, always on this computer, for pages that did not come from it */
	readonly proxy?: string;
	/** true where the user named the registries of that route: in a command, not in somebody's link */
	readonly isNamed?: boolean;
};

export function formatEntry(entry: Entry): string {
	const key = 'code' in entry ? `#c=${entry.code}` : `#t=${entry.token}`;
	const proxy = entry.proxy === undefined ? '' : `&proxy=${entry.proxy}`;
	const named = entry.isNamed === true ? '&named=1' : '';
	const to = entry.to === '#/' ? '' : `&to=${encodeURIComponent(entry.to)}`;
	return `${key}${proxy}${named}${to}`;
}

/** Undefined where the fragment carries neither token nor code. A proxy that is not on this computer is none. */
export function parseEntry(fragment: string): Entry | undefined {
	if (!/^#[ct]=/.test(fragment)) return undefined;
	const params = new URLSearchParams(fragment.slice(1));
	const wanted = params.get('to') ?? '';
	const proxy = parseProxyAddress(params.get('proxy') ?? '');
	const where = {
		to: wanted.startsWith('#/') ? wanted : '#/',
		...(proxy && { proxy }),
		...(params.get('named') === '1' && { isNamed: true }),
	};
	return fragment.startsWith('#c=')
		? { code: params.get('c') ?? '', ...where }
		: { token: params.get('t') ?? '', ...where };
}
