/** Newline-delimited JSON, the form of everything that is streamed. */
import { ProblemError } from '../registry/problem.ts';

/** Splits a byte stream into lines. The longest line allowed is in characters. */
export async function* readLines(
	chunks: AsyncIterable<Uint8Array>,
	longest: number,
): AsyncGenerator<string> {
	const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
	let pending: string[] = [];
	let pendingLength = 0;
	for await (const chunk of chunks) {
		const parts = decoder.decode(chunk, { stream: true }).split('\n');
		const last = parts.pop() ?? '';
		for (const part of parts) {
			yield pending.join('') + part;
			pending = [];
			pendingLength = 0;
		}
		pending.push(last);
		pendingLength += last.length;
		if (pendingLength > longest) {
			throw new ProblemError({
				code: 'too-large',
				origin: 'proxy',
				reason: `A line of the answer is longer than ${longest} characters.`,
			});
		}
	}
	if (pendingLength > 0) yield pending.join('');
}
