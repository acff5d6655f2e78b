/** Which cells of a release are to go: a preset, and single cells switched against it. */
import type { PlatformKey } from '../oci/platform.ts';
import { firstDigests, type Cell, type ComponentCoverage, type Coverage } from './coverage.ts';
import { matchesGlob } from './filter.ts';
import { placeholderComponent } from './read-release.ts';

export type PrunePreset =
	| { readonly kind: 'none' }
	/** Every component keeps only real builds; the release keeps its platforms. */
	| { readonly kind: 'placeholders' }
	| { readonly kind: 'platforms'; readonly keep: readonly PlatformKey[] };

export interface PruneSelection {
	readonly preset: PrunePreset;
	/** Globs. The preset applies to these; where there are none to all, and `platforms` then to the release itself too. */
	readonly components: readonly string[];
	/** Globs. These are left as they are, whatever else is said. */
	readonly exclude: readonly string[];
	/** Cells switched against the preset. */
	readonly toggled: readonly { readonly component: string; readonly platform: PlatformKey }[];
}

export interface Selected {
	/** Component name to the platforms that go: all that is listed for them, or the placeholder alone. */
	readonly dropped: ReadonlyMap<string, ReadonlySet<PlatformKey>>;
	/**
	 * Component name to those of its dropped platforms of which only the placeholder goes, with its digest:
	 * a build that is listed after it stays.
	 */
	readonly placeholders: ReadonlyMap<string, ReadonlyMap<PlatformKey, string>>;
	/** Platforms of the release itself that go. */
	readonly release: ReadonlySet<PlatformKey>;
	/** Components that would lose everything. */
	readonly emptied: readonly string[];
	/** Component name to the platforms of which the preset cannot tell, because they could not be looked at. */
	readonly undecided: ReadonlyMap<string, readonly PlatformKey[]>;
	/** Component name to the platforms for which it keeps a placeholder, because a build is listed before it. */
	readonly shadowed: ReadonlyMap<string, readonly PlatformKey[]>;
}

function matchesAny(globs: readonly string[], name: string): boolean {
	return globs.some((glob) => matchesGlob(glob, name));
}

function isDroppedBy(preset: PrunePreset, { status, platform }: Cell): boolean {
	switch (preset.kind) {
		case 'none':
			return false;
		case 'placeholders':
			return status === 'placeholder';
		case 'platforms':
			return !preset.keep.includes(platform);
	}
}

function isListed({ digest }: Cell): boolean {
	return digest !== undefined;
}

/** An image as an index lists it; of unknown platform it is never dropped. */
export interface ListedChild {
	readonly digest: string;
	readonly platform: PlatformKey | undefined;
}

/** Whether one image of a component goes. */
export function dropsChild(
	{ dropped, placeholders }: Pick<Selected, 'dropped' | 'placeholders'>,
	component: string,
	{ digest, platform }: ListedChild,
): boolean {
	if (platform === undefined || !dropped.get(component)?.has(platform)) return false;
	const placeholder = placeholders.get(component)?.get(platform);
	return placeholder === undefined || placeholder === digest;
}

class Selector {
	readonly #selection: PruneSelection;

	constructor(selection: PruneSelection) {
		this.#selection = selection;
	}

	isExcluded(name: string): boolean {
		return matchesAny(this.#selection.exclude, name);
	}

	#presetFor(name: string): PrunePreset {
		const { preset, components } = this.#selection;
		const applies = components.length === 0 || matchesAny(components, name);
		return applies ? preset : { kind: 'none' };
	}

	#isToggled(name: string, { platform }: Cell): boolean {
		return this.#selection.toggled.some(
			(toggle) => toggle.component === name && toggle.platform === platform,
		);
	}

	droppedOf({ component: { name }, cells }: ComponentCoverage): readonly Cell[] {
		if (this.isExcluded(name)) return [];
		const preset = this.#presetFor(name);
		return cells.filter(
			(cell) => isListed(cell) && isDroppedBy(preset, cell) !== this.#isToggled(name, cell),
		);
	}

	/** Of cells that are dropped, those that the preset drops for what stands in them, and not for their platform. */
	placeholdersAmong(name: string, dropped: readonly Cell[]): ReadonlyMap<PlatformKey, string> {
		const preset = this.#presetFor(name);
		const digests = new Map<PlatformKey, string>();
		if (preset.kind !== 'placeholders') return digests;
		for (const cell of dropped) {
			if (cell.digest !== undefined && isDroppedBy(preset, cell)) {
				digests.set(cell.platform, cell.digest);
			}
		}
		return digests;
	}

	/** A cell that could not be looked at may be a placeholder; which platform it is for is known all the same. */
	undecidedOf({ component: { name }, cells }: ComponentCoverage): readonly PlatformKey[] {
		if (this.isExcluded(name) || this.#presetFor(name).kind !== 'placeholders') return [];
		const unchecked = cells.filter(
			(cell) => cell.status === 'unchecked' && !this.#isToggled(name, cell),
		);
		return unchecked.map(({ platform }) => platform);
	}

	/** @param placeholders the placeholder image's own children */
	shadowedOf(
		{ component: { name }, cells, images }: ComponentCoverage,
		placeholders: ReadonlyMap<PlatformKey, string>,
	): readonly PlatformKey[] {
		if (this.isExcluded(name) || this.#presetFor(name).kind !== 'placeholders') return [];
		const shadowed = cells.filter((cell) => {
			const digest = placeholders.get(cell.platform);
			const isListedToo = images.some(
				(image) => image.platform === cell.platform && image.digest === digest,
			);
			return isListedToo && cell.digest !== digest && !this.#isToggled(name, cell);
		});
		return shadowed.map(({ platform }) => platform);
	}

	droppedOfRelease({ platforms }: Coverage): ReadonlySet<PlatformKey> {
		const { preset, components } = this.#selection;
		if (preset.kind !== 'platforms' || components.length > 0) return new Set();
		const own = platforms.flatMap(({ platform, expected }) => (expected ? [platform] : []));
		return new Set(own.filter((platform) => !preset.keep.includes(platform)));
	}
}

function placeholdersIn({ components }: Coverage): ReadonlyMap<PlatformKey, string> {
	const row = components.find(({ component }) => component.name === placeholderComponent);
	return firstDigests(row?.images ?? []);
}

/** Decides from what is known now; only what is listed can go. */
export function selectCells(coverage: Coverage, selection: PruneSelection): Selected {
	const selector = new Selector(selection);
	const dropped = new Map<string, ReadonlySet<PlatformKey>>();
	const placeholders = new Map<string, ReadonlyMap<PlatformKey, string>>();
	const undecided = new Map<string, readonly PlatformKey[]>();
	const shadowed = new Map<string, readonly PlatformKey[]>();
	const emptied: string[] = [];
	const known = placeholdersIn(coverage);
	for (const row of coverage.components) {
		const { name } = row.component;
		const cells = selector.droppedOf(row);
		const unclear = selector.undecidedOf(row);
		if (unclear.length > 0) undecided.set(name, unclear);
		const behind = selector.shadowedOf(row, known);
		if (behind.length > 0) shadowed.set(name, behind);
		if (cells.length === 0) continue;
		dropped.set(name, new Set(cells.map(({ platform }) => platform)));
		const alone = selector.placeholdersAmong(name, cells);
		if (alone.size > 0) placeholders.set(name, alone);
		const goes = (image: ListedChild) => dropsChild({ dropped, placeholders }, name, image);
		if (row.images.every(goes)) emptied.push(name);
	}
	const release = selector.droppedOfRelease(coverage);
	return { dropped, placeholders, release, emptied, undecided, shadowed };
}
