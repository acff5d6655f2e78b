/** Which credential a repository's registry would be given. */
import { registryFactsSchema, type RegistryFacts } from '../../shared/api/schema.ts';
import { formatRepository, type Repository } from '../../shared/oci/reference.ts';
import type { ProxyClient } from '../api/proxy-client.ts';

export class RegistryFactsView {
	facts = $state.raw<RegistryFacts | undefined>(undefined);

	constructor(client: ProxyClient, repository: Repository) {
		void this.#load(client, repository);
	}

	async #load(client: ProxyClient, repository: Repository): Promise<void> {
		try {
			const query = `repository=${encodeURIComponent(formatRepository(repository))}`;
			const response = await client.request(`/api/registries?${query}`);
			this.facts = registryFactsSchema.parse(await response.json());
		} catch {
			// The line is left out; reading the release says what is wrong.
		}
	}
}
