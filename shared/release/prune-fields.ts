/** The fields of a choice, and what is in them at first. Beside what reads them, as every link needs them. */
import type { PruneSelection } from './prune-selection.ts';

export const defaultTagTemplate = '{version}__{component}';

/**
 * `prune`: indexes lose children and get new digests. `sparse`: indexes keep every byte, but what goes is not copied.
 * `whole`: everything is copied as it is. A plan never switches from one to another.
 */
export const pruneModes = ['prune', 'sparse', 'whole'] as const;
export type PruneMode = (typeof pruneModes)[number];

/** What somebody has chosen so far, as text: the fields of a form, the parameters of a link, the flags of a command. */
export interface PruneDraft {
	readonly mode: PruneMode;
	readonly selection: PruneSelection;
	/** repository for component images */
	readonly to: string;
	/** reference of the release, with the tag to move */
	readonly release: string;
	/** '' for no tags on components */
	readonly tagTemplate: string;
	readonly selfContained: boolean;
	/** what is attached to what keeps its digest comes along */
	readonly attachments: boolean;
	/** '' keeps it */
	readonly version: string;
	readonly rewriteVersion: boolean;
}

/** In another mode: where bytes stay the version does. What was chosen to go stays chosen, see `inForce`. */
export function withMode(draft: PruneDraft, mode: PruneMode): PruneDraft {
	return mode === 'prune'
		? { ...draft, mode }
		: { ...draft, mode, version: '', rewriteVersion: false };
}

const nothing: PruneSelection = {
	preset: { kind: 'none' },
	components: [],
	exclude: [],
	toggled: [],
};

/** What of a draft counts in its mode: where everything is copied nothing goes, whatever is kept for another mode. */
export function inForce(draft: PruneDraft): PruneDraft {
	return draft.mode === 'whole' ? { ...draft, selection: nothing } : draft;
}

export const emptyDraft: PruneDraft = {
	mode: 'prune',
	selection: { preset: { kind: 'placeholders' }, components: [], exclude: [], toggled: [] },
	to: '',
	release: '',
	tagTemplate: defaultTagTemplate,
	selfContained: false,
	attachments: true,
	version: '',
	rewriteVersion: false,
};
