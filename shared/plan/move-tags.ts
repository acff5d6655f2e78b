/** The last stage of a run: tags, each only from where the plan saw it, the root's the very last (D7). */
import type { Digest } from '../oci/digest.ts';
import { saysNoTag, type Problem } from '../registry/problem.ts';
import type { DocumentRequest, TagMove } from '../registry/registries.ts';
import { contentAt, repositoryAt, stepsOf, type Plan, type TagStep } from './plan.ts';
import { stopOnFailure, type RunContext } from './run-context.ts';
import { conflictProblem, movedAgainProblem, type Item, type Run } from './run-state.ts';

interface FoundTag {
	readonly step: TagStep;
	readonly move: TagMove;
	readonly found?: Digest | 'absent';
	/** why it could not be looked at */
	readonly problem?: Problem;
}

/** Many registries remove no tags: only `undo` ever asks for it. */
export function isRefusedRemoval({ step, problem }: Item): boolean {
	return step.kind === 'tag' && step.content === undefined && problem?.code === 'unsupported';
}

function moveOf(plan: Plan, step: TagStep): TagMove {
	const { registry, repository } = repositoryAt(plan, step.to);
	const digest = step.content === undefined ? 'absent' : contentAt(plan, step.content).digest;
	return { registry, repository, tag: step.tag, digest, expect: step.expect };
}

async function* findTags(
	{ registries, run, call }: RunContext,
	steps: readonly TagStep[],
): AsyncGenerator<FoundTag> {
	const tags = new Map<DocumentRequest, Pick<FoundTag, 'step' | 'move'>>();
	for (const step of steps) {
		const move = moveOf(run.plan, step);
		const { registry, repository, tag } = move;
		tags.set({ reference: { registry, repository, tag }, forWriting: true }, { step, move });
	}
	const options = { ...call, fresh: true };
	for await (const result of registries.readManifests([...tags.keys()], options)) {
		const tag = tags.get(result.request);
		if (!tag) continue;
		if (result.ok) yield { ...tag, found: result.document.digest };
		else if (saysNoTag(result.problem)) yield { ...tag, found: 'absent' };
		else yield { ...tag, problem: result.problem };
	}
}

/** Fails those of the tags that are neither where they were seen nor where they are to be. */
async function* lookAt(context: RunContext, steps: readonly TagStep[]): AsyncGenerator<Run> {
	const { run } = context;
	for await (const { step, move, found, problem } of findTags(context, steps)) {
		const item = run.item(step);
		if (problem) run.fail(item, problem);
		else if (found && found !== move.expect && found !== move.digest) {
			run.fail(item, conflictProblem({ move, found }));
		}
		yield run;
	}
	stopOnFailure(run);
}

async function* moveGroup(context: RunContext, steps: readonly TagStep[]): AsyncGenerator<Run> {
	const { registries, run, call, gate } = context;
	await gate.passed();
	const moves = new Map(steps.map((step) => [moveOf(run.plan, step), run.item(step)]));
	for await (const result of registries.moveTags([...moves.keys()], call)) {
		const item = moves.get(result.move);
		if (!item) continue;
		if (result.state === 'conflict') run.fail(item, conflictProblem(result));
		else if (result.state === 'failed') run.fail(item, result.problem);
		else if (result.state !== 'held-back') run.finish(item, result.state);
		yield run;
	}
	// What a registry cannot do at all is told at the end; the other tags go where they belong.
	if (run.failed.some((item) => !isRefusedRemoval(item))) stopOnFailure(run);
}

/** All but the root's first; and none at all where the root's could not follow. @throws Stopped */
export async function* moveTags(context: RunContext): AsyncGenerator<Run> {
	const { run } = context;
	run.phase = 'tagging';
	yield run;
	const steps = stepsOf(run.plan, 'tag');
	const root = steps.slice(-1);
	// Whoever moves the root's looks at it himself; only others must not go before it in vain.
	if (steps.length > 1) yield* lookAt(context, root);
	yield* moveGroup(context, steps.slice(0, -1));
	yield* moveGroup(context, root);
}

/** The last word: where every tag points now, asked of the registry. @throws Stopped */
export async function* readTags(context: RunContext): AsyncGenerator<Run> {
	const { run } = context;
	run.phase = 'reading-tags';
	yield run;
	for await (const { step, move, found, problem } of findTags(context, stepsOf(run.plan, 'tag'))) {
		const item = run.item(step);
		if (item.state === 'failed') continue;
		if (problem) run.fail(item, problem);
		else if (found === move.digest) item.verified = true;
		else if (found) run.fail(item, movedAgainProblem(move, found));
		yield run;
	}
	stopOnFailure(run);
}
