/** D19: holds what came in against what was asked for. The only way by which bytes become a `Document`. */
import { algorithmOf, isDigest, type Algorithm, type Digest } from '../oci/digest.ts';
import { manifestMediaType, type Document } from '../oci/document.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { HashBytes } from './hashing.ts';
import { ProblemError } from './problem.ts';

export interface Received {
	readonly bytes: Uint8Array;
	/** the bare Content-Type, or '' */
	readonly mediaType: string;
	/** the Docker-Content-Digest header, where it was sent */
	readonly statedDigest?: string | undefined;
}

/**
 * By digest: the bytes must have it. By tag: the digest is computed, and the registry's own statement is
 * taken only where it names an algorithm other than sha256, then verified too.
 * @throws ProblemError `digest-mismatch`
 */
export async function verifyDocument(
	reference: Reference,
	received: Received,
	hash: HashBytes,
): Promise<Document> {
	const stated = received.statedDigest;
	const expected =
		reference.digest ?? (stated !== undefined && isDigest(stated) ? stated : undefined);
	const algorithm: Algorithm = expected ? algorithmOf(expected) : 'sha256';
	const digest: Digest = await hash(algorithm, received.bytes);
	if (expected !== undefined && digest !== expected) {
		throw new ProblemError({
			code: 'digest-mismatch',
			origin: 'content',
			reason: `${reference.registry} sent ${received.bytes.length} bytes whose digest is ${digest}, not ${expected}.`,
			registry: reference.registry,
			reference: formatReference(reference),
		});
	}
	return {
		digest,
		bytes: received.bytes,
		mediaType: manifestMediaType(received.bytes, received.mediaType),
	};
}
