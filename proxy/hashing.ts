/** Hashing with node:crypto. */
import { createHash } from 'node:crypto';
import { digestOf, type Algorithm, type Digest } from '../shared/oci/digest.ts';

export function hashBytes(algorithm: Algorithm, bytes: Uint8Array): Digest {
	return digestOf(algorithm, createHash(algorithm).update(bytes).digest());
}
