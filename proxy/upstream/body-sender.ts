/** Long request bodies: sent as they come, counted, watched for a registry that stops taking, closed whatever happens. */
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { abortReason, joined, TooSlow, type Answer, type Outgoing } from './exchange.ts';

export interface UploadPatience {
	/** until the next part is taken */
	readonly stallMs: number;
	/** until the answer begins, once all of it is taken */
	readonly answerMs: number;
}

export interface BodySource {
	readonly sizeBytes: number;
	readonly chunks: AsyncIterable<Uint8Array>;
	readonly onBytes: (bytes: number) => void;
}

/** How much of a body's beginning is kept, for registries that want it another way. */
const mostKeptBytes = 256 * 1024;
/** Registries on object storage copy a blob once more before they answer. */
const answerBytesPerMs = 64 * 1024;

const wrongSize = (sizeBytes: number, what: string): ProblemError =>
	new ProblemError({
		code: 'malformed',
		origin: 'content',
		reason: `A blob of ${sizeBytes} bytes ${what}.`,
	});

/** A body that is read once, though its beginning may go out twice. */
export class OutgoingBody {
	readonly sizeBytes: number;
	readonly #source: AsyncIterator<Uint8Array>;
	readonly #onBytes: (bytes: number) => void;
	#kept: Uint8Array[] | undefined = [];
	/** read, and not yet taken */
	#untaken: Uint8Array[] = [];
	#readBytes = 0;
	#reportedBytes = 0;
	#handedBytes = 0;
	#failure: Error | undefined;
	#closed = false;

	constructor({ sizeBytes, chunks, onBytes }: BodySource) {
		this.sizeBytes = sizeBytes;
		this.#source = chunks[Symbol.asyncIterator]();
		this.#onBytes = onBytes;
	}

	/** What its source met. */
	get failure(): Error | undefined {
		return this.#failure;
	}

	get isHandedOver(): boolean {
		return this.#handedBytes === this.sizeBytes;
	}

	/** How much of it has gone out. */
	get handedBytes(): number {
		return this.#handedBytes;
	}

	/** True while it can be sent once more from its beginning. */
	get isRepeatable(): boolean {
		return this.#kept !== undefined && this.#failure === undefined && !this.#closed;
	}

