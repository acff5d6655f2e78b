/** The names in a tar archive that streams by: nothing of its content is kept. */
import { joinBytes } from './join-bytes.ts';
import { blockBytes, malformedArchive, paddedBytes, TarHeaders } from './tar-header.ts';

/** Takes bytes off a stream, in the portions that are asked for. */
class ByteSource {
	readonly #chunks: AsyncIterator<Uint8Array>;
	#left: Uint8Array = new Uint8Array(0);

	constructor(chunks: AsyncIterator<Uint8Array>) {
		this.#chunks = chunks;
	}

	async #fill(): Promise<void> {
		while (this.#left.length === 0) {
			const next = await this.#chunks.next();
			if (next.done) malformedArchive('it ends early');
			this.#left = next.value;
		}
	}

	async take(length: number): Promise<Uint8Array> {
		const parts: Uint8Array[] = [];
		let missing = length;
		while (missing > 0) {
			await this.#fill();
			const part = this.#left.subarray(0, missing);
			this.#left = this.#left.subarray(part.length);
			missing -= part.length;
			parts.push(part);
		}
		return parts.length === 1 && parts[0] ? parts[0] : joinBytes(parts);
	}

	async skip(length: number): Promise<void> {
		let missing = length;
		while (missing > 0) {
			await this.#fill();
			const skipped = Math.min(missing, this.#left.length);
			this.#left = this.#left.subarray(skipped);
			missing -= skipped;
		}
	}
}

/**
 * The name of each entry, in order, up to the end mark. Whoever stops early ends the stream as well.
 * @throws ProblemError `malformed` where the archive is damaged or ends early
 */
export async function* tarNames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
	const iterator = chunks[Symbol.asyncIterator]();
	const source = new ByteSource(iterator);
	const headers = new TarHeaders();
	try {
		for (;;) {
			const header = headers.read(await source.take(blockBytes));
			if (header.kind === 'end') return;
			const padded = paddedBytes(header.sizeBytes);
			if (header.kind === 'metadata') {
				const content = await source.take(padded);
				headers.addMetadata(header.type, content.subarray(0, header.sizeBytes));
				continue;
			}
			yield header.name;
			await source.skip(padded);
		}
	} finally {
		await iterator.return?.();
	}
}
