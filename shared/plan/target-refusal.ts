/** What stands against a plan at its targets, as far as it is known what they take; what is only believed stands against none. */
import { isIndexType, mediaTypes } from '../oci/media-type.ts';
import type { Repository } from '../oci/reference.ts';
import {
	refusingFact,
	type CapabilityFact,
	type CapabilityName,
} from '../registry/capabilities.ts';
import { ProblemError } from '../registry/problem.ts';
import {
	contentAt,
	isInPlace,
	repositoryAt,
	stepsOf,
	type ManifestStep,
	type Plan,
} from './plan.ts';

const otherModes =
	'Prune instead (--mode prune): indexes then list only what is there, under new digests. Or copy the release whole (--mode whole).';

/** What the target has to be able to do for one index. */
function neededFor(plan: Plan, step: ManifestStep): readonly CapabilityName[] {
	const { mediaType } = contentAt(plan, step.content);
	if (!isIndexType(mediaType) || isInPlace(step)) return [];
	const kind = mediaType === mediaTypes.dockerList ? 'docker-list' : 'oci-index';
	return step.without === undefined ? [kind] : ['sparse', kind];
}

/** That a registry refuses sparse indexes, short: for where the other ways are offered beside it. */
export function sparseRefusal(fact: CapabilityFact): string {
	const { registry, evidence, basis } = fact;
	const missing = / for want of (sha\d+:[\da-f]+)/.exec(evidence)?.[1];
	const why = missing === undefined ? evidence.replace(/\.$/, '') : `missing child ${missing}`;
	return `${registry} refuses sparse indexes (${basis === 'observed' ? 'tried' : 'said'} ${day(fact)}, ${why}).`;
}

function day({ checkedAt }: CapabilityFact): string {
	return new Date(checkedAt).toISOString().slice(0, 10);
}

function refusal({ registry }: Repository, fact: CapabilityFact): string {
	const why = `${fact.evidence} (${fact.basis === 'observed' ? 'seen' : 'said'} on ${day(fact)})`;
	switch (fact.about) {
		case 'sparse':
			return `${registry} takes no sparse index: ${why}. ${otherModes}`;
		case 'docker-list':
			return `${registry} takes no Docker manifest list: ${why}. The media type is part of the bytes and is not changed.`;
		default:
			return `${registry} takes no OCI index: ${why}. The media type is part of the bytes and is not changed.`;
	}
}

/** @throws ProblemError `plan-impossible` where a target was seen, or says itself, not to take what the plan brings */
export function refuseByFacts(plan: Plan, facts: readonly CapabilityFact[]): void {
	for (const step of stepsOf(plan, 'manifest')) {
		const place = repositoryAt(plan, step.to);
		for (const about of neededFor(plan, step)) {
			const fact = refusingFact(facts, place, about);
			if (!fact) continue;
			const { registry } = place;
			const reason = refusal(place, fact);
			throw new ProblemError({ code: 'plan-impossible', origin: 'registry', reason, registry });
		}
	}
}