	/** Its chunks from the beginning. The next is asked for once the one before was taken. */
	async *send(watch: Watch): AsyncGenerator<Uint8Array, void, undefined> {
		this.#handedBytes = 0;
		for (const chunk of this.#kept ?? []) yield* this.#hand(chunk, watch);
		for (;;) {
			const chunk = await this.#read();
			if (chunk === undefined) return;
			yield* this.#hand(chunk, watch);
		}
	}

	/** The next bytes, so many of them, to be sent by somebody else; nothing of it can be repeated here then. */
	async take(bytes: number): Promise<Uint8Array> {
		const part = new Uint8Array(bytes);
		if (this.#kept) this.#untaken = this.#kept;
		this.#kept = undefined;
		for (let at = 0; at < bytes;) {
			const chunk = this.#untaken.shift() ?? (await this.#read());
			if (chunk === undefined) return part.subarray(0, at);
			const used = chunk.subarray(0, bytes - at);
			part.set(used, at);
			at += used.length;
			if (used.length < chunk.length) this.#untaken.unshift(chunk.subarray(used.length));
		}
		return part;
	}

	/** Makes sure that nothing comes after what was taken. @throws ProblemError `malformed` */
	async end(): Promise<void> {
		while ((await this.#read()) !== undefined);
		this.#handedBytes = this.sizeBytes;
	}

	/** So much of what was taken has gone out; what goes out again is not counted again. */
	passed(bytes: number): void {
		this.#handedBytes = Math.max(this.#handedBytes, Math.min(bytes, this.sizeBytes - 1));
		this.#report(bytes);
	}

	/** Ends the source, also where it has not come to its end. Does not wait for it: it may be stuck. */
	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#kept = undefined;
		this.#untaken = [];
		Promise.resolve(this.#source.return?.()).catch(() => undefined);
	}

	*#hand(chunk: Uint8Array, watch: Watch): Generator<Uint8Array, void, undefined> {
		this.#handedBytes += chunk.length;
		watch.handed(this);
		yield chunk;
		if (this.isHandedOver) watch.allTaken(this);
		else watch.rest();
		this.#report(this.#handedBytes);
	}

	#report(bytes: number): void {
		const newBytes = bytes - this.#reportedBytes;
		if (newBytes <= 0) return;
		this.#reportedBytes = bytes;
		this.#onBytes(newBytes);
	}

	async #read(): Promise<Uint8Array | undefined> {
		try {
			const next = this.#closed ? { done: true as const } : await this.#source.next();
			const length = next.done ? 0 : next.value.length;
			this.#readBytes += length;
			if (this.#readBytes > this.sizeBytes) throw wrongSize(this.sizeBytes, 'turned out longer');
			if (!next.done) return this.#keep(next.value);
			if (this.#readBytes < this.sizeBytes) throw wrongSize(this.sizeBytes, 'turned out shorter');
			return undefined;
		} catch (error) {
			const failure = error instanceof Error ? error : new Error(String(error));
			if (!this.#closed) this.#failure = failure;
			throw failure;
		}
	}

	#keep(chunk: Uint8Array): Uint8Array {
		if (this.#readBytes <= mostKeptBytes) this.#kept?.push(chunk);
		else this.#kept = undefined;
		return chunk;
	}
}

/** Calls out where the registry takes too long. While the source is awaited, the registry is not to blame. */
class Watch {
	readonly #patience: UploadPatience;
	readonly #expired: () => void;
	#timer: NodeJS.Timeout | undefined;

	constructor(patience: UploadPatience, expired: () => void) {
		this.#patience = patience;
		this.#expired = expired;
	}

	handed(body: OutgoingBody): void {
		if (body.isHandedOver) this.allTaken(body);
		else this.#expect(this.#patience.stallMs);
	}

	allTaken({ sizeBytes }: OutgoingBody): void {
		this.#expect(this.#patience.answerMs + sizeBytes / answerBytesPerMs);
	}

	rest(): void {
		clearTimeout(this.#timer);
	}

	#expect(ms: number): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(this.#expired, ms);
	}
}

/** The beginning of an answer, which is enough to explain it; what came, where it breaks off. */
async function beginningOf(body: Dispatcher.ResponseData['body']): Promise<Uint8Array> {
	const chunks: Buffer[] = [];
	let sizeBytes = 0;
	try {
		for await (const chunk of body as AsyncIterable<Buffer>) {
			chunks.push(chunk);
			sizeBytes += chunk.length;
			if (sizeBytes >= limits.errorBodyBytes) break;
		}
	} catch {
		// A registry that refuses early may end the connection while it still explains itself.
	}
	return Buffer.concat(chunks).subarray(0, limits.errorBodyBytes);
}

/** Nothing is read ahead, so that what was asked for means what was taken. */
const oneChunk = { highWaterMark: 1 };

/** An empty body, once its source has come to its end without failing. */
async function nothing(body: OutgoingBody, watch: Watch): Promise<null> {
	for await (const _ of body.send(watch));
	watch.allTaken(body);
	return null;
}

/**
 * Sends a body and reads the answer, which may come before the body's end; then no more of it is sent.
 * Its length is announced exactly, so one that breaks off is never complete at the other end.
 * @throws what the body's source met, TooSlow, or what the connection met
 */
export async function sendBody(
	dispatcher: Dispatcher,
	{ method, path, headers, signal }: Outgoing,
	body: OutgoingBody,
	patience: UploadPatience,
): Promise<Answer> {
	const ending = new AbortController();
	const end = (): void => ending.abort(abortReason(signal));
	const watch = new Watch(patience, () => ending.abort(new TooSlow()));
	if (signal?.aborted) end();
	signal?.addEventListener('abort', end, { once: true });
	try {
		const answer = await dispatcher.request({
			method,
			path,
			headers: { ...headers, 'content-length': String(body.sizeBytes) },
			body:
				body.sizeBytes === 0
					? await nothing(body, watch)
					: Readable.from(body.send(watch), oneChunk),
			// It would count from the request's beginning, and end uploads that take long; the watch does not.
			headersTimeout: 0,
			signal: ending.signal,
		});
		const bytes = await beginningOf(answer.body);
		return { status: answer.statusCode, headers: joined(answer.headers), bytes };
	} catch (error) {
		throw body.failure ?? (ending.signal.aborted ? ending.signal.reason : error);
	} finally {
		watch.rest();
		signal?.removeEventListener('abort', end);
		// Whatever is still being sent is not wanted any more.
		ending.abort(new TooSlow());
	}
}
