/** Hashing in the browser: its own where the page is secure, a script where it is not. */
import { digestOf } from '../../shared/oci/digest.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';

const subtleNames = { sha256: 'SHA-256', sha512: 'SHA-512' } as const;

export const hashBytes: HashBytes = async (algorithm, bytes) => {
	// Absent on plain http outside loopback, whatever the type says.
	const { subtle } = crypto as Partial<Crypto>;
	if (subtle) {
		const hash = await subtle.digest(subtleNames[algorithm], bytes as Uint8Array<ArrayBuffer>);
		return digestOf(algorithm, new Uint8Array(hash));
	}
	const { sha256, sha512 } = await import('@noble/hashes/sha2.js');
	return digestOf(algorithm, { sha256, sha512 }[algorithm](bytes));
};
