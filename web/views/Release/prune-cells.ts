/** Cells that are chosen for dropping: what the matrix shows of a selection, and how a switched cell changes it. */
import type { PlatformKey } from '../../../shared/oci/platform.ts';
import { matchesGlob } from '../../../shared/release/filter.ts';
import type { PruneMode } from '../../../shared/release/prune-fields.ts';
import type { PruneSelection, Selected } from '../../../shared/release/prune-selection.ts';

/** What a row of the matrix needs to know while something is being pruned. */
export interface PruneCells {
	isDropped(component: string, platform: PlatformKey): boolean;
	/** Components that are to be left as they are have nothing to switch. */
	isLeftAlone(component: string): boolean;
	toggle(component: string, platform: PlatformKey): void;
}

export function pruneCells(
	selection: PruneSelection,
	{ dropped }: Selected,
	onselection: (selection: PruneSelection) => void,
): PruneCells {
	return {
		isDropped: (component, platform) => dropped.get(component)?.has(platform) ?? false,
		isLeftAlone: (component) => selection.exclude.some((glob) => matchesGlob(glob, component)),
		toggle: (component, platform) => onselection(toggleCell(selection, component, platform)),
	};
}

/** Switches one cell against what the preset says, or back. */
export function toggleCell(
	selection: PruneSelection,
	component: string,
	platform: PlatformKey,
): PruneSelection {
	const isSame = (cell: PruneSelection['toggled'][number]) =>
		cell.component === component && cell.platform === platform;
	const toggled = selection.toggled.some(isSame)
		? selection.toggled.filter((cell) => !isSame(cell))
		: [...selection.toggled, { component, platform }];
	return { ...selection, toggled };
}

/** How much is dropped, in one sentence. */
export function droppedSentence(
	{ dropped, release }: Selected,
	platforms: readonly PlatformKey[],
	mode: PruneMode = 'prune',
): string {
	const [nothing, gone] =
		mode === 'sparse' ? ['left out', 'left out, but still listed'] : ['dropped', 'dropped'];
	const components = [...dropped.values()].filter(({ size }) => size > 0);
	const children = components.reduce((sum, { size }) => sum + size, 0);
	const kept = platforms.filter((platform) => !release.has(platform));
	const what =
		children === 0
			? `Nothing is ${nothing} yet`
			: `${children} ${children === 1 ? 'child' : 'children'} of ${components.length} ${components.length === 1 ? 'component' : 'components'} ${children === 1 ? 'is' : 'are'} ${gone}`;
	return `${what}; the release keeps ${kept.length > 0 ? kept.join(', ') : 'no platform'}.`;
}
