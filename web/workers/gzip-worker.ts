/** Beside the page: compresses what it is sent, and sends it back. */
import { gzip } from '../../shared/archive/compress.ts';

self.addEventListener('message', ({ data }: MessageEvent<Uint8Array>) => {
	const packed = gzip(data);
	self.postMessage(packed, { transfer: [packed.buffer] });
});
