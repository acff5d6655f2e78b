/** Addresses of the page of a running server. */
import { formatEntry, type Entry } from '../../shared/link/entry.ts';

export const defaultPort = 4763;

/** The route of the page's first view. */
export const homeRoute = '#/';

/** The origin that is printed: browsers take `localhost` for a secure context, whatever the address. */
export function localOrigin(port: number): string {
	return `http://localhost:${port}`;
}

/** Where a page of a static host finds its server: written as an address, as names may be resolved to others. */
export function proxyAddress(port: number): string {
	return `http://127.0.0.1:${port}`;
}

/** The page at a route, with what it needs to talk to its server. */
export function pageUrl(origin: string, entry: Entry): string {
	return `${origin}/${formatEntry(entry)}`;
}
