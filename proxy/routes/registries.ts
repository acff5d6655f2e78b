/** `GET /api/registries?repository=…`: how a registry would be reached, and with which credential. */
import { Hono } from 'hono';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { failure } from './failure.ts';
import { readRepository } from './wire-reference.ts';

export function registryRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().get('/registries', async (c) => {
		const repository = readRepository(c);
		if (!repository.ok) return failure(c, repository.problem);
		return c.json(await callerOf(c).describeRegistry(repository.value));
	});
}
