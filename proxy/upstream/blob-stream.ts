/**
 * A blob's bytes, hashed and counted on their way, asked for again from where they broke off; the last of them
 * only once they are what was promised (D19).
 */
import { createHash, type Hash } from 'node:crypto';
import { algorithmOf } from '../../shared/oci/digest.ts';
import { formatReference, type DigestReference } from '../../shared/oci/reference.ts';
import { blobRequest } from '../../shared/registry/distribution.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';
import type { BlobStream } from '../../shared/registry/registries.ts';
import { TooSlow, Truncated, type StreamedAnswer } from './exchange.ts';
import { transportProblem } from './failures.ts';
import type { Call, RegistryClient } from './registry-client.ts';
import { backoffMs } from './retry.ts';

/** A try that brought this much brought the blob further; so many that did not are made one after the other. */
const progressBytes = 1024 * 1024;
const triesWithoutProgress = 2;
const mostTries = 1_000;
/** Whoever sends less than that in a minute of waiting for him sends nothing. */
const leastBytes = 16 * 1024;
const patienceMs = 60_000;

/** The stated length, where it is one. */
export function statedSize(header: string | undefined): number | undefined {
	return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/** Where the bytes of a 206 begin, and of how many they are a part (RFC 9110 §14.4). */
function rangeOf(header = ''): { readonly from: number; readonly total: number | undefined } {
	const [, from, total] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/i.exec(header) ?? [];
	return { from: Number(from ?? -1), total: statedSize(total) };
}

/** What is read of a blob. */
export interface ExpectedBlob {
	readonly reference: DigestReference;
	/** as its descriptor states */
	readonly sizeBytes?: number | undefined;
}

export interface BlobDownloadOptions extends ExpectedBlob {
	readonly client: RegistryClient;
	readonly call: Call;
}

/** What is left of a blob when an answer has ended; `broken` is why it ended too early. */
type End = { readonly broken: unknown } | 'end';

export class BlobDownload {
	readonly #options: BlobDownloadOptions;
	readonly #hash: Hash;
	/** what the blob has in all, as far as it is known */
	#sizeBytes: number | undefined;
	#held: Buffer | undefined;
	#seen = 0;
	#tries = 0;
	#vainTries = 0;
	#triedAt = 0;

	constructor(options: BlobDownloadOptions) {
		this.#options = options;
		this.#sizeBytes = options.sizeBytes;
		this.#hash = createHash(algorithmOf(options.reference.digest));
	}

	/** @throws ProblemError of a refusal, or `malformed` where another size than the descriptor's is announced */
	async open(): Promise<BlobStream> {
		const answer = await this.#ask();
		return { sizeBytes: this.#sizeBytes, chunks: this.#chunks(answer) };
	}

	/**
	 * Leaving the loop early ends the transfer.
	 * @throws ProblemError `digest-mismatch`, `truncated`, `malformed`, or what the connection met
	 */
	async *#chunks(first: StreamedAnswer): AsyncGenerator<Uint8Array, void, undefined> {
		const { signal } = this.#options.call;
		let answer = first;
		for (;;) {
			const end = yield* this.#read(answer);
			if (end === 'end') break;
			if (signal?.aborted) throw end.broken;
			answer = await this.#resumed(end.broken);
		}
		this.#check();
		if (this.#held) yield this.#held;
	}

	/** The bytes of one answer that were not seen before. */
	async *#read({ body, status }: StreamedAnswer): AsyncGenerator<Buffer, End, undefined> {
		let known = status === 206 ? 0 : this.#seen;
		try {
			for await (const chunk of this.#watched(body)) {
				const fresh = chunk.subarray(Math.min(known, chunk.length));
				known -= chunk.length - fresh.length;
				if (fresh.length === 0) continue;
				const before = this.#take(fresh);
				if (before) yield before;
			}
		} catch (error) {
			if (error instanceof ProblemError) throw error;
			return this.#seen === this.#sizeBytes ? 'end' : { broken: error };
		} finally {
			body.destroy();
		}
		const isPart = status === 206 && this.#seen < (this.#sizeBytes ?? 0);
		return isPart || known > 0 ? { broken: new Error('less came than before') } : 'end';
	}

	/** @throws TooSlow where next to nothing comes; the time that the reader takes does not count */
	async *#watched(body: StreamedAnswer['body']): AsyncGenerator<Buffer, void, undefined> {
		const { clock } = this.#options.client.pace;
		const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
		let [waitedMs, bytes] = [0, 0];
		for (;;) {
			const asked = clock();
			const next = await chunks.next();
			if (next.done) return;
			waitedMs += clock() - asked;
			bytes += next.value.length;
			if (waitedMs > patienceMs) {
				if (bytes < leastBytes) throw new TooSlow();
				[waitedMs, bytes] = [0, 0];
			}
			yield next.value;
		}
	}

	/** @returns the chunk before, which need not be held back any longer */
	#take(chunk: Buffer): Buffer | undefined {
		const { sizeBytes } = this.#options;
		this.#hash.update(chunk);
		this.#seen += chunk.length;
		if (sizeBytes !== undefined && this.#seen > sizeBytes) {
			throw this.#otherSize(`more than ${sizeBytes}`, sizeBytes);
		}
		const before = this.#held;
		this.#held = chunk;
		return before;
	}

	/** The registry itself is asked anew: an address that it once sent us to may be good no more. */
	async #resumed(broken: unknown): Promise<StreamedAnswer> {
		const { client, call } = this.#options;
		const isFurther = this.#seen - this.#triedAt >= progressBytes;
		this.#vainTries = isFurther ? 0 : this.#vainTries + 1;
		this.#triedAt = this.#seen;
		this.#tries += 1;
		if (this.#vainTries > triesWithoutProgress || this.#tries > mostTries) {
			throw this.#brokenOff(broken);
		}
		await client.pause(backoffMs(Math.max(1, this.#vainTries), client.pace.random), call.signal);
		if (this.#seen === 0) return this.#ask();
		const part = await this.#ask(this.#seen);
		if (part.status === 200) return part;
		const { from, total } = rangeOf(part.headers['content-range']);
		const isWhole = total === undefined || total === (this.#sizeBytes ?? total);
		if (part.status === 206 && from === this.#seen && isWhole) return part;
		// It does not know ranges, and does not say so: what was seen already comes once more, and is left out.
		part.body.destroy();
		return this.#ask();
	}

	/** The answer to a request for the blob, or for what comes from a byte on. */
	async #ask(fromByte?: number): Promise<StreamedAnswer> {
		const { client, call, reference } = this.#options;
		const whole = blobRequest(reference);
		const range = fromByte === undefined ? {} : { range: `bytes=${fromByte}-` };
		const request = { ...whole, headers: { ...whole.headers, ...range } };
		const answer = await client.stream(request, call);
		const { status } = answer;
		if (fromByte !== undefined && (status === 206 || status === 416)) return answer;
		try {
			if (status === 200) return this.#promised(answer);
			const bytes = new Uint8Array();
			const errorCall = { ...call, capBytes: limits.errorBodyBytes };
			throw await client.refusal(request, errorCall, { ...answer, bytes });
		} catch (error) {
			answer.body.destroy();
			throw error;
		}
	}

	/** @throws ProblemError `malformed` where the registry announces another size than was promised before */
	#promised(answer: StreamedAnswer): StreamedAnswer {
		const stated = statedSize(answer.headers['content-length']);
		const promised = this.#sizeBytes;
		if (stated !== undefined && promised !== undefined && stated !== promised) {
			throw this.#otherSize(String(stated), promised);
		}
		this.#sizeBytes = promised ?? stated;
		return answer;
	}

	/** @throws ProblemError `truncated`, `malformed`, `digest-mismatch` */
	#check(): void {
		const { reference, sizeBytes } = this.#options;
		const { registry, digest } = reference;
		if (sizeBytes !== undefined && this.#seen !== sizeBytes) {
			throw this.#otherSize(String(this.#seen), sizeBytes);
		}
		if (this.#sizeBytes !== undefined && this.#seen !== this.#sizeBytes) {
			const reason = `${registry} announced ${this.#sizeBytes} bytes and sent ${this.#seen}.`;
			throw this.#damaged('truncated', reason);
		}
		const actual = `${algorithmOf(digest)}:${this.#hash.digest('hex')}`;
		if (actual === digest) return;
		const reason = `${registry} sent ${this.#seen} bytes whose digest is ${actual}, not ${digest}.`;
		throw this.#damaged('digest-mismatch', reason);
	}

	#brokenOff(cause: unknown): ProblemError {
		const { client, reference } = this.#options;
		const { registry } = reference;
		const broken = cause instanceof TooSlow ? cause : new Truncated(this.#seen, { cause });
		const problem = transportProblem(broken, client.endpoint(registry), registry);
		return new ProblemError({ ...problem, reference: formatReference(reference) }, { cause });
	}

	#otherSize(sent: string, sizeBytes: number): ProblemError {
		const { registry } = this.#options.reference;
		const whose =
			this.#options.sizeBytes === undefined ? 'as it said before' : 'according to its descriptor';
		const reason = `${registry} sends ${sent} bytes for a blob that has ${sizeBytes} ${whose}.`;
		return this.#damaged('malformed', reason);
	}

	#damaged(code: ProblemCode, reason: string): ProblemError {
		const { reference } = this.#options;
		const { registry } = reference;
		const place = { registry, reference: formatReference(reference) };
		return new ProblemError({ code, origin: 'content', reason, ...place });
	}
}
