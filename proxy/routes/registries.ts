/** `GET /api/registries?repository=…`: how a registry would be reached, with which credential, and what it can do. */
import { Hono } from 'hono';
import type { RegistryFacts } from '../../shared/api/schema.ts';
import type { NodeEnv } from '../server/node-request.ts';
import type { CallerOf } from './caller.ts';
import { failure } from './failure.ts';
import { readRepository } from './wire-reference.ts';

export function registryRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().get('/registries', async (c) => {
		const repository = readRepository(c);
		if (!repository.ok) return failure(c, repository.problem);
		const { describeRegistry, findCapabilities } = callerOf(c);
		const isAsked = c.req.query('capabilities') === 'ask';
		const [facts, capabilities] = await Promise.all([
			describeRegistry(repository.value),
			isAsked ? findCapabilities?.(repository.value, c.req.raw.signal) : undefined,
		]);
		const known = capabilities && { capabilities: [...capabilities] };
		return c.json({ ...facts, ...known } satisfies RegistryFacts);
	});
}
