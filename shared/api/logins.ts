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

const loginsSchema = z.array(keyedLoginSchema).max(100);

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
	return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function fromBase64Url(text: string): string {
	const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
	const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
	return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

/** @throws ProblemError `too-large` where they do not fit into a header */
export function printLogins(logins: readonly KeyedLogin[]): string {
	const text = toBase64Url(JSON.stringify(logins));
	if (text.length <= mostHeaderCharacters) return text;
	throw new ProblemError({
		code: 'too-large',
		origin: 'browser',
		reason: `The ${logins.length} logins that this needs do not fit into one request: remove those that are not needed, or give one for the whole registry.`,
	});
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
