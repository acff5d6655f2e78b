/** Hashing, as a port: node:crypto in the proxy, crypto.subtle or a script in the page. */
import type { Algorithm, Digest } from '../oci/digest.ts';

export type HashBytes = (algorithm: Algorithm, bytes: Uint8Array) => Digest | Promise<Digest>;
