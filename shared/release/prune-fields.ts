/** The fields of a choice, and what is in them at first. Beside what reads them, as every link needs them. */
import type { PruneSelection } from './prune-selection.ts';

export const defaultTagTemplate = '{version}__{component}';

/** What somebody has chosen so far, as text: the fields of a form, the parameters of a link, the flags of a command. */
export interface PruneDraft {
	readonly selection: PruneSelection;
	/** repository for component images */
	readonly to: string;
	/** reference of the release, with the tag to move */
	readonly release: string;
	/** '' for no tags on components */
	readonly tagTemplate: string;
	readonly selfContained: boolean;
	/** '' keeps it */
	readonly version: string;
	readonly rewriteVersion: boolean;
}

export const emptyDraft: PruneDraft = {
	selection: { preset: { kind: 'placeholders' }, components: [], exclude: [], toggled: [] },
	to: '',
	release: '',
	tagTemplate: defaultTagTemplate,
	selfContained: false,
	version: '',
	rewriteVersion: false,
};
