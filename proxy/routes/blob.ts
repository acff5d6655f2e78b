/** `GET /api/blob?reference=…&size=…`: the bytes of one blob, as a download and nothing else. */
import { Hono, type Context } from 'hono';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { BlobRequest, BlobStream, RegistryReader } from '../../shared/registry/registries.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { failure } from './failure.ts';
import { breakOff, clientLifetime } from './line-stream.ts';
import { readDigestReference, readNamedBy, readSize } from './wire-reference.ts';

/** D9, D15: bytes of strangers are never a document of this origin, and no header of theirs comes along. */
const inert = {
	'content-type': 'application/octet-stream',
	'content-disposition': 'attachment; filename="blob"',
	'content-security-policy': "default-src 'none'; sandbox",
};

/**
 * Gives each chunk only when the next one is there. With a Content-Length the last byte completes the
 * answer, so the last chunk has to wait until the reader has held the digest against all of them.
 */
class HeldBackChunks {
	readonly #chunks: AsyncIterator<Uint8Array>;
	readonly #sizeBytes: number | undefined;
	#held: Uint8Array | undefined;
	#seenBytes = 0;

	constructor({ chunks, sizeBytes }: BlobStream) {
		this.#chunks = chunks[Symbol.asyncIterator]();
		this.#sizeBytes = sizeBytes;
	}

	/** Reads the first chunk, so that what is wrong from the start is found before an answer begins. */
	async open(): Promise<void> {
		this.#held = await this.#read();
	}

	async next(): Promise<Uint8Array | undefined> {
		const chunk = this.#held;
		if (chunk) this.#held = await this.#read();
		return chunk;
	}

	async #read(): Promise<Uint8Array | undefined> {
		let result = await this.#chunks.next();
		while (!result.done && result.value.length === 0) result = await this.#chunks.next();
		this.#seenBytes += result.done ? 0 : result.value.length;
		const promised = this.#sizeBytes ?? this.#seenBytes;
		if (this.#seenBytes > promised || (result.done && this.#seenBytes < promised)) {
			throw new ProblemError({
				code: 'truncated',
				origin: 'content',
				reason: `The blob was announced with ${promised} bytes and has another size.`,
			});
		}
		return result.done ? undefined : result.value;
	}

	abandon(): void {
		this.#chunks.return?.().catch(() => undefined);
	}
}

function toBody(c: Context<NodeEnv>, chunks: HeldBackChunks, stop: () => void) {
	return new ReadableStream<Uint8Array>(
		{
			async pull(controller) {
				try {
					const chunk = await chunks.next();
					if (chunk) controller.enqueue(chunk);
					else controller.close();
				} catch (error) {
					stop();
					chunks.abandon();
					breakOff(c, controller, error);
				}
			},
			cancel() {
				stop();
				chunks.abandon();
			},
		},
		{ highWaterMark: 0 },
	);
}

async function sendBlob(
	c: Context<NodeEnv>,
	reader: RegistryReader,
	request: BlobRequest,
): Promise<Response> {
	const { signal, stop } = clientLifetime(c);
	try {
		const blob = await reader.readBlob(request, { signal });
		const chunks = new HeldBackChunks(blob);
		await chunks.open();
		const length = blob.sizeBytes === undefined ? {} : { 'content-length': String(blob.sizeBytes) };
		return c.body(toBody(c, chunks, stop), 200, { ...inert, ...length });
	} catch (error) {
		stop();
		throw error;
	}
}

export function blobRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().get('/blob', async (c) => {
		const { reader } = callerOf(c);
		const reference = readDigestReference(c);
		if (!reference.ok) return failure(c, reference.problem);
		const namedBy = readNamedBy(c);
		if (!namedBy.ok) return failure(c, namedBy.problem);
		const size = readSize(c);
		if (!size.ok) return failure(c, size.problem);
		return sendBlob(c, reader, {
			reference: reference.value,
			namedBy: namedBy.value,
			sizeBytes: size.value,
		});
	});
}
