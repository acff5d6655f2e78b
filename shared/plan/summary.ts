/** What a plan writes and where, taken from its steps alone: whatever a plan says of itself, this is what it does. */
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { formatRepository } from '../oci/reference.ts';
import { contentAt, repositoryAt, stepsOf, type Plan, type Step, type TagStep } from './plan.ts';

export interface PlannedTag {
	readonly repository: string;
	readonly tag: string;
	readonly from: Digest | 'absent';
	readonly to: Digest | 'absent';
	readonly change: 'create' | 'move' | 'remove' | 'none';
}

/** What goes to one repository. */
export interface PlannedTarget {
	readonly repository: string;
	readonly blobs: number;
	readonly blobBytes: number;
	readonly uploads: number;
	readonly uploadBytes: number;
	readonly indexes: number;
	readonly images: number;
	/** children that its sparse indexes list and that are not copied there */
	readonly left: number;
	readonly tags: number;
}

export interface PlanSummary {
	/** every repository that is written to */
	readonly targets: readonly PlannedTarget[];
	/** every repository that is only read from */
	readonly sources: readonly string[];
	/** every registry that is contacted */
	readonly registries: readonly string[];
	readonly tags: readonly PlannedTag[];
	/** manifests that this plan made: new digests */
	readonly madeIndexes: number;
	readonly madeImages: number;
}

function changeOf({ content, expect }: TagStep, to: PlannedTag['to']): PlannedTag['change'] {
	if (to === expect) return 'none';
	if (content === undefined) return 'remove';
	return expect === 'absent' ? 'create' : 'move';
}

function targetOf(plan: Plan, place: number, steps: readonly Step[]): PlannedTarget {
	const size = (kind: 'blob' | 'upload') =>
		stepsOf({ steps }, kind).reduce(
			(sum, { content }) => sum + contentAt(plan, content).sizeBytes,
			0,
		);
	const manifests = stepsOf({ steps }, 'manifest');
	const indexes = manifests.filter(({ content }) =>
		isIndexType(contentAt(plan, content).mediaType),
	);
	return {
		repository: formatRepository(repositoryAt(plan, place)),
		blobs: stepsOf({ steps }, 'blob').length,
		blobBytes: size('blob'),
		uploads: stepsOf({ steps }, 'upload').length,
		uploadBytes: size('upload'),
		indexes: indexes.length,
		images: manifests.length - indexes.length,
		left: new Set(manifests.flatMap(({ without = [] }) => without)).size,
		tags: stepsOf({ steps }, 'tag').length,
	};
}

export function summarize(plan: Plan): PlanSummary {
	const targets = new Map<number, Step[]>();
	for (const step of plan.steps) {
		const known = targets.get(step.to);
		if (known) known.push(step);
		else targets.set(step.to, [step]);
	}
	const sources = [
		...new Set(plan.steps.flatMap((step) => ('from' in step ? step.from : []))),
	].filter((place) => !targets.has(place));
	const tags = stepsOf(plan, 'tag').map((step): PlannedTag => {
		const to = step.content === undefined ? 'absent' : contentAt(plan, step.content).digest;
		const repository = formatRepository(repositoryAt(plan, step.to));
		return { repository, tag: step.tag, from: step.expect, to, change: changeOf(step, to) };
	});
	const made = stepsOf(plan, 'manifest')
		.map(({ content }) => contentAt(plan, content))
		.filter(({ bytes }) => bytes);
	const madeIndexes = made.filter(({ mediaType }) => isIndexType(mediaType)).length;
	return {
		targets: [...targets].map(([place, steps]) => targetOf(plan, place, steps)),
		sources: sources.map((place) => formatRepository(repositoryAt(plan, place))),
		registries: [...new Set(plan.repositories.map(({ registry }) => registry))],
		tags,
		madeIndexes,
		madeImages: made.length - madeIndexes,
	};
}
