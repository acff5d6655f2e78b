import { describe, expect, it } from 'vitest';
import { formatReference } from '../../../shared/oci/reference.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import type { PruneSubject } from '../../../shared/plan/subject.ts';
import { groupSteps } from '../../../web/state/run-groups.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { smallPlan, target } from '../plan/small-plan.ts';

const some = hashOf('sha256', new Uint8Array([7]));

/** Two components, `a` and `b`, that share a blob, and a release of its own. */
async function planOfTwo(): Promise<Plan> {
	const digest = (number: number) => hashOf('sha256', new Uint8Array([number]));
	const contents = [0, 1, 2, 3, 4, 5].map((number) => ({
		digest: digest(number),
		sizeBytes: number,
		mediaType: 'a/b',
	}));
	const component = (name: string, number: number) => ({
		name,
		from: `quay.io/x/y@${some}`,
		to: formatReference({ ...target, digest: digest(number) }),
		removed: [],
	});
	const subject: PruneSubject = {
		kind: 'prune-release',
		source: { reference: 'quay.io/acme/release:1', digest: some },
		choices: {
			preset: 'placeholders',
			keep: [],
			components: [],
			exclude: [],
			toggled: [],
			repository: 'registry.test/acme/pruned',
			release: 'registry.test/acme/pruned:1',
			tagTemplate: '',
			selfContained: false,
			rewriteVersion: false,
		},
		version: { from: '1.0.0', to: '1.0.0' },
		release: { digest: digest(5), removed: [] },
		components: [component('a', 3), component('b', 4), component('elsewhere', 9)],
		untouched: 0,
		registries: [],
		files: [],
		mentions: [],
		notes: [],
	};
	const manifest = (content: number, needs: readonly number[]) =>
		({ kind: 'manifest', content, to: 1, from: [0], needs }) as const;
	return smallPlan({
		subject,
		contents,
		steps: [
			{ kind: 'blob', content: 0, to: 1, from: [0] },
			{ kind: 'blob', content: 1, to: 1, from: [0] },
			manifest(2, [0, 1]),
			manifest(3, [2]),
			manifest(4, [0]),
			manifest(5, []),
			{ kind: 'tag', content: 5, to: 1, tag: '1', expect: 'absent' },
		],
	});
}

describe('steps by what they are for', () => {
	it('are a component’s own down to its blobs, shared by several, the release’s, and tags', async () => {
		const plan = await planOfTwo();
		const groups = groupSteps(plan).map(({ name, steps }) => [
			name,
			steps.map((step) => `${step.kind} ${step.content}`),
		]);
		expect(groups).toEqual([
			['a', ['blob 1', 'manifest 2', 'manifest 3']],
			['b', ['manifest 4']],
			['shared by several', ['blob 0']],
			['release', ['manifest 5']],
			['tags', ['tag 5']],
		]);
	});

	it('are every one in exactly one group', async () => {
		const plan = await planOfTwo();
		const steps = groupSteps(plan).flatMap((group) => group.steps);
		expect(new Set(steps).size).toBe(steps.length);
		expect(steps).toHaveLength(plan.steps.length);
	});
});
