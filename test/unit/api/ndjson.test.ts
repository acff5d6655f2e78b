import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines } from '../../../shared/api/ndjson.ts';

async function linesOf(chunks: readonly Uint8Array[], longest = 1000): Promise<string[]> {
	const source = async function* () {
		for (const chunk of chunks) yield await Promise.resolve(chunk);
	};
	const lines: string[] = [];
	for await (const line of readLines(source(), longest)) lines.push(line);
	return lines;
}

describe('lines of a stream', () => {
	it('are the same wherever the stream is cut, also inside a character', async () => {
		const line = fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => JSON.stringify(text));
		await fc.assert(
			fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 7 }), async (lines, size) => {
				const bytes = new TextEncoder().encode(lines.map((text) => `${text}\n`).join(''));
				const chunks: Uint8Array[] = [];
				for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
				expect(await linesOf(chunks)).toEqual(lines);
			}),
		);
	});

	it('may lack the last line feed', async () => {
		expect(await linesOf([new TextEncoder().encode('a\nb')])).toEqual(['a', 'b']);
	});

	it('are refused beyond the longest that is allowed, before they end', async () => {
		const chunk = new Uint8Array(600).fill(65);
		await expect(linesOf([chunk, chunk])).rejects.toMatchObject({ problem: { code: 'too-large' } });
	});

	it('are none where there is nothing', async () => {
		expect(await linesOf([])).toEqual([]);
	});
});
