/** Sparse indexes in a run: one goes first, so that a registry that takes none says so early; and what its refusal means. */
import type { Digest } from '../oci/digest.ts';
import type { Problem } from '../registry/problem.ts';
import {
	contentAt,
	repositoryAt,
	type BlobStep,
	type ManifestStep,
	type Plan,
	type UploadStep,
} from './plan.ts';

/** Steps that are still to be done. */
export interface OpenSteps {
	readonly blobs: readonly BlobStep[];
	readonly uploads: readonly UploadStep[];
	readonly manifests: readonly ManifestStep[];
}

/** The open steps that one manifest waits for, and itself. */
function stepsFor(root: ManifestStep, open: OpenSteps): OpenSteps {
	const byPlace = new Map(open.manifests.map((step) => [`${step.to} ${step.content}`, step]));
	const manifests = new Set<ManifestStep>();
	const visit = (step: ManifestStep): void => {
		if (manifests.has(step)) return;
		manifests.add(step);
		for (const content of step.needs) {
			const below = byPlace.get(`${step.to} ${content}`);
			if (below) visit(below);
		}
	};
	visit(root);
	const needed = new Set(
		[...manifests].flatMap(({ to, needs }) => needs.map((content) => `${to} ${content}`)),
	);
	const isNeeded = ({ to, content }: BlobStep | UploadStep) => needed.has(`${to} ${content}`);
	return {
		blobs: open.blobs.filter(isNeeded),
		uploads: open.uploads.filter(isNeeded),
		manifests: open.manifests.filter((step) => manifests.has(step)),
	};
}

function sizeOf(plan: Plan, { blobs, uploads, manifests }: OpenSteps): number {
	return [...blobs, ...uploads, ...manifests].reduce(
		(sum, { content }) => sum + contentAt(plan, content).sizeBytes,
		0,
	);
}

/** For every registry that a sparse index goes to, the one that takes the fewest bytes, with what it needs. */
export function sparseFirst(plan: Plan, open: OpenSteps): readonly OpenSteps[] {
	const smallest = new Map<string, { readonly steps: OpenSteps; readonly size: number }>();
	for (const step of open.manifests) {
		if (step.without === undefined) continue;
		const { registry } = repositoryAt(plan, step.to);
		const steps = stepsFor(step, open);
		const size = sizeOf(plan, steps);
		if (size < (smallest.get(registry)?.size ?? Infinity)) smallest.set(registry, { steps, size });
	}
	return [...smallest.values()].map(({ steps }) => steps);
}

/** The children for want of which an index was refused although they are to be left out; none where it was for something else. */
function refusedFor({ without = [] }: ManifestStep, problem: Problem): readonly Digest[] {
	const { code, upstreamCode, missing = [] } = problem;
	if (code === 'parts-missing') {
		if (missing.some((digest) => !without.includes(digest))) return [];
		return missing.length > 0 ? missing : without;
	}
	// zot 2 names no child: MANIFEST_INVALID, with the index's own digest. What it says no to are the children, as
	// those of the same make were taken a moment before.
	return code === 'manifest-refused' && upstreamCode === 'MANIFEST_INVALID' ? without : [];
}

const mostNamed = 3;

/** What it means that a registry refuses one manifest of a plan: an index that is sparse on purpose is no mishap. */
export function meaningOfRefusal(step: ManifestStep, problem: Problem): Problem {
	const missing = refusedFor(step, problem);
	if (step.without === undefined || missing.length === 0) return problem;
	const named = missing.slice(0, mostNamed).join(', ');
	const more = missing.length - mostNamed;
	const reason = `${problem.registry ?? 'The registry'} takes no sparse index: it refuses ${problem.reference ?? 'one'} for want of ${named}${more > 0 ? ` and ${more} more` : ''}, which this plan leaves out. It does not switch to another way by itself.`;
	// Its `missing` stays what the registry named: where that is nothing, the reason says what is meant.
	return { ...problem, code: 'parts-missing', reason };
}
