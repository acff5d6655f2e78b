/** One request to a repository, taken apart; what every kind of answer has in common. */
import { isDigest, type Digest } from '../../shared/oci/digest.ts';
import type { Layout } from './layout.ts';
import type { Store } from './store.ts';
import { StoreError } from './store-error.ts';

export interface Exchange {
	readonly request: Request;
	readonly url: URL;
	readonly store: Store;
	readonly repository: Layout;
	/** how long a client that sends a body may be silent, in milliseconds */
	readonly stallMs: number;
	/** the last part of the path: a tag, a digest, the id of an upload, or '' */
	readonly target: string;
}

export type Handler = (exchange: Exchange) => Promise<Response>;

/** @throws StoreError `digestInvalid` */
export function requireDigest(text: string): Digest {
	if (isDigest(text)) return text;
	throw new StoreError(
		'digestInvalid',
		`“${text}” is not a digest: sha256 with 64 or sha512 with 128 lower-case hex digits.`,
		{ details: [text] },
	);
}

/** An answer with JSON, whose body a HEAD request does not get. */
export function jsonResponse(
	request: Request,
	value: unknown,
	headers: Readonly<Record<string, string>> = {},
): Response {
	const bytes = new TextEncoder().encode(JSON.stringify(value));
	return new Response(request.method === 'HEAD' ? null : bytes, {
		headers: {
			'Content-Type': 'application/json',
			'Content-Length': `${bytes.length}`,
			...headers,
		},
	});
}
