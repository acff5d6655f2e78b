/** Inflating by zlib. */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Inflate } from '../../shared/archive/gzip.ts';

// Each chunk is a trip to another thread: with zlib's default of 16 KiB a payload takes four times as long.
const chunkSize = 512 * 1024;

export const inflate: Inflate = async function* (chunks) {
	const source = Readable.from(chunks);
	const stream = createGunzip({ chunkSize });
	source.on('error', (error) => stream.destroy(error));
	try {
		yield* source.pipe(stream) as AsyncIterable<Uint8Array>;
	} finally {
		source.destroy();
	}
};
