/** One request and its answer, collected in memory or streamed. No redirects, no retries, no credentials of its own. */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { limits } from '../../shared/registry/limits.ts';
import type { Secret } from './credentials/secret.ts';

/** Lower-case names; a header sent more than once is joined with `, `. */
export type Headers = Readonly<Record<string, string | undefined>>;

export interface AnswerHead {
	readonly status: number;
	readonly headers: Headers;
	/** the Authorization that was sent, lest the answer be quoted with it */
	readonly authorization?: Secret;
}

export interface Answer extends AnswerHead {
	readonly bytes: Uint8Array;
}

export interface StreamedAnswer extends AnswerHead {
	readonly body: Dispatcher.ResponseData['body'];
}

export interface Outgoing {
	readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** path and query */
	readonly path: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body?: string | Uint8Array | undefined;
	readonly signal?: AbortSignal | undefined;
	/** how long the whole answer may take, or the beginning of one that is streamed */
	readonly withinMs?: number;
}

/** More came than is read of such a thing. */
export class TooLarge extends Error {
	readonly capBytes: number;

	constructor(capBytes: number) {
		super(`more than ${capBytes} bytes`);
		this.name = 'TooLarge';
		this.capBytes = capBytes;
	}
}

/** The connection ended within an answer. */
export class Truncated extends Error {
	readonly receivedBytes: number;

	constructor(receivedBytes: number, options?: ErrorOptions) {
		super(`the answer ended after ${receivedBytes} bytes`, options);
		this.name = 'Truncated';
		this.receivedBytes = receivedBytes;
	}
}

/** The deadline passed before the answer was there. */
export class TooSlow extends Error {
	readonly code = 'ETIMEDOUT';

	constructor() {
		super('the answer took too long');
		this.name = 'TooSlow';
	}
}

/** The answer is packed in a way that was not asked for and is not known. */
export class UnknownEncoding extends Error {
	constructor() {
		super('unknown content encoding');
		this.name = 'UnknownEncoding';
	}
}

export function abortReason(signal: AbortSignal | undefined): Error {
	const reason: unknown = signal?.reason;
	return reason instanceof Error ? reason : new DOMException('aborted', 'AbortError');
}

type RawHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Headers by lower-case name, each once. */
export function joined(raw: RawHeaders): Headers {
	const headers: Record<string, string | undefined> = {};
	for (const name in raw) {
		const value = raw[name];
		headers[name] = typeof value === 'object' ? value.join(', ') : value;
	}
	return headers;
}

function concatenate(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
	const bytes = new Uint8Array(sizeBytes);
	let at = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, at);
		at += chunk.length;
	}
	return bytes;
}

type Decode = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

const decoders: ReadonlyMap<string, Decode> = new Map([
	['gzip', gunzipSync],
	['x-gzip', gunzipSync],
	['deflate', inflateSync],
	['br', brotliDecompressSync],
]);

/** Some proxies compress although `identity` was asked for. One layer is undone, within the cap (D14). */
function decoded(bytes: Uint8Array, encoding: string | undefined, capBytes: number): Uint8Array {
	if (encoding === undefined || encoding === '' || encoding === 'identity') return bytes;
	const decode = decoders.get(encoding.toLowerCase());
	if (!decode) throw new UnknownEncoding();
	try {
		return new Uint8Array(decode(bytes, { maxOutputLength: capBytes }));
	} catch (error) {
		if (error instanceof RangeError) throw new TooLarge(capBytes);
		throw new Truncated(bytes.length, { cause: error });
	}
}

/** Holds at most `capBytes`; of an error or a redirect only the beginning, which is enough to explain it. */
class Collector implements Dispatcher.DispatchHandler {
	readonly #resolve: (answer: Answer) => void;
	readonly #reject: (error: Error) => void;
	readonly #capBytes: number;
	readonly #signal: AbortSignal | undefined;
	readonly #isHead: boolean;
	readonly #deadline: NodeJS.Timeout;
	readonly #chunks: Uint8Array[] = [];
	#controller: Dispatcher.DispatchController | undefined;
	#received = 0;
	#status = 0;
	#headers: Headers = {};
	#cut = false;
	#late: TooSlow | undefined;

