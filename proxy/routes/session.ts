/** `GET /api/session`: says that the token is good, and what this server offers. */
import { Hono } from 'hono';
import type { Session } from '../../shared/api/schema.ts';
import type { NodeEnv } from '../server/node-request.ts';

export function sessionRoutes(session: Session) {
	return new Hono<NodeEnv>().get('/session', (c) => c.json(session));
}
