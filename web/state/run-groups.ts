/** A plan's steps by what they are for: each component, what several share, and the release itself. */
import { formatReference, byDigest } from '../../shared/oci/reference.ts';
import { contentAt, repositoryAt, stepsOf, type Plan, type Step } from '../../shared/plan/plan.ts';

export interface StepGroup {
	/** a component, or “shared by several”, or “release” */
	readonly name: string;
	readonly steps: readonly Step[];
}

type PlacedStep = Exclude<Step, { kind: 'tag' }>;

function key({ to, content }: { readonly to: number; readonly content: number }): string {
	return `${to} ${content}`;
}

/** Everything that a manifest needs at its target, itself included. */
function below(root: string, steps: ReadonlyMap<string, PlacedStep>): ReadonlySet<PlacedStep> {
	const found = new Set<PlacedStep>();
	const open = [root];
	for (let name = open.pop(); name !== undefined; name = open.pop()) {
		const step = steps.get(name);
		if (!step || found.has(step)) continue;
		found.add(step);
		if (step.kind === 'manifest') {
			for (const content of step.needs) open.push(key({ to: step.to, content }));
		}
	}
	return found;
}

/** In the plan's order of components; groups without steps are left out. */
export function groupSteps(plan: Plan): readonly StepGroup[] {
	const components = plan.subject.kind === 'prune-release' ? plan.subject.components : [];
	const placed = new Map<string, PlacedStep>();
	const roots = new Map<string, string>();
	for (const step of plan.steps) {
		if (step.kind === 'tag') continue;
		placed.set(key(step), step);
		if (step.kind !== 'manifest') continue;
		const { digest } = contentAt(plan, step.content);
		roots.set(formatReference(byDigest(repositoryAt(plan, step.to), digest)), key(step));
	}
	const owners = new Map<Step, string | undefined>();
	for (const { name, to } of components) {
		for (const step of below(roots.get(to) ?? '', placed)) {
			const owner = owners.has(step) && owners.get(step) !== name ? undefined : name;
			owners.set(step, owner);
		}
	}
	const named = components.map(({ name }) => ({ name, steps: [] as Step[] }));
	const byName = new Map(named.map((group) => [group.name, group]));
	const shared = { name: 'shared by several', steps: [] as Step[] };
	const release = { name: 'release', steps: [] as Step[] };
	for (const step of placed.values()) {
		const owner = owners.get(step);
		if (owner !== undefined) byName.get(owner)?.steps.push(step);
		else (owners.has(step) ? shared : release).steps.push(step);
	}
	const tags = { name: 'tags', steps: stepsOf(plan, 'tag') };
	return [...named, shared, release, tags].filter(({ steps }) => steps.length > 0);
}
