/**
 * Logins that somebody typed, on their way to the proxy: one header, for one request, with no more than what its
 * repositories need. It is not CORS-safelisted, and proxies and logs that keep URLs never see it.
 */
import * as z from 'zod';
import type { Repository } from '../oci/reference.ts';
import { bestKey } from '../login/entry-key.ts';
import { keyedLoginSchema, type KeyedLogin } from '../login/login.ts';
import { ProblemError } from '../registry/problem.ts';

export const loginsHeader = 'x-espalier-logins';

/** Servers take 16 KiB of headers altogether. */
export const mostHeaderCharacters = 12 * 1024;

const mostLogins = 100;
const loginsSchema = z.array(keyedLoginSchema).max(mostLogins);

/** Those that one of the repositories would be given. */
export function loginsFor(
	logins: readonly KeyedLogin[],
	repositories: Iterable<Repository>,
): readonly KeyedLogin[] {
	const entries = logins.map(({ entry }) => entry);
	const wanted = new Set<string | undefined>();
	for (const repository of repositories) wanted.add(bestKey(entries, repository, true));
	return logins.filter(({ entry }) => wanted.has(entry));
}

function toBase64Url(text: string): string {
	const bytes = new TextEncoder().encode(text);
	const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
	return btoa(binary)
		.replaceAll('+', '-')
		.replaceAll('/', '_')
		.replace(/={1,2}$/, '');
}

function fromBase64Url(text: string): string {
	const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
	const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
	return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

function textOf(logins: readonly KeyedLogin[]): string {
	return toBase64Url(JSON.stringify(logins));
}

function fit(logins: readonly KeyedLogin[]): boolean {
	return logins.length <= mostLogins && textOf(logins).length <= mostHeaderCharacters;
}

/** @throws ProblemError `too-large` where they do not fit into a header */
export function printLogins(logins: readonly KeyedLogin[]): string {
	if (fit(logins)) return textOf(logins);
	throw new ProblemError({
		code: 'too-large',
		origin: 'browser',
		reason: `The ${logins.length} logins that this needs do not fit into one request: remove those that are not needed, or give one for the whole registry.`,
	});
}

interface Group<Request> {
	readonly requests: Request[];
	readonly logins: Set<KeyedLogin>;
	/** a request that is refused takes no other with it */
	readonly isOpen: boolean;
}

function takes<Request>({ logins, isOpen }: Group<Request>, more: readonly KeyedLogin[]): boolean {
	const together = new Set([...logins, ...more]);
	return isOpen && (together.size === logins.size || fit([...together]));
}

/**
 * Requests in as few groups as headers allow: all in one, nearly always. What a single request needs is never
 * taken apart; where that alone does not fit, `printLogins` refuses it.
 * @param about the repositories of a request
 */
export function groupByLogins<Request>(
	requests: readonly Request[],
	about: (request: Request) => readonly Repository[],
	logins: readonly KeyedLogin[],
): readonly (readonly Request[])[] {
	if (requests.length === 0 || fit(logins)) return [requests];
	const groups: Group<Request>[] = [];
	for (const request of requests) {
		const needed = loginsFor(logins, about(request));
		const group = groups.find((one) => takes(one, needed));
		if (group === undefined) {
			groups.push({ requests: [request], logins: new Set(needed), isOpen: fit(needed) });
		} else {
			group.requests.push(request);
			for (const login of needed) group.logins.add(login);
		}
	}
	return groups.map((group) => group.requests);
}

/** What is wrong with the header is said without quoting it. @throws ProblemError `request-invalid` */
export function parseLogins(text: string): readonly KeyedLogin[] {
	try {
		if (text.length > mostHeaderCharacters) throw new RangeError('too long');
		return loginsSchema.parse(JSON.parse(fromBase64Url(text)));
	} catch {
		throw new ProblemError({
			code: 'request-invalid',
			origin: 'browser',
			reason: 'The logins that came with the request cannot be read.',
		});
	}
}
