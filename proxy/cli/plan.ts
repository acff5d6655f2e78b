/** `espalier plan …`: which plan. */
import type { Output } from './output.ts';
import { planUsage, UsageError } from './usage.ts';

export async function plan(args: readonly string[], output: Output): Promise<number> {
	const [kind, ...rest] = args;
	if (kind === 'prune') {
		const { planPruneCommand } = await import('./plan-prune.ts');
		return planPruneCommand(rest, output);
	}
	if (kind === '--help' || kind === '-h') {
		output.stdout.write(planUsage);
		return 0;
	}
	throw new UsageError(
		kind === undefined
			? 'Which plan? There is “espalier plan prune”.'
			: `There is no plan “${kind}”; there is “espalier plan prune”.`,
	);
}
