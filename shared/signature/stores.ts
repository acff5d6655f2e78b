/** Signature stores: where the signatures of a digest lie, and the port that fetches them. */
import { algorithmOf, encodedOf, type Digest } from '../oci/digest.ts';
import type { Problem } from '../registry/problem.ts';
import { signatureLimits } from './limits.ts';

export interface SignatureStore {
	readonly url: string;
	/** Content may not lead to private addresses, nor away from TLS; the user may. */
	readonly namedBy: 'user' | 'payload';
}

export interface SignatureQuery {
	readonly digest: Digest;
	readonly stores: readonly SignatureStore[];
}

export interface StoreAnswer {
	readonly store: string;
	/** In the store's order, up to the first that is not there. Also those that came before a problem. */
	readonly signatures: readonly Uint8Array[];
	/** why it could not be looked at to the end; without it, there are no others */
	readonly problem?: Problem | undefined;
}

/** Asks stores for the signatures of one digest; one answer a store, in their order. Throws only when it is aborted. */
export type FindSignatures = (
	query: SignatureQuery,
	signal?: AbortSignal,
) => Promise<readonly StoreAnswer[]>;

/** Where signature `number` (from 1) of a digest is: `STORE/ALGORITHM=HEX/signature-N`. */
export function signatureUrl(store: URL, digest: Digest, number: number): URL {
	const url = new URL(store);
	const folder = `${algorithmOf(digest)}=${encodedOf(digest)}`;
	url.pathname = `${url.pathname.replace(/\/+$/, '')}/${folder}/signature-${number}`;
	url.hash = '';
	return url;
}

export type ReadStore =
	{ readonly ok: true; readonly url: URL } | { readonly ok: false; readonly reason: string };

/** The address of a store, where it is one that may be asked. */
export function readStore({ url, namedBy }: SignatureStore): ReadStore {
	const shown = url.slice(0, 200);
	if (!URL.canParse(url)) return { ok: false, reason: `“${shown}” is not an address.` };
	const parsed = new URL(url);
	if (parsed.username !== '' || parsed.password !== '') {
		return { ok: false, reason: `The signature store at ${parsed.host} is named with a login.` };
	}
	const isClear = parsed.protocol === 'http:' && namedBy === 'user';
	if (parsed.protocol !== 'https:' && !isClear) {
		return { ok: false, reason: `The signature store “${shown}” is not reached over https.` };
	}
	return { ok: true, url: parsed };
}

/** The hosts that asking these stores would contact, each once. */
export function storeHosts(stores: readonly SignatureStore[]): readonly string[] {
	const hosts = stores.slice(0, signatureLimits.stores).flatMap((store) => {
		const read = readStore(store);
		return read.ok ? [read.url.host] : [];
	});
	return [...new Set(hosts)];
}
