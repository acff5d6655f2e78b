/** Serves a store in a process of its own, `serve-process.ts ROOT TOKEN`; tells its port, and its peak memory when asked. */
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { createStoreRoutes } from '../../../proxy/store/routes.ts';
import { Store } from '../../../proxy/store/store.ts';

const [root = '', token = ''] = process.argv.slice(2);
const routes = createStoreRoutes(await Store.open(root), { token });
const app = new Hono().route('/v2', routes);
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) => {
	process.send?.({ port });
});
process.on('message', (message) => {
	if (message === 'peak') process.send?.({ peakKiB: process.resourceUsage().maxRSS });
});
process.on('disconnect', () => process.exit(0));
