/** Holds every request to a team's server against what its client may still ask for. */
import type { Context, MiddlewareHandler } from 'hono';
import { failure, refusal } from '../routes/failure.ts';
import { incomingOf, onceAnswered, type NodeEnv } from '../server/node-request.ts';
import { clientAddress } from './client-address.ts';
import type { RequestKind } from './client-limits.ts';
import type { SharedServing } from './serving.ts';

/** What is in their bodies is kept until it is written. */
const transferPaths: ReadonlySet<string> = new Set(['/api/copies', '/api/manifests/push']);

function kindOf({ method, path }: Context['req']): RequestKind {
	if (!path.startsWith('/api/')) return 'page';
	return method === 'PUT' || transferPaths.has(path) ? 'transfer' : 'answer';
}

export function limitClients({
	limits,
	trustedProxies,
}: Pick<SharedServing, 'limits' | 'trustedProxies'>): MiddlewareHandler<NodeEnv> {
	return async function clientLimiter(c, next) {
		const length = c.req.header('content-length');
		if (length === undefined && c.req.header('transfer-encoding') !== undefined) {
			return refusal(c, 411, 'The body has no Content-Length.');
		}
		const socketAddress = incomingOf(c)?.socket.remoteAddress;
		const forwardedFor = c.req.header('x-forwarded-for');
		const address = clientAddress({ socketAddress, forwardedFor }, trustedProxies);
		const asked = { kind: kindOf(c.req), bodyBytes: Number(length ?? 0) };
		const verdict = limits.admit(address, asked);
		if (verdict.ok) {
			onceAnswered(c, verdict.leave);
			return next();
		}
		const { retryAfterMs } = verdict.problem;
		if (retryAfterMs !== undefined) c.header('retry-after', `${Math.ceil(retryAfterMs / 1000)}`);
		return failure(c, verdict.problem, verdict.status);
	};
}
