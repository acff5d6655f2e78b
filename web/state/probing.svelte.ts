/** A probe of one repository, begun by a press of its button and not before. */
import type { Repository } from '../../shared/oci/reference.ts';
import { probeRegistry } from '../../shared/plan/probe.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';
import { problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { RegistryWriter } from '../../shared/registry/registries.ts';
import type { KnownFacts } from './registry-facts.svelte.ts';

export interface ProbingOptions {
	readonly registries: RegistryWriter;
	readonly hash: HashBytes;
	readonly facts: Pick<KnownFacts, 'keep'>;
}

export class Probing {
	readonly #options: ProbingOptions;
	readonly #abort = new AbortController();
	status = $state<'idle' | 'writing' | 'done'>('idle');
	problem = $state.raw<Problem | undefined>(undefined);

	constructor(options: ProbingOptions) {
		this.#options = options;
	}

	/** Never throws. */
	async begin(repository: Repository): Promise<void> {
		if (this.status === 'writing') return;
		this.status = 'writing';
		this.problem = undefined;
		const { facts, ...tools } = this.#options;
		try {
			const options = { signal: this.#abort.signal, now: () => Date.now() };
			await facts.keep(await probeRegistry(tools, repository, options));
			this.status = 'done';
		} catch (error) {
			this.status = 'idle';
			if (!this.#abort.signal.aborted) this.problem = problemOf(error);
		}
	}

	stop(): void {
		this.#abort.abort();
	}
}
