/** The hashing port, by Node. */
import { createHash } from 'node:crypto';
import { isDigest } from '../../shared/oci/digest.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';

export const hashBytes: HashBytes = (algorithm, bytes) => {
	const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
	if (!isDigest(digest)) throw new RangeError(`no hash of ${algorithm}`);
	return digest;
};
