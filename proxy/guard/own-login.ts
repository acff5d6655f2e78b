/**
 * A team's server writes with logins that come with the request alone. Where none came, a large body would be taken
 * in for nothing; a small one is, as its answer says for each thing what was missing.
 */
import type { MiddlewareHandler } from 'hono';
import { loginsHeader } from '../../shared/api/logins.ts';
import { failure } from '../routes/failure.ts';
import type { NodeEnv } from '../server/node-request.ts';
import { uncountedBytes } from './body-budget.ts';

const writingPaths: ReadonlySet<string> = new Set([
	'/api/copies',
	'/api/blob',
	'/api/manifests/push',
	'/api/tags/move',
]);

export const requireOwnLogin: MiddlewareHandler<NodeEnv> = async (c, next) => {
	const isWrite = c.req.method !== 'GET' && writingPaths.has(c.req.path);
	const isLarge = Number(c.req.header('content-length') ?? Infinity) > uncountedBytes;
	if (!isWrite || !isLarge || c.req.header(loginsHeader) !== undefined) return next();
	const reason =
		'Writing takes your own login for the registry: this Espalier has none that may write.';
	return failure(c, { code: 'unauthorized', origin: 'proxy', reason });
};
