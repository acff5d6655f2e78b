/** What of a plan is at its targets already: asked of what is on top first, as what lists others vouches for them. */
import { byDigest, formatReference } from '../oci/reference.ts';
import { ProblemError, saysBroken } from '../registry/problem.ts';
import type { CallOptions, RegistryReader } from '../registry/registries.ts';
import { contentAt, repositoryAt, stepsOf, type ManifestStep, type Plan } from './plan.ts';

/** How what is at a target is asked for before anything is written there. */
export interface LookOptions extends CallOptions {
	/**
	 * As who may push. Some registries show a repository that does not exist yet to nobody else; some of those make
	 * it when they are asked so, and therefore it is not the first thing to try.
	 */
	readonly asWriter?: boolean | undefined;
}

export interface SurveyOptions extends LookOptions {
	/**
	 * Counts a manifest over which the registry itself fails (500) as not there, for who is about to write it anew:
	 * docker-registry answers so for ever where a full disk cut its link short, and only writing it heals that.
	 */
	readonly failuresAreMissing?: boolean;
}

/** The steps whose manifests nothing else in the plan lists. */
function rootsOf(steps: readonly ManifestStep[]): readonly ManifestStep[] {
	const listed = new Set(
		steps.flatMap(({ to, needs }) => needs.map((content) => `${to} ${content}`)),
	);
	return steps.filter(({ to, content }) => !listed.has(`${to} ${content}`));
}

async function ask(
	plan: Plan,
	registries: RegistryReader,
	steps: readonly ManifestStep[],
	{ failuresAreMissing = false, asWriter, signal }: SurveyOptions,
): Promise<readonly ManifestStep[]> {
	const byName = new Map<string, ManifestStep>();
	for (const step of steps) {
		const { digest } = contentAt(plan, step.content);
		byName.set(formatReference(byDigest(repositoryAt(plan, step.to), digest)), step);
	}
	const requests = [...byName.values()].map((step) => ({
		kind: 'manifest' as const,
		reference: byDigest(repositoryAt(plan, step.to), contentAt(plan, step.content).digest),
		forWriting: asWriter,
	}));
	const present: ManifestStep[] = [];
	for await (const result of registries.exists(requests, { signal, fresh: true, exact: true })) {
		if (!result.ok) {
			if (failuresAreMissing && saysBroken(result.problem)) continue;
			throw new ProblemError(result.problem);
		}
		const step = byName.get(formatReference(result.request.reference));
		if (result.present && step) present.push(step);
	}
	return present;
}

/**
 * The manifests that are at their targets, level by level: below one that is there, nothing more is asked.
 * @throws ProblemError where a registry does not say
 */
export async function presentManifests(
	plan: Plan,
	registries: RegistryReader,
	options: SurveyOptions = {},
): Promise<ReadonlySet<ManifestStep>> {
	const steps = stepsOf(plan, 'manifest');
	const byPlace = new Map(steps.map((step) => [`${step.to} ${step.content}`, step]));
	const below = (step: ManifestStep): readonly ManifestStep[] =>
		step.needs.flatMap((content) => byPlace.get(`${step.to} ${content}`) ?? []);
	const present = new Set<ManifestStep>();
	const asked = new Set<ManifestStep>();
	const settle = (step: ManifestStep): void => {
		if (present.has(step)) return;
		present.add(step);
		// A sparse index is taken without its children, so it vouches for none.
		if (step.without === undefined) for (const child of below(step)) settle(child);
	};
	let level = rootsOf(steps);
	while (level.length > 0) {
		for (const step of level) asked.add(step);
		for (const step of await ask(plan, registries, level, options)) settle(step);
		const sparse = [...present].filter(({ without }) => without !== undefined);
		const next = [...level.filter((step) => !present.has(step)), ...sparse].flatMap(below);
		level = [...new Set(next)].filter((step) => !asked.has(step) && !present.has(step));
	}
	return present;
}
