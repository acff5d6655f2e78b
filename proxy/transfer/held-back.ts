/** Content that is held against its digest on its way out; the last chunk waits for the result (D19). */
import { createHash } from 'node:crypto';
import { algorithmOf } from '../../shared/oci/digest.ts';
import { formatReference, type DigestReference } from '../../shared/oci/reference.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';

interface Promised {
	readonly to: DigestReference;
	readonly sizeBytes: number;
}

function otherContent(to: DigestReference, code: ProblemCode, what: string): ProblemError {
	const reference = formatReference(to);
	const reason = `The content for ${reference} ${what}; nothing was written.`;
	return new ProblemError({ code, origin: 'content', reason, registry: to.registry, reference });
}

/** @throws ProblemError `malformed` for another size, `digest-mismatch`, both before the last chunk */
export async function* heldBack(
	chunks: AsyncIterable<Uint8Array>,
	{ to, sizeBytes }: Promised,
): AsyncGenerator<Uint8Array, void, undefined> {
	const algorithm = algorithmOf(to.digest);
	const hash = createHash(algorithm);
	let held: Uint8Array | undefined;
	let seen = 0;
	for await (const chunk of chunks) {
		if (chunk.length === 0) continue;
		seen += chunk.length;
		if (seen > sizeBytes) {
			throw otherContent(to, 'malformed', `has more than the ${sizeBytes} bytes that were stated`);
		}
		hash.update(chunk);
		if (held) yield held;
		held = chunk;
	}
	if (seen !== sizeBytes) {
		throw otherContent(to, 'malformed', `has ${seen} bytes instead of ${sizeBytes}`);
	}
	const actual = `${algorithm}:${hash.digest('hex')}`;
	if (actual !== to.digest) throw otherContent(to, 'digest-mismatch', `has the digest ${actual}`);
	if (held) yield held;
}
