/** Addresses of the page of a running server. */
import { formatEntry, type Entry } from '../../shared/link/entry.ts';

export const defaultPort = 4763;

/** The route of the page's first view. */
export const homeRoute = '#/';

/** The origin that is printed: browsers take `localhost` for a secure context, whatever the address. */
export function localOrigin(port: number): string {
	return `http://localhost:${port}`;
}

/** The page at a route, with what it needs to talk to its server. */
export function pageUrl(origin: string, entry: Entry): string {
	return `${origin}/${formatEntry(entry)}`;
}
