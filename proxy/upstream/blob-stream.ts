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

function otherSize(reference: DigestReference, sent: string, sizeBytes: number): ProblemError {
	const reason = `${reference.registry} sends ${sent} bytes for a blob that has ${sizeBytes} according to its descriptor.`;
	return damaged(reference, 'malformed', reason);
}

/** What is read of a blob. */
export interface ExpectedBlob {
	readonly reference: DigestReference;
	/** as its descriptor states */
	readonly sizeBytes?: number | undefined;
}

/**
 * The size of a blob as far as it is known before it comes.
 * @throws ProblemError `malformed` where the registry announces another than the descriptor
 */
export function promisedSize(
	{ headers }: StreamedAnswer,
	{ reference, sizeBytes }: ExpectedBlob,
): number | undefined {
	const stated = statedSize(headers['content-length']);
	if (stated === undefined || sizeBytes === undefined || stated === sizeBytes) {
		return stated ?? sizeBytes;
	}
	throw otherSize(reference, String(stated), sizeBytes);
}

/**
 * Leaving the loop early ends the transfer.
 * @throws ProblemError `digest-mismatch`, `truncated`, `malformed`, or what the connection met
 */
export async function* verifiedChunks(
	{ body, headers }: StreamedAnswer,
	{ reference, sizeBytes }: ExpectedBlob,
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
			if (sizeBytes !== undefined && seen > sizeBytes) {
				throw otherSize(reference, `more than ${sizeBytes}`, sizeBytes);
			}
			if (held) yield held;
			held = chunk;
		}
	} catch (error) {
		if (signal?.aborted || error instanceof ProblemError) throw error;
		const broken = new Truncated(seen, { cause: error });
		const problem = transportProblem(broken, endpoint, reference.registry);
		throw new ProblemError({ ...problem, reference: formatReference(reference) }, { cause: error });
	} finally {
		body.destroy();
	}
	if (stated !== undefined && seen !== stated) {
		const reason = `${reference.registry} announced ${stated} bytes and sent ${seen}.`;
		throw damaged(reference, 'truncated', reason);
	}
	if (sizeBytes !== undefined && seen !== sizeBytes) {
		throw otherSize(reference, String(seen), sizeBytes);
	}
	const actual = `${algorithmOf(reference.digest)}:${hash.digest('hex')}`;
	if (actual !== reference.digest) {
		const reason = `${reference.registry} sent ${seen} bytes whose digest is ${actual}, not ${reference.digest}.`;
		throw damaged(reference, 'digest-mismatch', reason);
	}
	if (held) yield held;
}
