/** `GET /healthz`: whether this process takes requests, for whoever sends them here, and nothing else. */
import { Hono } from 'hono';
import type { NodeEnv } from '../server/node-request.ts';

export function healthRoutes(isStopping: () => boolean) {
	return new Hono<NodeEnv>().get('/healthz', (c) => {
		const headers = { 'cache-control': 'no-store' };
		return isStopping() ? c.text('stopping\n', 503, headers) : c.text('ok\n', 200, headers);
	});
}
