/** A plan being made in this tab: reads the release, decides, and says what it is at. */
import type { Gzip, Inflate } from '../../shared/archive/gzip.ts';
import { parseReference } from '../../shared/oci/reference.ts';
import type { Plan } from '../../shared/plan/plan.ts';
import { sparseRefusal } from '../../shared/plan/target-refusal.ts';
import { hidesTarget, planPrune } from '../../shared/plan/plan-prune.ts';
import { refusingFact, type CapabilityFact } from '../../shared/registry/capabilities.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';
import { ProblemError, problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { Registries } from '../../shared/registry/registries.ts';
import { assessCoverage } from '../../shared/release/coverage.ts';
import { readDraft, type DraftIssue, type PruneDraft } from '../../shared/release/prune-draft.ts';
import { inForce, type PruneMode } from '../../shared/release/prune-fields.ts';
import type { PruneChoices } from '../../shared/release/prune-release.ts';
import {
	readRelease,
	startReading,
	type ReleaseReading,
} from '../../shared/release/read-release.ts';
import type { KnownFacts } from './registry-facts.svelte.ts';

/** How often what is read so far is counted. */
const countEveryMs = 250;

export interface PlanMakingOptions {
	readonly registries: Registries;
	readonly hash: HashBytes;
	readonly gzip: Gzip;
	readonly inflate: Inflate;
	/** the release, as it was looked at in this tab */
	readonly reading?: ReleaseReading | undefined;
	/** asks the target as who may push there */
	readonly asWriter?: boolean | undefined;
	/** what is known of targets before anything is written there */
	readonly facts?: Pick<KnownFacts, 'of'> | undefined;
}

export type PlanProgress =
	| { readonly kind: 'reading'; readonly said: string }
	| { readonly kind: 'planning' }
	| { readonly kind: 'made'; readonly plan: Plan }
	/** fields of the selection are not right */
	| { readonly kind: 'unfit'; readonly issues: readonly DraftIssue[] }
	| {
			readonly kind: 'failed';
			readonly problem: Problem;
			/** The target let no reader look; a writer may see more. */
			readonly isHidden: boolean;
			/** What could be chosen instead; a plan never switches by itself. */
			readonly otherModes: readonly PruneMode[];
			/** why another mode is offered */
			readonly refused?: string | undefined;
	  };

function saidOf(reading: ReleaseReading): string {
	if (reading.stage === 'release') return 'Asking the registry…';
	if (reading.stage === 'payload') return 'Reading the payload…';
	const { components, pending } = assessCoverage(reading);
	const cells = components.reduce((sum, row) => sum + row.cells.length, 0);
	return `Reading the release: ${cells - pending} of ${cells} cells known.`;
}

export class PlanMaking {
	readonly #options: PlanMakingOptions;
	readonly #abort = new AbortController();
	#facts: readonly CapabilityFact[] = [];
	progress = $state.raw<PlanProgress>({ kind: 'reading', said: 'Asking the registry…' });

	constructor(options: PlanMakingOptions) {
		this.#options = options;
	}

	/** @param ref the release */
	async make(ref: string, draft: PruneDraft | undefined): Promise<void> {
		try {
			const read = draft && readDraft(inForce(draft));
			if (!read?.ok) {
				this.progress = { kind: 'unfit', issues: read?.issues ?? [] };
				return;
			}
			const { signal } = this.#abort;
			const { repository, release } = read.choices;
			const asked = this.#options.facts?.of([repository, release], signal);
			const reading = this.#options.reading ?? (await this.#read(ref));
			this.progress = { kind: 'planning' };
			this.#facts = (await asked) ?? [];
			const plan = await this.#plan(reading, read.choices);
			if (plan && !signal.aborted) this.progress = { kind: 'made', plan };
		} catch (error) {
			if (this.#abort.signal.aborted) return;
			const fact = this.#sparseFact(draft);
			this.progress = {
				kind: 'failed',
				problem: problemOf(error),
				isHidden: false,
				otherModes: fact ? ['prune', 'whole'] : [],
				refused: fact && sparseRefusal(fact),
			};
		}
	}

	/** Undefined where the target lets no reader look: then it is up to the user whether to ask as a writer. */
	async #plan(reading: ReleaseReading, choices: PruneChoices): Promise<Plan | undefined> {
		const { asWriter = false } = this.#options;
		const { signal } = this.#abort;
		try {
			const options = { signal, asWriter, facts: this.#facts };
			return await planPrune(this.#options, reading, choices, options);
		} catch (error) {
			const problem = problemOf(error);
			if (asWriter || !hidesTarget(problem, choices)) throw error;
			this.progress = { kind: 'failed', problem, isHidden: true, otherModes: [] };
			return undefined;
		}
	}

	/** Where a target is known to take no sparse index, something else is offered. */
	#sparseFact(draft: PruneDraft | undefined): CapabilityFact | undefined {
		const read = draft && readDraft(inForce(draft));
		if (!read?.ok || read.choices.mode !== 'sparse') return undefined;
		const { repository, release } = read.choices;
		return (
			refusingFact(this.#facts, repository, 'sparse') ??
			refusingFact(this.#facts, release, 'sparse')
		);
	}

	stop(): void {
		this.#abort.abort();
	}

	async #read(ref: string): Promise<ReleaseReading> {
		const parsed = parseReference(ref);
		if (!parsed.ok) {
			const { reason } = parsed;
			throw new ProblemError({ code: 'reference-invalid', origin: 'browser', reason });
		}
		const { registries, inflate } = this.#options;
		const { signal } = this.#abort;
		const reading = startReading(parsed.reference);
		let countedAt = -countEveryMs;
		for await (const step of readRelease({ registries, inflate }, reading, { signal })) {
			const now = performance.now();
			if (now - countedAt < countEveryMs) continue;
			countedAt = now;
			this.progress = { kind: 'reading', said: saidOf(step) };
		}
		if (reading.problem) throw new ProblemError(reading.problem);
		return reading;
	}
}
