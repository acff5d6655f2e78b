/**
 * Carries a plan out: blobs, what the plan made, manifests, then reads all of it back, and only then moves tags,
 * the root's last. Every step may be repeated; a run that was stopped and is begun again does only what is missing.
 */
import { ProblemError, problemOf } from '../registry/problem.ts';
import type { Registries } from '../registry/registries.ts';
import { moveTags, readTags } from './move-tags.ts';
import type { Pause } from './pause.ts';
import { stepsOf, type ManifestStep } from './plan.ts';
import { Stopped, type RunContext } from './run-context.ts';
import type { Run } from './run-state.ts';
import { presentManifests } from './survey.ts';
import { verifyContent } from './verify.ts';
import { writeContent } from './write-content.ts';

export interface RunOptions {
	readonly signal?: AbortSignal | undefined;
	/** While it is set nothing new is begun; what is under way goes on to its end. */
	readonly pause?: Pause | undefined;
	/** Asks for every blob too before tags move: manifests that were there before vouch for theirs otherwise. */
	readonly deep?: boolean | undefined;
}

function contextOf(
	registries: Registries,
	run: Run,
	{ signal, pause, deep = false }: RunOptions,
): RunContext {
	const gate = {
		// What failed would fail for everything after it too.
		get isShut() {
			return run.isHopeless;
		},
		get isHeld() {
			return pause?.isSet ?? false;
		},
		passed: async () => pause?.passed(signal),
	};
	return { registries, run, call: { signal }, gate, deep };
}

/** @returns the manifests that the target has not */
async function* survey({
	registries,
	run,
	call,
}: RunContext): AsyncGenerator<Run, ReadonlySet<ManifestStep>> {
	run.phase = 'checking';
	yield run;
	const options = { ...call, failuresAreMissing: true, asWriter: true };
	const present = await presentManifests(run.plan, registries, options);
	run.skipPresent(present);
	yield run;
	return new Set(stepsOf(run.plan, 'manifest').filter((step) => !present.has(step)));
}

async function* carryOut(context: RunContext): AsyncGenerator<Run> {
	const { run } = context;
	let missing = yield* survey(context);
	// What is there by its digest's word may still be gone when it is read back: then it is written once more.
	for (let round = 1; ; round += 1) {
		yield* writeContent(context, missing);
		const broken = yield* verifyContent(context);
		const [first] = broken;
		if (!first) break;
		if (round === 2 && first.problem) throw new Stopped(first.problem);
		missing = new Set(broken.flatMap(({ step }) => (step.kind === 'manifest' ? [step] : [])));
		for (const { step } of broken) run.requeue(step);
	}
	yield* moveTags(context);
	yield* readTags(context);
}

/**
 * Runs a plan, and yields the same growing `run` at every step. Never throws: how it ended is in `run.outcome`.
 * A run that failed or was stopped may be given again; what it had done stays done.
 */
export async function* runPlan(
	registries: Registries,
	run: Run,
	options: RunOptions = {},
): AsyncGenerator<Run> {
	run.begin();
	try {
		yield* carryOut(contextOf(registries, run, options));
		run.end({ kind: 'verified' });
	} catch (error) {
		if (options.signal?.aborted) run.end({ kind: 'stopped' });
		else {
			const problem = error instanceof Stopped ? error.problem : problemOf(error);
			run.end({ kind: 'failed', problem });
		}
		if (!(error instanceof Stopped) && !(error instanceof ProblemError)) run.defect = error;
	}
	yield run;
}
