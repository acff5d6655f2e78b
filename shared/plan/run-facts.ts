/** What a run has shown of the registries it wrote to: facts for the next plan. */
import type { Digest } from '../oci/digest.ts';
import { mediaTypes, isIndexType } from '../oci/media-type.ts';
import { formatReference, byDigest } from '../oci/reference.ts';
import type { Problem } from '../registry/problem.ts';
import { mergeFacts, type CapabilityFact, type CapabilityName } from '../registry/capabilities.ts';
import { contentAt, repositoryAt, type BlobStep, type ManifestStep, type TagStep } from './plan.ts';
import type { Item, Run } from './run-state.ts';

type Seen = Pick<CapabilityFact, 'about' | 'answer' | 'evidence'> & {
	/** The answer is of this repository alone. */
	readonly ofRepository?: boolean;
};

interface Observation {
	readonly run: Run;
	readonly item: Item;
	/** as people write what the step is about */
	readonly name: string;
	readonly registry: string;
}

function kindOfIndex(mediaType: string): CapabilityName {
	return mediaType === mediaTypes.dockerList ? 'docker-list' : 'oci-index';
}

/** A child that was left out, where the registry named such ones and no other: what it does not say may be about anything. */
function wantedChild(
	{ without = [] }: ManifestStep,
	{ missing = [] }: Problem,
): Digest | undefined {
	return missing.every((digest) => without.includes(digest)) ? missing[0] : undefined;
}

function ofManifest(step: ManifestStep, seen: Observation): readonly Seen[] {
	const { item, name, registry, run } = seen;
	const { mediaType } = contentAt(run.plan, step.content);
	const left = step.without?.length ?? 0;
	const { state, problem } = item;
	if (!isIndexType(mediaType)) return [];
	const about = kindOfIndex(mediaType);
	if (state === 'pushed') {
		const taken: Seen = { about, answer: 'yes', evidence: `${registry} took ${name}.` };
		if (left === 0) return [taken];
		const evidence = `${registry} took ${name}, of which ${left === 1 ? '1 child was' : `${left} children were`} left out.`;
		return [taken, { about: 'sparse', answer: 'yes', evidence }];
	}
	const wanted = problem?.code === 'parts-missing' ? wantedChild(step, problem) : undefined;
	if (wanted !== undefined) {
		const evidence = `${registry} refused ${name} for want of ${wanted}.`;
		return [{ about: 'sparse', answer: 'no', evidence }];
	}
	// MANIFEST_INVALID may be about this one index; these are about its type.
	const isOfType = problem?.status === 415 || problem?.upstreamCode === 'UNSUPPORTED';
	if (problem?.code !== 'manifest-refused' || !isOfType) return [];
	const evidence = `${registry} answered ${problem.status ?? 'with a refusal'} to ${name}, which is ${mediaType}.`;
	return [{ about, answer: 'no', evidence }];
}

function ofBlob(step: BlobStep, { item, name, registry, run }: Observation): readonly Seen[] {
	const { state } = item;
	if (state === 'mounted') {
		const evidence = `${registry} mounted ${name}.`;
		return [{ about: 'mount', answer: 'yes', evidence }];
	}
	const beside = step.from
		.map((place) => repositoryAt(run.plan, place))
		.find((source) => source.registry === registry);
	if (state !== 'copied' || !beside) return [];
	const evidence = `${registry} did not mount ${name} from ${beside.repository}; it was copied.`;
	return [{ about: 'mount', answer: 'no', evidence, ofRepository: true }];
}

function ofTag(step: TagStep, { item, name, registry }: Observation): readonly Seen[] {
	const { state, problem } = item;
	const ofRepository = true;
	if (problem?.code === 'tag-immutable') {
		const evidence = `${registry} did not let ${name} be changed.`;
		return [{ about: 'immutable-tags', answer: 'yes', evidence, ofRepository }];
	}
	if (step.content === undefined) {
		if (problem?.code === 'unsupported') {
			const evidence = `${registry} did not remove ${name}.`;
			return [{ about: 'tag-deletion', answer: 'no', evidence, ofRepository }];
		}
		if (state !== 'moved') return [];
		const evidence = `${registry} removed ${name}.`;
		return [{ about: 'tag-deletion', answer: 'yes', evidence, ofRepository }];
	}
	if (state !== 'moved' || step.expect === 'absent') return [];
	const evidence = `${registry} let ${name} be moved.`;
	return [{ about: 'immutable-tags', answer: 'no', evidence, ofRepository }];
}

function seenIn(run: Run, item: Item): readonly Seen[] {
	const { step } = item;
	const place = repositoryAt(run.plan, step.to);
	const name =
		step.kind === 'tag'
			? formatReference({ ...place, tag: step.tag })
			: formatReference(byDigest(place, contentAt(run.plan, step.content).digest));
	const observation = { run, item, name, registry: place.registry };
	switch (step.kind) {
		case 'manifest':
			return ofManifest(step, observation);
		case 'blob':
			return ofBlob(step, observation);
		case 'tag':
			return ofTag(step, observation);
		case 'upload':
			return [];
		default:
			return step satisfies never;
	}
}

/**
 * What was seen while a plan was run, however the run ended.
 * @param checkedAt when it ended, in milliseconds since 1970
 */
export function factsOfRun(run: Run, checkedAt: number): readonly CapabilityFact[] {
	const facts = run.items.flatMap((item) => {
		const { registry, repository } = repositoryAt(run.plan, item.step.to);
		return seenIn(run, item).map(({ ofRepository = false, ...seen }): CapabilityFact => {
			const place = ofRepository ? { registry, repository } : { registry };
			return { ...place, ...seen, basis: 'observed', checkedAt };
		});
	});
	return mergeFacts(facts);
}
