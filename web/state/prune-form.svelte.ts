/** The form of what is to be pruned: what is wrong with it, and what of that is to be said yet. */
import { storeRegistry, type Reference } from '../../shared/oci/reference.ts';
import type { PlatformKey } from '../../shared/oci/platform.ts';
import {
	readDraft,
	suggestedTarget,
	type DraftField,
	type PruneDraft,
} from '../../shared/release/prune-draft.ts';
import { inForce, withMode, type PruneMode } from '../../shared/release/prune-fields.ts';
import type { PrunePreset, PruneSelection } from '../../shared/release/prune-selection.ts';

export interface PruneFormOptions {
	readonly draft: () => PruneDraft;
	/** the release that is looked at */
	readonly reference: Reference;
	/** its version, as far as it is known */
	readonly version: () => string | undefined;
	readonly onchange: (draft: PruneDraft) => void;
}

/** Names with `*`, between commas or spaces. */
export function readGlobs(text: string): readonly string[] {
	return text.split(/[\s,]+/).filter(Boolean);
}

export class PruneForm {
	readonly #options: PruneFormOptions;
	#touched = $state.raw<readonly DraftField[]>([]);
	#isSubmitted = $state(false);
	readonly read = $derived.by(() => readDraft(inForce(this.draft)));

	constructor(options: PruneFormOptions) {
		this.#options = options;
	}

	get draft(): PruneDraft {
		return this.#options.draft();
	}

	/** Nothing is held against a field that nobody has been in yet. */
	issueOf(field: DraftField): string | undefined {
		if (this.read.ok || !(this.#isSubmitted || this.#touched.includes(field))) return undefined;
		return this.read.issues.find((issue) => issue.field === field)?.reason;
	}

	/** Whether anything is wrong with it, said yet or not. */
	isRight(field: DraftField): boolean {
		return this.read.ok || !this.read.issues.some((issue) => issue.field === field);
	}

	touch(field: DraftField): void {
		if (!this.#touched.includes(field)) this.#touched = [...this.#touched, field];
	}

	/** True where everything is right; else every issue is shown from now on. */
	submit(): boolean {
		this.#isSubmitted = true;
		return this.read.ok;
	}

	/** The first field that is not right. */
	get firstIssue(): DraftField | undefined {
		return this.read.ok ? undefined : this.read.issues[0]?.field;
	}

	set(changes: Partial<PruneDraft>): void {
		this.#options.onchange({ ...this.draft, ...changes });
	}

	select(changes: Partial<PruneSelection>): void {
		this.set({ selection: { ...this.draft.selection, ...changes } });
	}

	/** Another preset starts from the platforms that there are. */
	choose(kind: PrunePreset['kind'], platforms: readonly PlatformKey[]): void {
		this.select({ preset: kind === 'platforms' ? { kind, keep: platforms } : { kind } });
	}

	chooseMode(mode: PruneMode): void {
		this.set(withMode(this.draft, mode));
	}

	keep(platform: PlatformKey, isKept: boolean, platforms: readonly PlatformKey[]): void {
		const { preset } = this.draft.selection;
		if (preset.kind !== 'platforms') return;
		this.touch('keep');
		const keep = platforms.filter((one) => (one === platform ? isKept : preset.keep.includes(one)));
		this.select({ preset: { kind: 'platforms', keep } });
	}

	/** Beside the release in its own registry, and in the embedded one. */
	get targetSuggestions(): readonly string[] {
		const { reference } = this.#options;
		const inStore = { registry: storeRegistry, repository: reference.repository };
		const places = reference.registry === storeRegistry ? [inStore] : [reference, inStore];
		return places.map(suggestedTarget);
	}

	/** Where the component images go, as soon as that is said. */
	get releaseSuggestions(): readonly string[] {
		const { to, version } = this.draft;
		const tag = (version || this.#options.version() || 'pruned').replaceAll('+', '_');
		const places = to.trim() ? [to.trim()] : this.targetSuggestions;
		return places.map((place) => `${place}:${tag}`);
	}

	/** The fields that are not right, of those whose issues are shown. */
	get fieldsToMend(): readonly DraftField[] {
		if (this.read.ok) return [];
		return this.read.issues
			.map(({ field }) => field)
			.filter((field, at, all) => all.indexOf(field) === at && this.issueOf(field) !== undefined);
	}
}
