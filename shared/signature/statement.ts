/** What an atomic container signature states, in the exact form that clusters take. */
import * as z from 'zod';
import { isDigestSyntax } from '../oci/digest.ts';

const statementType = 'atomic container signature';

/** A field beside these makes the statement another one than clusters read (DisallowUnknownFields). */
const statementSchema = z.strictObject({
	critical: z.strictObject({
		type: z.string(),
		image: z.strictObject({ 'docker-manifest-digest': z.string() }),
		identity: z.strictObject({ 'docker-reference': z.string() }),
	}),
	optional: z
		.strictObject({ creator: z.string().optional(), timestamp: z.number().int().optional() })
		.optional(),
});

export interface Statement {
	/** of the manifest or index that is signed for; well formed, not known to be of this release */
	readonly digest: string;
	/** the reference under which it was signed, as the signer wrote it */
	readonly identity: string;
	readonly creator: string | undefined;
}

export type ReadStatement =
	| { readonly ok: true; readonly statement: Statement }
	| { readonly ok: false; readonly reason: string };

function parse(body: Uint8Array): unknown {
	try {
		return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
	} catch {
		return undefined;
	}
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
	if (issue?.code === 'unrecognized_keys') {
		return `It has a field “${issue.keys[0] ?? ''}”, which no such signature has.`;
	}
	return `Its field “${issue?.path.join('.') ?? ''}” is missing or not as it should be.`;
}

/** Reads the signed text of a signature. */
export function readStatement(body: Uint8Array): ReadStatement {
	const value = parse(body);
	if (value === undefined) return { ok: false, reason: 'What it signs is not JSON.' };
	const parsed = statementSchema.safeParse(value);
	if (!parsed.success) return { ok: false, reason: firstIssue(parsed.error) };
	const { critical, optional } = parsed.data;
	if (critical.type !== statementType) {
		return { ok: false, reason: `It is a signature of another type, “${critical.type}”.` };
	}
	const digest = critical.image['docker-manifest-digest'];
	if (!isDigestSyntax(digest)) return { ok: false, reason: `It is for “${digest}”, no digest.` };
	const identity = critical.identity['docker-reference'];
	if (identity === '') return { ok: false, reason: 'It does not say for which reference.' };
	return { ok: true, statement: { digest, identity, creator: optional?.creator } };
}
