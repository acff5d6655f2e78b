/** What makes a plan this plan and no other. */
import type { Digest } from '../oci/digest.ts';
import { formatRepository } from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import type { Plan } from './plan.ts';

export const planSchemaName = 'espalier/plan/v1';

/** The digest of everything in a plan but its notes; for made content its digest stands for its bytes. */
export async function planId(plan: Omit<Plan, 'id'>, hash: HashBytes): Promise<Digest> {
	const { subject, repositories, contents, steps } = plan;
	const identity = {
		schema: planSchemaName,
		// Sentences may be put better some day; what is done stays the same.
		subject: { ...subject, notes: undefined },
		repositories: repositories.map(formatRepository),
		contents: contents.map(({ digest, sizeBytes, mediaType, bytes }) => [
			digest,
			sizeBytes,
			mediaType,
			bytes !== undefined,
		]),
		steps,
	};
	const text = canonicalJson(identity satisfies JsonValue);
	return hash('sha256', new TextEncoder().encode(text));
}
