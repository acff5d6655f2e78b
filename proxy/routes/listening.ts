/**
 * `/api/listening`: nothing, and the one answer that reaches pages of any origin, unreadable. By it a page on a static
 * host tells a server that does not allow it from one that is not there. That something listens here is no secret:
 * every page could tell it from how connections fail.
 */
import { Hono } from 'hono';
import type { NodeEnv } from '../server/node-request.ts';

export function listeningRoutes() {
	return new Hono<NodeEnv>().get('/listening', async (c, next) => {
		const destination = c.req.header('sec-fetch-dest') ?? 'empty';
		// As a picture or a script it is refused like everything else.
		if (destination !== 'empty') return next();
		return c.body(null, 204, {
			'cache-control': 'no-store',
			'cross-origin-resource-policy': 'cross-origin',
		});
	});
}
