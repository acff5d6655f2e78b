/** Answers that are not 2xx: `{problem}`, with the status that fits. */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Problem, ProblemCode } from '../../shared/registry/problem.ts';

const statuses: Partial<Record<ProblemCode, ContentfulStatusCode>> = {
	'request-invalid': 400,
	'reference-invalid': 400,
	'token-missing': 401,
	'token-rejected': 401,
	// A registry that wants a login is not this server wanting its token: 401 stays reserved for that.
	unauthorized: 403,
	denied: 403,
	'egress-blocked': 403,
	'not-served': 403,
	'repository-unknown': 404,
	'manifest-unknown': 404,
	'blob-unknown': 404,
	conflict: 409,
	'rate-limited': 429,
	internal: 500,
	unsupported: 501,
	timeout: 504,
};

/** The status of the answer that carries this problem; what went wrong beyond this server is 502. */
export function statusOf(problem: Problem): ContentfulStatusCode {
	if (problem.code === 'too-large' && problem.origin === 'proxy') return 413;
	return statuses[problem.code] ?? 502;
}

/** Answers with a problem, by default with the status that its code stands for. */
export function failure(
	c: Context,
	problem: Problem,
	status: ContentfulStatusCode = statusOf(problem),
): Response {
	return c.json({ problem }, status);
}

/** A request that this server does not take as it is. */
export function refusal(
	c: Context,
	status: ContentfulStatusCode,
	reason: string,
	code: ProblemCode = 'request-invalid',
): Response {
	return failure(c, { code, origin: 'proxy', reason }, status);
}
