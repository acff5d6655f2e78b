/** Unpacks gzip from strangers: bounded in size and ratio, and complete or refused. */
import { Gunzip } from 'fflate';
import { ProblemError, type ProblemCode } from '../registry/problem.ts';

export interface UnpackLimits {
	readonly mostBytes: number;
	/** unpacked bytes per compressed byte */
	readonly mostRatio: number;
}

// One call may inflate its input a thousandfold before the limits are looked at again.
const sliceBytes = 16 * 1024;
// Small streams may be very repetitive without being an attack.
const ratioAppliesFromBytes = 1024 * 1024;

function refuse(code: ProblemCode, reason: string, cause?: unknown): never {
	throw new ProblemError({ code, origin: 'content', reason }, { cause });
}

/**
 * The unpacked bytes of a whole gzip stream.
 * @throws ProblemError `too-large` beyond the limits, `truncated` or `malformed` where it is no complete gzip stream
 */
export async function gunzip(
	chunks: AsyncIterable<Uint8Array>,
	limits: UnpackLimits,
): Promise<Uint8Array> {
	const parts: Uint8Array[] = [];
	let seenBytes = 0;
	let madeBytes = 0;
	let memberBytes = 0;
	let tail: Uint8Array = new Uint8Array(0);
	const stream = new Gunzip((part) => {
		madeBytes += part.length;
		memberBytes += part.length;
		if (madeBytes > limits.mostBytes) {
			refuse('too-large', `It unpacks to more than ${limits.mostBytes} bytes.`);
		}
		if (madeBytes > ratioAppliesFromBytes && madeBytes > seenBytes * limits.mostRatio) {
			refuse('too-large', `It unpacks to more than ${limits.mostRatio} times its size.`);
		}
		parts.push(part);
	});
	stream.onmember = () => {
		memberBytes = 0;
	};
	try {
		for await (const chunk of chunks) {
			tail = lastBytes(tail, chunk);
			for (let at = 0; at < chunk.length; at += sliceBytes) {
				const slice = chunk.subarray(at, at + sliceBytes);
				seenBytes += slice.length;
				stream.push(slice, false);
			}
		}
		stream.push(new Uint8Array(0), true);
	} catch (error) {
		if (error instanceof ProblemError) throw error;
		const what = error instanceof Error ? error.message : String(error);
		if (/EOF/i.test(what)) refuse('truncated', `It ends in the middle (${what}).`, error);
		refuse('malformed', `It is not a gzip stream (${what}).`, error);
	}
	if (trailerSize(tail) !== memberBytes % 2 ** 32) refuse('truncated', 'It ends in the middle.');
	return join(parts, madeBytes);
}

const trailerBytes = 4;

function lastBytes(before: Uint8Array, chunk: Uint8Array): Uint8Array {
	return chunk.length >= trailerBytes
		? chunk.slice(-trailerBytes)
		: join([before, chunk], before.length + chunk.length).slice(-trailerBytes);
}

/** A gzip member ends with its unpacked size (RFC 1952 §2.3.1, ISIZE); fflate takes a cut stream for a whole one. */
function trailerSize(tail: Uint8Array): number | undefined {
	if (tail.length < trailerBytes) return undefined;
	return new DataView(tail.buffer, tail.byteOffset).getUint32(0, true);
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
	const all = new Uint8Array(length);
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}
