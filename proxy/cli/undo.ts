/** `espalier undo`: the plan that takes a run's tags back to where they were. */
import { printPlan } from '../../shared/plan/plan-file.ts';
import { planUndo } from '../../shared/plan/plan-undo.ts';
import { parseReceipt, type Receipt } from '../../shared/plan/receipt.ts';
import { parseReference } from '../../shared/oci/reference.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { planText } from '../../shared/report/plan-text.ts';
import { hashBytes } from '../hashing.ts';
import { failureText } from './failure.ts';
import { checkWritable, readTextFile, writeTextFile } from './files.ts';
import { openMirrored } from './mirrors.ts';
import type { Output } from './output.ts';
import { readUndoArguments, type UndoArguments } from './plan-arguments.ts';
import { commandLine } from './shell-words.ts';
import { undoUsage } from './usage.ts';

/** Makes the plan of a receipt that moved something, and prints it. */
async function deliver(
	registries: RegistryReader,
	receipt: Receipt,
	{ output, surroundings }: UndoArguments,
	{ stdout, stderr }: Output,
): Promise<void> {
	const plan = await planUndo({ registries, hash: hashBytes }, receipt);
	const isFile = output !== undefined;
	if (isFile) await writeTextFile(output, printPlan(plan));
	else stdout.write(printPlan(plan));
	const words = isFile ? stdout : stderr;
	words.write(planText(plan));
	if (isFile) {
		words.write(`\nRun it:  ${commandLine(['espalier', 'run', output, ...surroundings])}\n`);
	}
}

async function undoReceipt(receipt: Receipt, args: UndoArguments, output: Output): Promise<void> {
	const named = receipt.tags.flatMap(({ repository }) => {
		const parsed = parseReference(repository);
		return parsed.ok ? [parsed.reference.registry] : [];
	});
	const registries = await openMirrored(args, named, output);
	try {
		await deliver(registries, receipt, args, output);
	} finally {
		await registries.close();
	}
}

export async function undoCommand(args: readonly string[], output: Output): Promise<number> {
	const read = readUndoArguments(args);
	if (!read) {
		output.stdout.write(undoUsage);
		return 0;
	}
	if (read.output !== undefined) await checkWritable(read.output);
	const text = await readTextFile(read.file, limits.planCharacters);
	try {
		const receipt = parseReceipt(text);
		if (receipt.tags.some(({ before, after }) => before !== after)) {
			await undoReceipt(receipt, read, output);
		} else {
			output.stderr.write('That run moved no tag, so there is nothing to undo.\n');
		}
		return 0;
	} catch (error) {
		if (!(error instanceof ProblemError)) throw error;
		output.stderr.write(failureText(error.problem));
		return 1;
	}
}
