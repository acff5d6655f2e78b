/** Which cells of a release are to go: a preset, and single cells switched against it. */
import type { PlatformKey } from '../oci/platform.ts';
import type { Cell, ComponentCoverage, Coverage } from './coverage.ts';
import { matchesGlob } from './filter.ts';

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
	/** Component name to the platforms that go. */
	readonly dropped: ReadonlyMap<string, ReadonlySet<PlatformKey>>;
	/** Platforms of the release itself that go. */
	readonly release: ReadonlySet<PlatformKey>;
	/** Components that would lose everything. */
	readonly emptied: readonly string[];
	/** Component name to the platforms of which the preset cannot tell, because they could not be looked at. */
	readonly undecided: ReadonlyMap<string, readonly PlatformKey[]>;
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

/** An image whose platform is not known is never dropped, so it keeps its component from losing everything. */
function losesAll(
	{ cells, images }: ComponentCoverage,
	dropped: ReadonlySet<PlatformKey>,
): boolean {
	const keepsListed = cells.some((cell) => isListed(cell) && !dropped.has(cell.platform));
	return !keepsListed && images.every(({ platform }) => platform !== undefined);
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

	droppedOf({ component: { name }, cells }: ComponentCoverage): ReadonlySet<PlatformKey> {
		if (this.isExcluded(name)) return new Set();
		const preset = this.#presetFor(name);
		const dropped = cells.filter(
			(cell) => isListed(cell) && isDroppedBy(preset, cell) !== this.#isToggled(name, cell),
		);
		return new Set(dropped.map(({ platform }) => platform));
	}

	/** A cell that could not be looked at may be a placeholder; which platform it is for is known all the same. */
	undecidedOf({ component: { name }, cells }: ComponentCoverage): readonly PlatformKey[] {
		if (this.isExcluded(name) || this.#presetFor(name).kind !== 'placeholders') return [];
		const unchecked = cells.filter(
			(cell) => cell.status === 'unchecked' && !this.#isToggled(name, cell),
		);
		return unchecked.map(({ platform }) => platform);
	}

	droppedOfRelease({ platforms }: Coverage): ReadonlySet<PlatformKey> {
		const { preset, components } = this.#selection;
		if (preset.kind !== 'platforms' || components.length > 0) return new Set();
		const own = platforms.flatMap(({ platform, expected }) => (expected ? [platform] : []));
		return new Set(own.filter((platform) => !preset.keep.includes(platform)));
	}
}

/** Decides from what is known now; only what is listed can go. */
export function selectCells(coverage: Coverage, selection: PruneSelection): Selected {
	const selector = new Selector(selection);
	const dropped = new Map<string, ReadonlySet<PlatformKey>>();
	const undecided = new Map<string, readonly PlatformKey[]>();
	const emptied: string[] = [];
	for (const row of coverage.components) {
		const { name } = row.component;
		const platforms = selector.droppedOf(row);
		const unclear = selector.undecidedOf(row);
		if (unclear.length > 0) undecided.set(name, unclear);
		if (platforms.size === 0) continue;
		dropped.set(name, platforms);
		if (losesAll(row, platforms)) emptied.push(name);
	}
	return { dropped, release: selector.droppedOfRelease(coverage), emptied, undecided };
}
