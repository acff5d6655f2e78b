/** From a plan back to the selection that it was made of. */
import { pruneParams } from '../../../shared/link/prune-params.ts';
import type { ReleaseParams, Route } from '../../../shared/link/route.ts';
import { parsePlatform, type PlatformKey } from '../../../shared/oci/platform.ts';
import type { PruneDraft } from '../../../shared/release/prune-fields.ts';
import type { PrunePreset } from '../../../shared/release/prune-selection.ts';
import { modeOf, type PruneSubject } from '../../../shared/plan/subject.ts';

function platforms(texts: readonly string[]): readonly PlatformKey[] {
	return texts.flatMap((text) => parsePlatform(text) ?? []);
}

function presetOf({ preset, keep }: PruneSubject['choices']): PrunePreset {
	return preset === 'platforms' ? { kind: preset, keep: platforms(keep) } : { kind: preset };
}

/** What was chosen, as a plan says it. */
export function draftOfPlan({ choices }: PruneSubject): PruneDraft {
	return {
		mode: modeOf({ choices }),
		selection: {
			preset: presetOf(choices),
			components: choices.components,
			exclude: choices.exclude,
			toggled: choices.toggled.flatMap(({ component, platform }) =>
				platforms([platform]).map((key) => ({ component, platform: key })),
			),
		},
		to: choices.repository,
		release: choices.release,
		tagTemplate: choices.tagTemplate,
		selfContained: choices.selfContained,
		attachments: choices.attachments !== false,
		version: choices.version ?? '',
		rewriteVersion: choices.rewriteVersion,
	};
}

/** Parameters without those that are not there. */
function tidy(params: Record<string, unknown>): Partial<ReleaseParams> {
	return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}

/** The plan of another choice of the same release. */
export function planOf(params: ReleaseParams, draft: PruneDraft): Route {
	const { ref, ...others } = { ...params, ...pruneParams(draft) };
	return { view: 'plan', params: { ref, ...tidy(others) } };
}

/** The release with the selection open, or its plan made anew. */
export function routeOfPlan(subject: PruneSubject, view: 'release' | 'plan'): Route {
	const params = tidy(pruneParams(draftOfPlan(subject)));
	return { view, params: { ref: subject.source.reference, ...params } };
}
