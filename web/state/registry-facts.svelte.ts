/** What is known of registries: which credential one would be given, and what it can do. */
import { registryFactsSchema, type RegistryFacts } from '../../shared/api/schema.ts';
import { formatRepository, type Repository } from '../../shared/oci/reference.ts';
import { mergeFacts, type CapabilityFact } from '../../shared/registry/capabilities.ts';
import type { ProxyClient } from '../api/proxy-client.ts';
import type { Journal } from '../cache/journal.ts';

/** Asks a registry what it says of itself. */
export type AskCapabilities = (
	repository: Repository,
	signal?: AbortSignal,
) => Promise<readonly CapabilityFact[]>;

export function askCapabilities(client: ProxyClient): AskCapabilities {
	return async (repository, signal) => {
		const query = `repository=${encodeURIComponent(formatRepository(repository))}&capabilities=ask`;
		const init = signal ? { signal } : {};
		const response = await client.request(`/api/registries?${query}`, init, [repository]);
		return registryFactsSchema.parse(await response.json()).capabilities ?? [];
	};
}

/** Which login the proxy would use there. It asks no registry. */
export async function describeRegistry(
	client: ProxyClient,
	repository: Repository,
	signal?: AbortSignal,
): Promise<RegistryFacts> {
	const query = `repository=${encodeURIComponent(formatRepository(repository))}`;
	const init = signal ? { signal } : {};
	const response = await client.request(`/api/registries?${query}`, init, [repository]);
	return registryFactsSchema.parse(await response.json());
}

/** What registries are known to take: what they say now, and what runs and probes have shown before. */
export class KnownFacts {
	readonly #journal: Pick<Journal, 'facts' | 'keepFacts'>;
	readonly #ask: AskCapabilities | undefined;
	all = $state.raw<readonly CapabilityFact[]>([]);

	constructor(journal: Pick<Journal, 'facts' | 'keepFacts'>, ask?: AskCapabilities) {
		this.#journal = journal;
		this.#ask = ask;
	}

	/** What this browser keeps; nobody is asked. */
	async remember(): Promise<void> {
		this.all = mergeFacts(this.all, await this.#journal.facts());
	}

	/** Asks the registries of these repositories; one that does not answer stays as it was known. */
	async of(
		repositories: readonly Repository[],
		signal?: AbortSignal,
	): Promise<readonly CapabilityFact[]> {
		const distinct = repositories.filter(
			(each, at) =>
				repositories.findIndex((other) => formatRepository(other) === formatRepository(each)) ===
				at,
		);
		const [, ...asked] = await Promise.all([
			this.remember(),
			...distinct.map((repository) => this.#asked(repository, signal)),
		]);
		this.all = mergeFacts(this.all, ...asked);
		return this.all;
	}

	/** What a probe has shown. */
	async keep(facts: readonly CapabilityFact[]): Promise<void> {
		this.all = mergeFacts(this.all, facts);
		await this.#journal.keepFacts(facts);
	}

	async #asked(
		repository: Repository,
		signal: AbortSignal | undefined,
	): Promise<readonly CapabilityFact[]> {
		try {
			return (await this.#ask?.(repository, signal)) ?? [];
		} catch {
			// Why it does not answer is said by planning, which needs its tags.
			return [];
		}
	}
}

export class RegistryFactsView {
	readonly #client: ProxyClient;
	readonly #repository: Repository;
	#abort = new AbortController();
	facts = $state.raw<RegistryFacts | undefined>(undefined);

	constructor(client: ProxyClient, repository: Repository) {
		this.#client = client;
		this.#repository = repository;
	}

	/** Asks, or asks again: another login may have come. */
	async load(): Promise<void> {
		this.stop();
		const abort = new AbortController();
		this.#abort = abort;
		try {
			const facts = await describeRegistry(this.#client, this.#repository, abort.signal);
			if (!abort.signal.aborted) this.facts = facts;
		} catch {
			// The line is left out; reading the release says what is wrong.
		}
	}

	stop(): void {
		this.#abort.abort();
	}
}