	constructor(
		outgoing: Outgoing,
		capBytes: number,
		resolve: (answer: Answer) => void,
		reject: (error: Error) => void,
	) {
		this.#resolve = resolve;
		this.#reject = reject;
		this.#capBytes = capBytes;
		this.#signal = outgoing.signal;
		this.#isHead = outgoing.method === 'HEAD';
		this.#deadline = setTimeout(this.#expire, outgoing.withinMs ?? limits.answerMs);
	}

	onRequestStart(controller: Dispatcher.DispatchController): void {
		this.#controller = controller;
		if (this.#late) {
			controller.abort(this.#late);
			return;
		}
		if (this.#signal?.aborted) {
			controller.abort(abortReason(this.#signal));
			return;
		}
		this.#signal?.addEventListener('abort', this.#abort);
	}

	onResponseStart(
		controller: Dispatcher.DispatchController,
		status: number,
		headers: RawHeaders,
	): void {
		this.#status = status;
		this.#headers = joined(headers);
		const stated = Number(this.#headers['content-length'] ?? 0);
		if (status < 300 && !this.#isHead && stated > this.#capBytes) {
			controller.abort(new TooLarge(this.#capBytes));
		}
	}

	onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
		this.#received += chunk.length;
		const cap = this.#status < 300 ? this.#capBytes : limits.errorBodyBytes;
		if (this.#received <= cap) {
			this.#chunks.push(chunk);
		} else if (this.#status < 300) {
			controller.abort(new TooLarge(cap));
		} else {
			this.#cut = true;
			controller.abort(new TooLarge(cap));
		}
	}

	onResponseEnd(): void {
		this.#finish();
	}

	onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
		if (this.#cut) {
			this.#finish();
			return;
		}
		this.#settle();
		const ownDoing =
			error instanceof TooLarge || error instanceof TooSlow || this.#signal?.aborted === true;
		const began = this.#status !== 0 && !ownDoing;
		this.#reject(began ? new Truncated(this.#received, { cause: error }) : error);
	}

	readonly #abort = (): void => {
		this.#controller?.abort(abortReason(this.#signal));
	};

	/** Also where the request still waits for a connection. */
	readonly #expire = (): void => {
		this.#late = new TooSlow();
		this.#controller?.abort(this.#late);
		this.#reject(this.#late);
	};

	#settle(): void {
		clearTimeout(this.#deadline);
		this.#signal?.removeEventListener('abort', this.#abort);
	}

	#finish(): void {
		this.#settle();
		const bytes = concatenate(
			this.#chunks,
			this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0),
		);
		try {
			this.#resolve({
				status: this.#status,
				headers: this.#headers,
				bytes: this.#isHead
					? bytes
					: decoded(bytes, this.#headers['content-encoding'], this.#capBytes),
			});
		} catch (error) {
			this.#reject(error instanceof Error ? error : new Error(String(error)));
		}
	}
}

/**
 * Sends a request and collects its answer. `reset: false` keeps the connection after a HEAD, which undici would
 * close lest a server send a body after all (undici#258): with TLS that costs three round trips for every look.
 * @throws TooLarge, TooSlow, Truncated, UnknownEncoding, or what the connection met
 */
export function collect(
	dispatcher: Dispatcher,
	outgoing: Outgoing,
	capBytes: number,
): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const { method, path, headers, body } = outgoing;
		dispatcher.dispatch(
			{ method, path, headers, reset: false, ...(body !== undefined && { body }) },
			new Collector(outgoing, capBytes, resolve, reject),
		);
	});
}

/** Sends a request and hands its answer on as it comes. The body must be read or destroyed. */
export async function stream(
	dispatcher: Dispatcher,
	{ method, path, headers, signal, withinMs = limits.answerMs }: Outgoing,
): Promise<StreamedAnswer> {
	const late = new AbortController();
	const deadline = setTimeout(() => late.abort(new TooSlow()), withinMs);
	const ending = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
	const answer = await dispatcher
		.request({ method, path, headers, reset: false, signal: ending })
		.finally(() => clearTimeout(deadline));
	// Whoever reads the body meets its errors there; a body that is destroyed unread has nobody to tell.
	answer.body.on('error', () => undefined);
	return { status: answer.statusCode, headers: joined(answer.headers), body: answer.body };
}
