/** The body of a request as it arrives, given up where its client falls silent. */
import { inTime } from '../server/in-time.ts';
import type { Exchange } from './exchange.ts';
import { StoreError } from './store-error.ts';

/**
 * To be called before anything is awaited: of a request that has broken off by then, Node's adapter gives an
 * empty body. Only waiting for the client counts as its silence, not what is done with a chunk meanwhile.
 * @throws StoreError while iterating: `uploadStalled`, `uploadCutShort`
 */
export function arrivingBody({
	request,
	stallMs,
}: Pick<Exchange, 'request' | 'stallMs'>): AsyncIterable<Uint8Array> {
	const announced = request.headers.get('content-length');
	const announcedBytes = announced === null ? 0 : Number(announced);
	return chunksOf(request.body?.getReader(), { stallMs, announcedBytes });
}

interface Arrival {
	readonly stallMs: number;
	readonly announcedBytes: number;
}

async function* chunksOf(
	reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
	{ stallMs, announcedBytes }: Arrival,
): AsyncGenerator<Uint8Array> {
	if (!reader) return;
	let seenBytes = 0;
	try {
		for (;;) {
			const part = await inTime(reader.read(), stallMs, () => stalled(stallMs));
			if (part.done) break;
			seenBytes += part.value.length;
			yield part.value;
		}
	} catch (cause) {
		throw cause instanceof StoreError ? cause : brokenOff(cause);
	} finally {
		// Cancelling would end the connection before the answer; the server ends it after that.
		reader.releaseLock();
	}
	if (seenBytes < announcedBytes) throw brokenOff();
}

function brokenOff(cause?: unknown): StoreError {
	const reason = 'The connection broke off before all of the body had arrived.';
	return new StoreError('uploadCutShort', reason, { cause });
}

function stalled(stallMs: number): StoreError {
	const reason = `The client has sent nothing for ${stallMs / 1000} s, so its request was given up.`;
	return new StoreError('uploadStalled', reason, { headers: { Connection: 'close' } });
}
