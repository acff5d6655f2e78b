/** What can go wrong, as data: one closed union for the proxy, the page and the terminal. */
import * as z from 'zod';
import { digestSchema } from '../oci/digest.ts';

export const problemCodes = [
	'reference-invalid',
	'not-a-release',
	'payload-invalid',
	'plan-invalid',
	'receipt-invalid',
	'plan-impossible',
	'mirrors-invalid',
	'source-blocked',
	'host-unknown',
	'connection-refused',
	'connection-lost',
	'timeout',
	'tls-failure',
	'unauthorized',
	'denied',
	'repository-unknown',
	'manifest-unknown',
	'blob-unknown',
	'rate-limited',
	'registry-failure',
	'digest-mismatch',
	'truncated',
	'too-large',
	'malformed',
	'unverifiable',
	'egress-blocked',
	'not-served',
	'outgoing-proxy-failed',
	'redirect-refused',
	'credentials-unusable',
	'unsupported',
	'manifest-refused',
	'parts-missing',
	'tag-immutable',
	'policy-refused',
	'storage-full',
	'conflict',
	'already-running',
	'proxy-unreachable',
	'token-missing',
	'token-rejected',
	'request-invalid',
	'cancelled',
	'internal',
] as const;

export type ProblemCode = (typeof problemCodes)[number];

/** Where it went wrong: at the registry, at the server that hands out its tokens, in what was read, in the proxy, in the browser. */
export const problemOrigins = ['registry', 'token-server', 'content', 'proxy', 'browser'] as const;

/**
 * One failure. `reason` is a sentence for people that names what was met; it never holds a secret,
 * and nothing decides by its wording. What to do about it follows from `code` (`report/explain.ts`).
 */
export const problemSchema = z.object({
	code: z.enum(problemCodes),
	origin: z.enum(problemOrigins),
	reason: z.string(),
	registry: z.string().optional(),
	/** the reference as people write it */
	reference: z.string().optional(),
	/** the HTTP status of the registry or token server */
	status: z.number().int().optional(),
	/** the registry's own error code, such as `MANIFEST_UNKNOWN` */
	upstreamCode: z.string().optional(),
	/** for the operator of the registry, as sent by it */
	requestId: z.string().optional(),
	retryAfterMs: z.number().optional(),
	/** what the registry does not have of what it was to take, as far as it says so: children, config or layers */
	missing: z.array(digestSchema).max(1000).optional(),
	/** true where no flag and no login would make it allowed */
	isForbidden: z.boolean().optional(),
	/** set where the login that was refused came with the request; with its user name, where it has one */
	typedLogin: z.object({ username: z.string().optional() }).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/** The one error class: input and output throw it, and everything else passes it on or shows it. */
export class ProblemError extends Error {
	readonly problem: Problem;

	constructor(problem: Problem, options?: ErrorOptions) {
		super(`${problem.code}: ${problem.reason}`, options);
		this.name = 'ProblemError';
		this.problem = problem;
	}
}

/** The problem an error stands for. An error of any other kind is a defect of this program and says so. */
export function problemOf(error: unknown): Problem {
	if (error instanceof ProblemError) return error.problem;
	if (error instanceof Error && error.name === 'AbortError') {
		return { code: 'cancelled', origin: 'browser', reason: 'It was cancelled.' };
	}
	const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
	return {
		code: 'internal',
		origin: 'proxy',
		reason: `Espalier met something it does not know (${what}).`,
	};
}

/**
 * True where a registry said that a thing is not there.
 * Everything else that went wrong means only that it could not be checked.
 */
export function saysAbsent(problem: Problem): boolean {
	return problem.code === 'manifest-unknown' || problem.code === 'blob-unknown';
}

/** True where a registry said that a tag points nowhere; a repository that is not there has no tags either. */
export function saysNoTag(problem: Problem): boolean {
	return problem.code === 'manifest-unknown' || problem.code === 'repository-unknown';
}

/** True where what is there is not what its digest, size or format promises. */
export function saysDamaged(problem: Problem): boolean {
	return (
		problem.code === 'digest-mismatch' ||
		problem.code === 'truncated' ||
		problem.code === 'malformed'
	);
}

/** True where a registry that answers fails over this one thing: it may be there, and be broken. */
export function saysBroken({ code, status }: Problem): boolean {
	return code === 'registry-failure' && status === 500;
}
