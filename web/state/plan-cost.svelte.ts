/** What running a plan would cost now: asked of the registries, beside the plan. */
import { estimate, type Estimate } from '../../shared/plan/estimate.ts';
import type { Plan } from '../../shared/plan/plan.ts';
import { problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';

export class PlanCost {
	readonly #plan: Plan;
	readonly #registries: RegistryReader;
	readonly #asWriter: boolean;
	readonly #abort = new AbortController();
	estimate = $state.raw<Estimate | undefined>(undefined);
	problem = $state.raw<Problem | undefined>(undefined);
	/** False until somebody wanted it: asking contacts the registries that the plan names. */
	wasAsked = $state(false);

	/** @param asWriter asks the target as who may push there */
	constructor(plan: Plan, registries: RegistryReader, asWriter = false) {
		this.#asWriter = asWriter;
		this.#plan = plan;
		this.#registries = registries;
	}

	async ask(): Promise<void> {
		this.problem = undefined;
		this.wasAsked = true;
		const { signal } = this.#abort;
		try {
			const asWriter = this.#asWriter;
			const found = await estimate(this.#plan, this.#registries, { signal, asWriter });
			if (!signal.aborted) this.estimate = found;
		} catch (error) {
			if (!signal.aborted) this.problem = problemOf(error);
		}
	}

	stop(): void {
		this.#abort.abort();
	}
}
