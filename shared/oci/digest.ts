/** Content digests: `algorithm:encoded` (OCI image-spec, descriptor.md "Digests"; D18). */
import * as z from 'zod';

export type Algorithm = 'sha256' | 'sha512';

declare const digestBrand: unique symbol;

/** A digest that Espalier can verify: `sha256:` and 64, or `sha512:` and 128 lower-case hex digits. */
export type Digest = string & { readonly [digestBrand]: true };

const hexLength: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128 };
const verifiable = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;
const wellFormed = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** True for a digest whose algorithm and length are known, so that bytes can be held against it. */
export function isDigest(text: string): text is Digest {
	return verifiable.test(text);
}

/** True for anything the image-spec grammar allows, also with algorithms that cannot be verified here. */
export function isDigestSyntax(text: string): boolean {
	return wellFormed.test(text);
}

export function algorithmOf(digest: Digest): Algorithm {
	return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

/** The part after the colon. */
export function encodedOf(digest: Digest): string {
	return digest.slice(digest.indexOf(':') + 1);
}

/** Prints a hash as a digest; throws where the hash has not the length of its algorithm. */
export function digestOf(algorithm: Algorithm, hash: Uint8Array): Digest {
	const text = `${algorithm}:${Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
	if (!isDigest(text)) {
		throw new RangeError(`a ${algorithm} hash has ${hexLength[algorithm]} hex digits`);
	}
	return text;
}

/** Short form for people: the algorithm and the first twelve digits. Never to be parsed again. */
export function abbreviate(digest: string): string {
	const colon = digest.indexOf(':');
	return digest.slice(0, colon + 13);
}

export const digestSchema = z.custom<Digest>(
	(value) => typeof value === 'string' && isDigest(value),
	'not a sha256 or sha512 digest',
);
