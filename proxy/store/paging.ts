/** Pages of a listing by `n` and `last` (distribution-spec, "Listing Tags"). */
import { StoreError } from './store-error.ts';

export interface Page {
	readonly items: readonly string[];
	/** the `Link` header, where there is more */
	readonly link: string | undefined;
}

/**
 * The part of a sorted listing that a URL asks for.
 * @throws StoreError `pageInvalid` for an `n` that is no number
 */
export function pageOf(sorted: readonly string[], url: URL): Page {
	const asked = url.searchParams.get('n');
	if (asked !== null && !/^\d{1,9}$/.test(asked)) {
		throw new StoreError('pageInvalid', `“${asked}” is not a number of entries.`, {
			details: [{ n: asked }],
		});
	}
	const last = url.searchParams.get('last');
	const rest = last === null ? sorted : sorted.filter((item) => item > last);
	const items = asked === null ? rest : rest.slice(0, Number(asked));
	const final = items.at(-1);
	if (final === undefined || items.length === rest.length) return { items, link: undefined };
	const next = new URLSearchParams({ n: asked ?? '', last: final });
	return { items, link: `<${url.pathname}?${next.toString()}>; rel="next"` };
}
