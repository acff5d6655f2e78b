/** Inflating by the browser itself, which also has it where the page is not secure. */
import type { Inflate } from '../../shared/archive/gzip.ts';

function toStream(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
	const iterator = chunks[Symbol.asyncIterator]();
	return new ReadableStream({
		async pull(controller) {
			const next = await iterator.next();
			if (next.done) controller.close();
			else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
		},
		async cancel() {
			await iterator.return?.();
		},
	});
}

export const inflate: Inflate = async function* (chunks) {
	const reader = toStream(chunks).pipeThrough(new DecompressionStream('gzip')).getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			yield value;
		}
	} finally {
		await reader.cancel().catch(() => undefined);
	}
};
