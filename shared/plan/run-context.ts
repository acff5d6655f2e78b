/** What the stages of a run have in common. */
import { byDigest, type DigestReference } from '../oci/reference.ts';
import type { Problem } from '../registry/problem.ts';
import type { CallOptions, Registries } from '../registry/registries.ts';
import type { Gate } from './batches.ts';
import { contentAt, repositoryAt, type Plan, type Step, type TagStep } from './plan.ts';
import type { Run } from './run-state.ts';

export interface RunContext {
	readonly registries: Registries;
	readonly run: Run;
	readonly call: CallOptions;
	/** new work has to pass it */
	readonly gate: Gate;
	/** Asks for every blob too before tags move: manifests that were there before vouch for theirs otherwise. */
	readonly deep: boolean;
}

/** Ends a run where going on makes no sense. */
export class Stopped extends Error {
	readonly problem: Problem;

	constructor(problem: Problem) {
		super(problem.reason);
		this.name = 'Stopped';
		this.problem = problem;
	}
}

/** @throws Stopped where something has failed */
export function stopOnFailure(run: Run): void {
	const [failed] = run.failed;
	if (failed?.problem) throw new Stopped(failed.problem);
}

export function targetOf(plan: Plan, step: Exclude<Step, TagStep>): DigestReference {
	return byDigest(repositoryAt(plan, step.to), contentAt(plan, step.content).digest);
}
