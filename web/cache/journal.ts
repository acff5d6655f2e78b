/** The runs of this browser: those that are not finished, so that a closed tab loses nothing, and their receipts. */
import type { Digest } from '../../shared/oci/digest.ts';
import { mergeFacts, type CapabilityFact } from '../../shared/registry/capabilities.ts';
import type { Database, KeptReceipt, KeptRun } from './database.ts';

const mostReceipts = 20;

export interface JournalOptions {
	readonly database: Database;
	/** in milliseconds since 1970 */
	readonly now: () => number;
	/** False while the user does not want anything kept. */
	readonly keeps: () => boolean;
}

export class Journal {
	readonly #options: JournalOptions;

	constructor(options: JournalOptions) {
		this.#options = options;
	}

	/** @param run a plan that is about to be run, as a file */
	async begin(run: Omit<KeptRun, 'startedAt'>): Promise<void> {
		const { database, keeps, now } = this.#options;
		if (keeps()) await database.keepRun({ ...run, startedAt: now() });
	}

	/** The run came to its end: its receipt takes its place. */
	async finish(receipt: Omit<KeptReceipt, 'finishedAt'>): Promise<void> {
		const { database, keeps, now } = this.#options;
		await database.forgetRun(receipt.plan);
		if (keeps()) await database.keepReceipt({ ...receipt, finishedAt: now() }, mostReceipts);
	}

	forget(id: Digest): Promise<void> {
		return this.#options.database.forgetRun(id);
	}

	/** What runs and probes have shown of registries: of each thing the best and newest. */
	async keepFacts(facts: readonly CapabilityFact[]): Promise<void> {
		const { database, keeps } = this.#options;
		if (!keeps() || facts.length === 0) return;
		const known = mergeFacts(await database.facts(), facts);
		await database.keepFacts(
			known
				.filter((fact) => facts.includes(fact))
				.map((fact) => {
					const { registry, repository = '', about } = fact;
					return { key: `${registry} ${repository} ${about}`, fact };
				}),
		);
	}

	facts(): Promise<readonly CapabilityFact[]> {
		return this.#options.database.facts();
	}

	/** Newest first. */
	unfinished(): Promise<readonly KeptRun[]> {
		return this.#options.database.runs();
	}

	/** Newest first. */
	receipts(): Promise<readonly KeptReceipt[]> {
		return this.#options.database.receipts();
	}
}
