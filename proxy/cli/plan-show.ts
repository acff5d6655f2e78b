/** `espalier plan show`: what a plan would write and whom it would contact; contacts nobody. */
import { parsePlan } from '../../shared/plan/plan-file.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { planMarkdown } from '../../shared/report/plan-markdown.ts';
import { planText } from '../../shared/report/plan-text.ts';
import { hashBytes } from '../hashing.ts';
import { parseFlags } from './arguments.ts';
import { failureText } from './failure.ts';
import { readTextFile } from './files.ts';
import type { Output } from './output.ts';
import { planShowUsage, UsageError } from './usage.ts';

function readShowArguments(args: readonly string[]) {
	const { values, positionals } = parseFlags({
		args: [...args],
		options: { help: { type: 'boolean', short: 'h' }, markdown: { type: 'boolean' } },
		allowPositionals: true,
	});
	if (values.help) return undefined;
	const [file, extra] = positionals;
	if (file === undefined) throw new UsageError('“plan show” needs the file of a plan.');
	if (extra !== undefined) {
		throw new UsageError(`“plan show” takes one file; “${extra}” is one more.`);
	}
	return { file, markdown: values.markdown === true };
}

export async function planShowCommand(args: readonly string[], output: Output): Promise<number> {
	const read = readShowArguments(args);
	if (!read) {
		output.stdout.write(planShowUsage);
		return 0;
	}
	const text = await readTextFile(read.file, limits.planCharacters);
	try {
		const plan = await parsePlan(text, hashBytes);
		output.stdout.write(read.markdown ? planMarkdown(plan) : planText(plan, { allTags: true }));
		return 0;
	} catch (error) {
		if (!(error instanceof ProblemError)) throw error;
		output.stderr.write(failureText(error.problem));
		return 1;
	}
}
