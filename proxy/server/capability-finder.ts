/** What is known of any registry without writing to it: the embedded one answers for itself, all others are asked. */
import { storeRegistry, type Repository } from '../../shared/oci/reference.ts';
import { factsOfStore, type CapabilityFact } from '../../shared/registry/capabilities.ts';
import { findCapabilities } from '../upstream/capabilities.ts';
import type { CredentialSource } from '../upstream/credentials/credential.ts';
import type { Network } from '../upstream/network.ts';

export type FindCapabilities = (
	repository: Repository,
	signal?: AbortSignal,
) => Promise<readonly CapabilityFact[]>;

/** Asks with these logins, over the connections of everything else. */
export function capabilityFinder(
	network: Network,
	credentials: CredentialSource,
): FindCapabilities {
	const client = network.clientFor(credentials);
	return async (repository, signal) => {
		const now = network.pace.clock();
		return repository.registry === storeRegistry
			? factsOfStore(now)
			: findCapabilities({ client, repository, signal }, now);
	};
}
