/** Makes gzip, in the same bytes everywhere. A module of its own, so that its library is loaded only where it is needed. */
import { gzipSync } from 'fflate';

/**
 * The same stream on every machine and in every browser: their own compressors differ from each other
 * and from version to version, this one is pinned. Its clock is kept out of the header.
 */
export function gzip(bytes: Uint8Array): Uint8Array {
	return gzipSync(bytes, { level: 6, mtime: 0 });
}
