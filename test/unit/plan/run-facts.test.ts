import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../shared/oci/digest.ts';
import { stepsOf, type Step } from '../../../shared/plan/plan.ts';
import { factsOfRun } from '../../../shared/plan/run-facts.ts';
import { Run, type ItemState } from '../../../shared/plan/run-state.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import { smallPlan, source, target } from './small-plan.ts';

const beside = { registry: target.registry, repository: 'acme/beside' };

function refusal(changes: Partial<Problem>): Problem {
	return { code: 'internal', origin: 'registry', reason: 'No.', ...changes };
}

/** A run of the small plan one of whose items ended so. */
async function ran(
	kind: Step['kind'],
	end: ItemState | Problem,
	{ from = source, step = {} }: { from?: typeof source; step?: object } = {},
) {
	const { steps, contents } = await smallPlan();
	const plan = await smallPlan({
		contents,
		repositories: [from, target],
		steps: steps.map((each) => (each.kind === kind ? { ...each, ...step } : each)),
	});
	const run = new Run(plan);
	const item = run.item(stepsOf(plan, kind).at(-1)!);
	if (typeof end === 'string') item.state = end;
	else run.fail(item, end);
	return factsOfRun(run, 7).map(({ about, answer, basis, repository, checkedAt }) => {
		expect({ basis, checkedAt }).toEqual({ basis: 'observed', checkedAt: 7 });
		return [about, answer, repository ?? 'everywhere'].join(' ');
	});
}

describe('a run shows', () => {
	it('that an index of a type was taken, or that its type was not', async () => {
		expect(await ran('manifest', 'pushed')).toEqual(['oci-index yes everywhere']);
		const type = refusal({ code: 'manifest-refused', status: 415 });
		expect(await ran('manifest', type)).toEqual(['oci-index no everywhere']);
	});

	it('nothing of a type where one index was invalid, or where it was there already', async () => {
		const invalid = { code: 'manifest-refused', upstreamCode: 'MANIFEST_INVALID' } as const;
		expect(await ran('manifest', refusal({ ...invalid, status: 400 }))).toEqual([]);
		expect(await ran('manifest', refusal({ code: 'parts-missing' }))).toEqual([]);
		expect(await ran('manifest', 'existed')).toEqual([]);
	});

	it('that a sparse index is refused for what was left out, and for nothing else', async () => {
		const left = `sha256:${'1'.repeat(64)}` as Digest;
		const other = `sha256:${'2'.repeat(64)}` as Digest;
		const sparse = { step: { without: [left] } };
		const wants = (...missing: Digest[]) => refusal({ code: 'parts-missing', missing });
		expect(await ran('manifest', wants(left), sparse)).toEqual(['sparse no everywhere']);
		expect(await ran('manifest', wants(), sparse)).toEqual([]);
		expect(await ran('manifest', wants(left, other), sparse)).toEqual([]);
		expect(await ran('manifest', wants(other), sparse)).toEqual([]);
	});

	it('that a blob was mounted, or copied although it could have been', async () => {
		expect(await ran('blob', 'mounted', { from: beside })).toEqual(['mount yes everywhere']);
		expect(await ran('blob', 'copied', { from: beside })).toEqual(['mount no acme/pruned']);
		expect(await ran('blob', 'copied')).toEqual([]);
	});

	it('whether tags of a repository move', async () => {
		const expected = `sha256:${'0'.repeat(64)}`;
		const there = { step: { expect: expected } };
		expect(await ran('tag', 'moved', there)).toEqual(['immutable-tags no acme/pruned']);
		expect(await ran('tag', 'moved')).toEqual([]);
		expect(await ran('tag', refusal({ code: 'tag-immutable' }))).toEqual([
			'immutable-tags yes acme/pruned',
		]);
	});

	it('whether tags of a repository are removed', async () => {
		const gone = { step: { content: undefined } };
		expect(await ran('tag', 'moved', gone)).toEqual(['tag-deletion yes acme/pruned']);
		expect(await ran('tag', refusal({ code: 'unsupported' }), gone)).toEqual([
			'tag-deletion no acme/pruned',
		]);
		expect(await ran('tag', refusal({ code: 'timeout' }), gone)).toEqual([]);
	});
});

it('a run that did nothing shows nothing', async () => {
	const run = new Run(await smallPlan());
	expect(factsOfRun(run, 7)).toEqual([]);
});
