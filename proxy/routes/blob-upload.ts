/** `PUT /api/blob?reference=…&size=…`: a blob that the page has, streamed into a registry as it comes. */
import { Hono, type Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Uploaded } from '../../shared/api/write-schema.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { BlobUpload, RegistryWriter } from '../../shared/registry/registries.ts';
import { inTime } from '../server/in-time.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { failure, refusal } from './failure.ts';
import { clientLifetime } from './line-stream.ts';
import { readDigestReference, readSize } from './wire-reference.ts';

interface Refused {
	readonly status: ContentfulStatusCode;
	readonly reason: string;
}

function judgeHeaders({ headers }: Request, sizeBytes: number): Refused | undefined {
	if (headers.get('content-type') !== 'application/octet-stream') {
		const reason = 'The Content-Type must be application/octet-stream and nothing more.';
		return { status: 415, reason };
	}
	if (headers.has('content-encoding')) {
		return { status: 415, reason: 'The body must not be compressed.' };
	}
	const length = headers.get('content-length');
	if (length === null) return { status: 411, reason: 'The body has no Content-Length.' };
	if (Number(length) === sizeBytes) return undefined;
	const reason = `The body has ${length} bytes, and the blob is to have ${sizeBytes}.`;
	return { status: 400, reason };
}

/** How long a client that sends a blob may be silent: others wait for what it holds meanwhile. */
const usualStallMs = 60_000;

function silent(stallMs: number): ProblemError {
	const reason = `Nothing more of the blob has come for ${stallMs / 1000} s, so it was given up.`;
	return new ProblemError({ code: 'timeout', origin: 'browser', reason });
}

/** The body of a request: it can be read once, and has to be read to its end before the answer. */
class RequestBody {
	readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
	readonly #stallMs: number;
	#isTaken = false;
	#isSilent = false;

	constructor({ body }: Request, stallMs: number) {
		this.#reader = body?.getReader();
		this.#stallMs = stallMs;
	}

	async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
		for (;;) {
			const reading = this.#reader?.read();
			if (!reading) return;
			const part = await inTime(reading, this.#stallMs, () => this.#silence());
			if (part.done) return;
			yield part.value;
		}
	}

	#silence(): ProblemError {
		this.#isSilent = true;
		return silent(this.#stallMs);
	}

	/** True where its client was given up: there is nothing to wait for any more. */
	get isSilent(): boolean {
		return this.#isSilent;
	}

	/** @throws ProblemError the second time */
	take(): AsyncIterable<Uint8Array> {
		if (this.#isTaken) {
			throw new ProblemError({
				code: 'request-invalid',
				origin: 'proxy',
				reason: 'What the page sent has passed by, and cannot be sent a second time.',
			});
		}
		this.#isTaken = true;
		return this.#chunks();
	}

	/** A browser that still sends does not see an answer. */
	async drain(signal: AbortSignal): Promise<void> {
		if (this.#isSilent) return;
		for await (const _ of this.#chunks()) {
			if (signal.aborted) return;
		}
	}
}

async function upload(
	writer: RegistryWriter,
	blob: BlobUpload,
	signal: AbortSignal,
): Promise<Uploaded> {
	for await (const event of writer.putBlobs([blob], { signal })) {
		if (event.state === 'failed') throw new ProblemError(event.problem);
		if (event.state !== 'sending') return { state: event.state };
	}
	const reason = 'Espalier did not say what became of the blob.';
	throw new ProblemError({ code: 'internal', origin: 'proxy', reason });
}

interface Receiver {
	readonly writer: RegistryWriter;
	readonly stallMs: number;
}

async function receive(
	c: Context<NodeEnv>,
	{ writer, stallMs }: Receiver,
	blob: Omit<BlobUpload, 'content'>,
): Promise<Response> {
	const { signal, stop } = clientLifetime(c);
	const body = new RequestBody(c.req.raw, stallMs);
	try {
		return c.json(await upload(writer, { ...blob, content: () => body.take() }, signal));
	} catch (error) {
		if (!(error instanceof ProblemError)) throw error;
		if (body.isSilent) c.header('connection', 'close');
		return failure(c, error.problem);
	} finally {
		await body.drain(signal).catch(() => undefined);
		stop();
	}
}

export function blobUploadRoutes(callerOf: CallerOf, stallMs = usualStallMs) {
	return new Hono<NodeEnv>().put('/blob', async (c) => {
		const { writer } = callerOf(c);
		const reference = readDigestReference(c);
		if (!reference.ok) return failure(c, reference.problem);
		const size = readSize(c);
		if (!size.ok) return failure(c, size.problem);
		if (size.value === undefined) return refusal(c, 400, 'The query has no “size”.');
		const refused = judgeHeaders(c.req.raw, size.value);
		if (refused) return refusal(c, refused.status, refused.reason);
		return receive(c, { writer, stallMs }, { to: reference.value, sizeBytes: size.value });
	});
}
