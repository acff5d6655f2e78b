/** Which login would be used for what stands in a field: asked once the typing has paused. */
import type { RegistryFacts } from '../../shared/api/schema.ts';
import type { Repository } from '../../shared/oci/reference.ts';

/** A credential helper may be run for each question. */
const pauseMs = 500;

type Describe = (repository: Repository, signal: AbortSignal) => Promise<RegistryFacts> | undefined;

export class CredentialLookup {
	readonly #describe: Describe;
	#abort = new AbortController();
	#waiting: ReturnType<typeof setTimeout> | undefined;
	facts = $state.raw<RegistryFacts | undefined>(undefined);

	constructor(describe: Describe) {
		this.#describe = describe;
	}

	look(repository: Repository | undefined): void {
		this.stop();
		if (this.facts?.registry !== repository?.registry) this.facts = undefined;
		if (repository === undefined) return;
		this.#abort = new AbortController();
		const { signal } = this.#abort;
		this.#waiting = setTimeout(() => void this.#ask(repository, signal), pauseMs);
	}

	stop(): void {
		this.#abort.abort();
		clearTimeout(this.#waiting);
	}

	async #ask(repository: Repository, signal: AbortSignal): Promise<void> {
		try {
			const facts = await this.#describe(repository, signal);
			if (!signal.aborted) this.facts = facts;
		} catch {
			// The line is left out; planning says what is wrong.
		}
	}
}
