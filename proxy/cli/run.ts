/** `espalier run`: carries a plan out, and ends well only where everything was read back as planned. */
import { parsePlan } from '../../shared/plan/plan-file.ts';
import type { Plan } from '../../shared/plan/plan.ts';
import { printReceipt, receiptOf } from '../../shared/plan/receipt.ts';
import { Run } from '../../shared/plan/run-state.ts';
import { runPlan } from '../../shared/plan/run.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { Registries } from '../../shared/registry/registries.ts';
import { writtenText } from '../../shared/report/plan-text.ts';
import { printableLines } from '../../shared/report/printable.ts';
import { failuresText, leftBehindText, receiptText } from '../../shared/report/run-text.ts';
import { hashBytes } from '../hashing.ts';
import { failureText } from './failure.ts';
import { checkWritable, readTextFile, writeTextFile } from './files.ts';
import { exitCodeOf, type Interruption } from './interruption.ts';
import { openMirrored } from './mirrors.ts';
import { readRunArguments, type RunArguments } from './plan-arguments.ts';
import { withRunLock } from './run-lock.ts';
import { RunProgress, type ProgressStream } from './run-progress.ts';
import { commandLine } from './shell-words.ts';
import { runUsage } from './usage.ts';

export interface RunContext {
	readonly stdout: { write(text: string): unknown };
	readonly stderr: ProgressStream;
	readonly interruption: Interruption;
}

function sameCommand({ file, receipt, deep, surroundings }: RunArguments): string {
	const receiptFlag = receipt === undefined ? [] : ['--receipt', receipt];
	const deepFlag = deep ? ['--deep'] : [];
	return commandLine(['espalier', 'run', file, ...receiptFlag, ...deepFlag, ...surroundings]);
}

/** How an unfinished run ended, and how to go on. @returns the exit code */
function reportUnfinished(run: Run, args: RunArguments, context: RunContext): number {
	const { stderr, interruption } = context;
	const isStopped = run.outcome?.kind === 'stopped';
	stderr.write(isStopped ? 'Stopped.\n' : failuresText(run));
	stderr.write(leftBehindText(run));
	// Once a tag is elsewhere, the same plan meets the same conflict for ever.
	const isOutdated = run.failed.some(({ problem }) => problem?.code === 'conflict');
	stderr.write(
		isOutdated
			? 'This plan is out of date: plan again.\n'
			: `Go on with the same command:\n  ${sameCommand(args)}\n`,
	);
	if (isStopped) return exitCodeOf(interruption.by());
	if (run.defect instanceof Error) {
		stderr.write(`${printableLines(run.defect.stack ?? run.defect.message)}\n`);
	}
	return 1;
}

/** Runs the plan to its end. @returns the exit code: 0 only where everything was verified */
export async function carryOut(
	registries: Registries,
	plan: Plan,
	args: RunArguments,
	context: RunContext,
): Promise<number> {
	const { stdout, stderr, interruption } = context;
	const run = new Run(plan);
	const progress = new RunProgress(stderr, () => performance.now());
	const startedAt = Date.now();
	try {
		const { deep } = args;
		for await (const state of runPlan(registries, run, { signal: interruption.until, deep })) {
			progress.show(state);
		}
	} finally {
		progress.end();
	}
	if (run.outcome?.kind !== 'verified') return reportUnfinished(run, args, context);
	const receipt = receiptOf(run, { startedAt, finishedAt: Date.now() });
	stdout.write(receiptText(receipt, commandLine(args.surroundings)));
	if (args.receipt === undefined) return 0;
	await writeTextFile(args.receipt, printReceipt(receipt));
	const undo = ['espalier', 'undo', args.receipt, '--output', 'undo.json', ...args.surroundings];
	stdout.write(`\nPlan to undo it:\n  ${commandLine(undo)}\n`);
	return 0;
}

async function openAndCarryOut(
	plan: Plan,
	args: RunArguments,
	context: RunContext,
): Promise<number> {
	const named = plan.repositories.map(({ registry }) => registry);
	const registries = await openMirrored(args, named, context);
	try {
		return await carryOut(registries, plan, args, context);
	} finally {
		await registries.close();
	}
}

export async function runCommand(args: readonly string[], context: RunContext): Promise<number> {
	const read = readRunArguments(args);
	const { stdout, stderr } = context;
	if (!read) {
		stdout.write(runUsage);
		return 0;
	}
	if (read.receipt !== undefined) await checkWritable(read.receipt);
	const text = await readTextFile(read.file, limits.planCharacters);
	try {
		const plan = await parsePlan(text, hashBytes);
		stderr.write(`${writtenText(plan)}\n`);
		return await withRunLock(plan.id, () => openAndCarryOut(plan, read, context));
	} catch (error) {
		if (!(error instanceof ProblemError)) throw error;
		stderr.write(failureText(error.problem));
		return 1;
	}
}
