/** Gzip: unpacks that of strangers, bounded in size and ratio, complete or refused; and how ours is made. */
import { ProblemError, type ProblemCode } from '../registry/problem.ts';
import { joinBytes } from './join-bytes.ts';

/**
 * Inflating, as a port: zlib in the proxy, DecompressionStream in the page.
 * It throws where its input is no complete gzip stream, and makes small chunks, so that limits are met early.
 */
export type Inflate = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** Compressing, as a port: `gzip` of compress.ts, in a worker where there is a page to be kept alive. */
export type Gzip = (bytes: Uint8Array) => Promise<Uint8Array>;

export interface UnpackLimits {
	readonly mostBytes: number;
	/** unpacked bytes per compressed byte */
	readonly mostRatio: number;
}

// Small streams may be very repetitive without being an attack.
const ratioAppliesFromBytes = 1024 * 1024;

function refuse(code: ProblemCode, reason: string, cause?: unknown): never {
	throw new ProblemError({ code, origin: 'content', reason }, { cause });
}

/**
 * The unpacked bytes of a whole gzip stream, as they come. What was yielded counts only once it has ended.
 * @throws ProblemError `too-large` beyond the limits, `malformed` where it is no complete gzip stream,
 * and whatever `chunks` throws
 */
export async function* gunzipStream(
	chunks: AsyncIterable<Uint8Array>,
	inflate: Inflate,
	limits: UnpackLimits,
): AsyncGenerator<Uint8Array> {
	let seenBytes = 0;
	let madeBytes = 0;
	let sourceError: Error | undefined;
	const counted = async function* () {
		try {
			for await (const chunk of chunks) {
				seenBytes += chunk.length;
				yield chunk;
			}
		} catch (error) {
			sourceError = error instanceof Error ? error : new Error(String(error));
			throw sourceError;
		}
	};
	try {
		for await (const part of inflate(counted())) {
			madeBytes += part.length;
			if (madeBytes > limits.mostBytes) {
				refuse('too-large', `It unpacks to more than ${limits.mostBytes} bytes.`);
			}
			if (madeBytes > ratioAppliesFromBytes && madeBytes > seenBytes * limits.mostRatio) {
				refuse('too-large', `It unpacks to more than ${limits.mostRatio} times its size.`);
			}
			yield part;
		}
	} catch (error) {
		if (sourceError) throw sourceError;
		if (error instanceof ProblemError) throw error;
		const what = error instanceof Error ? error.message : String(error);
		refuse('malformed', `It is not a complete gzip stream (${what}).`, error);
	}
}

/**
 * The unpacked bytes of a whole gzip stream.
 * @throws ProblemError as `gunzipStream`
 */
export async function gunzip(
	chunks: AsyncIterable<Uint8Array>,
	inflate: Inflate,
	limits: UnpackLimits,
): Promise<Uint8Array> {
	const parts: Uint8Array[] = [];
	for await (const part of gunzipStream(chunks, inflate, limits)) parts.push(part);
	return joinBytes(parts);
}
