/** `GET /api/registries?repository=…`: how a registry would be reached, and with which credential. */
import { Hono } from 'hono';
import type { RegistryFacts } from '../../shared/api/schema.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import type { NodeEnv } from '../server/node-request.ts';
import { failure } from './failure.ts';
import { readRepository } from './wire-reference.ts';

/** What is known of the registry of this repository. Never a secret (D8). */
export type DescribeRegistry = (repository: Repository) => Promise<RegistryFacts>;

export function registryRoutes(describe: DescribeRegistry) {
	return new Hono<NodeEnv>().get('/registries', async (c) => {
		const repository = readRepository(c);
		if (!repository.ok) return failure(c, repository.problem);
		return c.json(await describe(repository.value));
	});
}
