/** Answers that are written while they come into being. */
import type { Context } from 'hono';
import { outgoingOf, type NodeEnv } from '../server/node-request.ts';

const batchCharacters = 64 * 1024;
const encoder = new TextEncoder();

/**
 * Ends an answer in the middle, so that the client sees that it is not whole. Under Node the connection
 * goes: an error that reached the adapter would be printed, and its text sent.
 */
export function breakOff(
	c: Context<NodeEnv>,
	controller: ReadableStreamDefaultController<Uint8Array>,
	error: unknown,
): void {
	const outgoing = outgoingOf(c);
	if (outgoing) outgoing.destroy();
	else controller.error(error);
}

/** Aborts when the client goes away, and when `stop` is called. */
export function clientLifetime(c: Context<NodeEnv>): { signal: AbortSignal; stop: () => void } {
	const lifetime = new AbortController();
	const stop = () => {
		lifetime.abort();
	};
	const client = c.req.raw.signal;
	if (client.aborted) stop();
	else client.addEventListener('abort', stop, { once: true });
	return { signal: lifetime.signal, stop };
}

/** The lines that are there by the end of this turn of the event loop, as one piece. */
class LineBatches {
	readonly #values: AsyncIterator<unknown>;
	#next: Promise<IteratorResult<unknown>> | undefined;

	constructor(values: AsyncIterable<unknown>) {
		this.#values = values[Symbol.asyncIterator]();
	}

	#peek(): Promise<IteratorResult<unknown>> {
		this.#next ??= this.#values.next();
		return this.#next;
	}

	/** Waits for a line, then takes along what follows at once. An empty text is the end. */
	async take(): Promise<string> {
		let text = '';
		let result: IteratorResult<unknown> | undefined = await this.#peek();
		const endOfTurn = new Promise<undefined>((resolve) => {
			setImmediate(() => {
				resolve(undefined);
			});
		});
		while (result && !result.done) {
			this.#next = undefined;
			text += `${JSON.stringify(result.value)}\n`;
			if (text.length >= batchCharacters) break;
			result = await Promise.race([this.#peek(), endOfTurn]);
		}
		return text;
	}

	/** Lets the source clean up; it may be in the middle of something that it cannot leave. */
	abandon(): void {
		this.#next?.catch(() => undefined);
		this.#values.return?.().catch(() => undefined);
	}
}

/**
 * NDJSON: a line for each value, as it arrives. The client's pace is the source's pace, and when the client
 * goes the signal aborts.
 */
export function streamLines(
	c: Context<NodeEnv>,
	produce: (signal: AbortSignal) => AsyncIterable<unknown>,
): Response {
	const { signal, stop } = clientLifetime(c);
	const batches = new LineBatches(produce(signal));
	const body = new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				try {
					const text = await batches.take();
					if (text === '') controller.close();
					else controller.enqueue(encoder.encode(text));
				} catch (error) {
					breakOff(c, controller, error);
				}
			},
			cancel() {
				stop();
				batches.abandon();
			},
		},
		{ highWaterMark: 0 },
	);
	return c.body(body, 200, { 'content-type': 'application/x-ndjson' });
}
