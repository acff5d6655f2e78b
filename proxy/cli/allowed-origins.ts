/** `--allow-origin`: whose pages, on static hosts, may talk to a server on this computer. */
import { isLoopback } from '../upstream/endpoint.ts';
import { UsageError } from './usage.ts';

function readAllowedOrigin(text: string): string {
	const wrong = (why: string) => new UsageError(`“${text}” after --allow-origin ${why}.`);
	const url = URL.canParse(text) ? new URL(text) : undefined;
	if (url === undefined || url.origin === 'null') {
		throw wrong('is not an origin, such as “https://pages.example.com”');
	}
	if (url.hostname.includes('*')) throw wrong('is a pattern: each origin is named by itself');
	const isHere = isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
	if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere)) {
		throw wrong('does not begin with https://: anybody on the way could change that page');
	}
	if (url.origin !== text) {
		throw wrong(`is not the origin as browsers write it, which is “${url.origin}”`);
	}
	return text;
}

/** Each of them once. @throws UsageError */
export function readAllowedOrigins(texts: readonly string[] = []): readonly string[] {
	return [...new Set(texts.map(readAllowedOrigin))];
}

/** The port is taken by a server of this user's that answers fewer pages than it should. @throws UsageError */
export function requireAllowed(
	{
		port,
		allowedOrigins = [],
	}: { readonly port: number; readonly allowedOrigins?: readonly string[] | undefined },
	wanted: readonly string[] = [],
): void {
	const lacking = wanted.find((origin) => !allowedOrigins.includes(origin));
	if (lacking === undefined) return;
	throw new UsageError(
		`Espalier is already running on port ${port}, without “--allow-origin ${lacking}”. Stop it first.`,
	);
}
