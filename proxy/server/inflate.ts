/** Inflating by zlib. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Inflate } from '../../shared/archive/gzip.ts';

export const inflate: Inflate = async function* (chunks) {
	const source = Readable.from(chunks);
	const stream = createGunzip();
	source.on('error', (error) => stream.destroy(error));
	try {
		yield* source.pipe(stream) as AsyncIterable<Uint8Array>;
	} finally {
		source.destroy();
	}
};
