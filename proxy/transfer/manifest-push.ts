/** One manifest into a repository, by digest: never other bytes, and never as something else than it says it is. */
import { algorithmOf } from '../../shared/oci/digest.ts';
import { manifestMediaType, type Document } from '../../shared/oci/document.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	type DigestReference,
	type Repository,
} from '../../shared/oci/reference.ts';
import { ProblemError, type Problem, type ProblemCode } from '../../shared/registry/problem.ts';
import type {
	DocumentRequest,
	ManifestPush,
	RegistryReader,
} from '../../shared/registry/registries.ts';
import { hashBytes } from '../hashing.ts';
import { mostTelling } from './attempts.ts';
import type { Target } from './target.ts';

export interface ManifestSurroundings {
	readonly reader: RegistryReader;
	readonly target: Target;
	readonly signal?: AbortSignal | undefined;
}

function refused(to: DigestReference, code: ProblemCode, what: string): ProblemError {
	const reference = formatReference(to);
	const reason = `The manifest for ${reference} ${what}; nothing was written.`;
	return new ProblemError({ code, origin: 'content', reason, registry: to.registry, reference });
}

function unknown(to: DigestReference, reason: string): Problem {
	const { registry } = to;
	const reference = formatReference(to);
	return { code: 'manifest-unknown', origin: 'registry', reason, registry, reference };
}

/** @throws ProblemError `digest-mismatch`, `malformed` */
function checkedDocument({ to, mediaType }: ManifestPush, bytes: Uint8Array): Document {
	const actual = hashBytes(algorithmOf(to.digest), bytes);
	if (actual !== to.digest) throw refused(to, 'digest-mismatch', `has the digest ${actual}`);
	const own = manifestMediaType(bytes, '');
	// Without a field of its own, only its shape speaks, and not for every type.
	const isSilent = own === mediaTypes.octetStream || own === mediaTypes.dockerSchema1;
	if (own !== mediaType && !isSilent) {
		throw refused(to, 'malformed', `is to be sent as ${mediaType}, but is ${own}`);
	}
	return { digest: to.digest, mediaType, bytes };
}

/** @throws ProblemError */
export async function readManifest(
	reader: RegistryReader,
	request: DocumentRequest<DigestReference>,
	signal: AbortSignal | undefined,
): Promise<Document> {
	const { reference } = request;
	for await (const result of reader.readManifests([request], { signal, fresh: true })) {
		if (result.ok) return result.document;
		throw new ProblemError(result.problem);
	}
	throw new ProblemError(unknown(reference, `Nothing was said of ${formatReference(reference)}.`));
}

/** From the first of these repositories that has it. @throws ProblemError */
async function readFromAny(
	{ to, from }: { readonly to: DigestReference; readonly from: readonly Repository[] },
	{ reader, signal }: ManifestSurroundings,
): Promise<Uint8Array> {
	const problems: Problem[] = [];
	for (const repository of from) {
		try {
			const reference = byDigest(repository, to.digest);
			return (await readManifest(reader, { reference }, signal)).bytes;
		} catch (error) {
			signal?.throwIfAborted();
			if (!(error instanceof ProblemError)) throw error;
			problems.push(error.problem);
		}
	}
	const reason = `${formatReference(to)} is not there, and no other repository is known to have it.`;
	const last = problems.pop() ?? unknown(to, reason);
	throw new ProblemError(mostTelling(problems, last));
}

/** @throws ProblemError */
export async function pushManifest(
	push: ManifestPush,
	surroundings: ManifestSurroundings,
): Promise<'existed' | 'pushed'> {
	const { to } = push;
	const { target, signal } = surroundings;
	const own = 'bytes' in push ? checkedDocument(push, push.bytes) : undefined;
	if (!push.isMissing && (await target.hasManifest(to, signal))) return 'existed';
	if (own) {
		await target.putManifest(to, own, signal);
		return 'pushed';
	}
	const from =
		'from' in push
			? push.from.filter((repository) => formatRepository(repository) !== formatRepository(to))
			: [];
	const bytes = await readFromAny({ to, from }, surroundings);
	await target.putManifest(to, checkedDocument(push, bytes), signal);
	return 'pushed';
}
