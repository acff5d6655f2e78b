/** `GET /metrics`, on an address of its own: for the team's monitoring, and not for who opens the page. */
import { Hono } from 'hono';
import { setSecurityHeaders } from '../guard/headers.ts';
import { refuseBrowsers } from '../guard/origin.ts';
import type { NodeEnv } from '../server/node-request.ts';

export interface MetricsText {
	readonly contentType: string;
	text(): Promise<string>;
}

export function metricsRoutes(metrics: MetricsText) {
	return new Hono<NodeEnv>()
		.use(setSecurityHeaders, refuseBrowsers)
		.get('/metrics', async (c) =>
			c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
		);
}
