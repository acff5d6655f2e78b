/** `espalier plan …`: which plan. */
import type { Output } from './output.ts';
import { planUsage, UsageError } from './usage.ts';

export async function plan(args: readonly string[], output: Output): Promise<number> {
	const [kind, ...rest] = args;
	if (kind === 'prune') {
		const { planPruneCommand } = await import('./plan-prune.ts');
		return planPruneCommand(rest, output);
	}
	if (kind === 'show') {
		const { planShowCommand } = await import('./plan-show.ts');
		return planShowCommand(rest, output);
	}
	if (kind === '--help' || kind === '-h') {
		output.stdout.write(planUsage);
		return 0;
	}
	throw new UsageError(
		kind === undefined
			? 'Which plan? There are “espalier plan prune” and “espalier plan show”.'
			: `There is no plan “${kind}”; there are “espalier plan prune” and “espalier plan show”.`,
	);
}
