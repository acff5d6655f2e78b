/** A blob's bytes, hashed and counted on their way; the last of them only once they are what was promised (D19). */
import { createHash } from 'node:crypto';
import { algorithmOf } from '../../shared/oci/digest.ts';
import { formatReference, type DigestReference } from '../../shared/oci/reference.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';
import type { Endpoint } from './endpoint.ts';
import { Truncated, type StreamedAnswer } from './exchange.ts';
import { transportProblem } from './failures.ts';

/** The stated length, where it is one. */
export function statedSize(header: string | undefined): number | undefined {
	return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

function damaged(reference: DigestReference, code: ProblemCode, reason: string): ProblemError {
	const { registry } = reference;
	return new ProblemError({
		code,
		origin: 'content',
		reason,
		registry,
		reference: formatReference(reference),
	});
}

/**
 * Leaving the loop early ends the transfer.
 * @throws ProblemError `digest-mismatch`, `truncated`, or what the connection met
 */
export async function* verifiedChunks(
	{ body, headers }: StreamedAnswer,
	reference: DigestReference,
	endpoint: Endpoint,
	signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
	const hash = createHash(algorithmOf(reference.digest));
	const stated = statedSize(headers['content-length']);
	let held: Buffer | undefined;
	let seen = 0;
	try {
		for await (const chunk of body as AsyncIterable<Buffer>) {
			hash.update(chunk);
			seen += chunk.length;
			if (held) yield held;
			held = chunk;
		}
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new ProblemError(
			transportProblem(new Truncated(seen, { cause: error }), endpoint, reference.registry),
			{ cause: error },
		);
	} finally {
		body.destroy();
	}
	if (stated !== undefined && seen !== stated) {
		const reason = `${reference.registry} announced ${stated} bytes and sent ${seen}.`;
		throw damaged(reference, 'truncated', reason);
	}
	const actual = `${algorithmOf(reference.digest)}:${hash.digest('hex')}`;
	if (actual !== reference.digest) {
		const reason = `${reference.registry} sent ${seen} bytes whose digest is ${actual}, not ${reference.digest}.`;
		throw damaged(reference, 'digest-mismatch', reason);
	}
	if (held) yield held;
}
