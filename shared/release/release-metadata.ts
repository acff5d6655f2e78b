/** `release-manifests/release-metadata`: version, upgrade edges and links of a release. */
import valid from 'semver/functions/valid.js';
import * as z from 'zod';
import { readJson } from '../oci/json-value.ts';
import { ProblemError } from '../registry/problem.ts';

const metadataSchema = z.looseObject({
	kind: z.literal('cincinnati-metadata-v0'),
	version: z.string().refine((text) => valid(text) !== null, 'not a semantic version'),
	previous: z.array(z.string()).nullish(),
	next: z.array(z.string()).nullish(),
	metadata: z.record(z.string(), z.unknown()).nullish(),
});

export interface ReleaseMetadata {
	readonly version: string;
	/** versions that upgrade to this one */
	readonly previous: readonly string[];
	readonly next: readonly string[];
	/** such as `url`, or `release.openshift.io/architecture: multi` */
	readonly extra: Readonly<Record<string, unknown>>;
}

export const architectureKey = 'release.openshift.io/architecture';

/** @throws ProblemError `payload-invalid` for anything the cluster's own reader would refuse */
export function parseReleaseMetadata(text: string): ReleaseMetadata {
	const problem = (why: string) =>
		new ProblemError({
			code: 'payload-invalid',
			origin: 'content',
			reason: `The payload's release-metadata cannot be read: ${why}.`,
		});
	const read = readJson(text);
	if (!read.ok) throw problem(read.why);
	const result = metadataSchema.safeParse(read.value);
	if (!result.success) {
		const [issue] = result.error.issues;
		throw problem(
			issue ? `${issue.path.join('.').slice(0, 200)}: ${issue.message}` : 'unexpected content',
		);
	}
	const { version, previous, next, metadata } = result.data;
	return { version, previous: previous ?? [], next: next ?? [], extra: metadata ?? {} };
}
