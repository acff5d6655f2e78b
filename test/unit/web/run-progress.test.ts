import { expect, it } from 'vitest';
import { Run } from '../../../shared/plan/run-state.ts';
import { groupSteps } from '../../../web/state/run-groups.ts';
import { readProgress } from '../../../web/state/run-progress.ts';
import { smallPlan } from '../plan/small-plan.ts';

it('counts what an ended run broke off as still to go, and nothing as under way', async () => {
	const plan = await smallPlan();
	const run = new Run(plan);
	const [first] = run.items;
	first!.state = 'active';
	const before = readProgress(run, groupSteps(plan));
	expect(before.counts.active).toBe(1);
	expect(before.groups.some(({ state }) => state === 'active')).toBe(true);
	run.outcome = { kind: 'stopped' };
	const after = readProgress(run, groupSteps(plan));
	expect(after.counts).toMatchObject({ active: 0, queued: run.items.length });
	expect(after.groups.every(({ state }) => state === 'waiting')).toBe(true);
	expect(after.bytes.active).toBe(0);
});
