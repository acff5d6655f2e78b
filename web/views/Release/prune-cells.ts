/** Cells that are chosen for dropping: what the matrix shows of a selection, and how a switched cell changes it. */
import type { PlatformKey } from '../../../shared/oci/platform.ts';
import type { Coverage } from '../../../shared/release/coverage.ts';
import { matchesGlob } from '../../../shared/release/filter.ts';
import type { PruneMode } from '../../../shared/release/prune-fields.ts';
import {
	dropsChild,
	type ListedChild,
	type PruneSelection,
	type Selected,
} from '../../../shared/release/prune-selection.ts';

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

/** Of what goes, by component, the children that no component keeps: in a sparse copy the others come along with it. */
export function leftOut(
	{ components }: Pick<Coverage, 'components'>,
	selected: Pick<Selected, 'dropped' | 'placeholders'>,
): ReadonlyMap<string, ReadonlySet<string>> {
	const kept = new Set<string>();
	const gone = new Map<string, string[]>();
	for (const { component, images } of components) {
		const goes = (image: ListedChild) => dropsChild(selected, component.name, image);
		for (const image of images) if (!goes(image)) kept.add(image.digest);
		gone.set(
			component.name,
			images.filter(goes).map(({ digest }) => digest),
		);
	}
	return new Map(
		[...gone].map(([name, digests]) => [name, new Set(digests.filter((one) => !kept.has(one)))]),
	);
}

function totalSize(sets: ReadonlyMap<string, { readonly size: number }>): number {
	return [...sets.values()].reduce((sum, { size }) => sum + size, 0);
}

/** How much a sparse copy leaves out, and what of the chosen comes along all the same. */
export function leftOutSentence(
	coverage: Pick<Coverage, 'components'>,
	selected: Selected,
	platforms: readonly PlatformKey[],
): string {
	const left = leftOut(coverage, selected);
	const sentence = droppedSentence({ ...selected, dropped: left }, platforms, 'sparse');
	const along = totalSize(selected.dropped) - totalSize(left);
	if (along <= 0) return sentence;
	const said = totalSize(left) === 0 ? sentence.replace('left out yet', 'left out') : sentence;
	return `${said} ${along} chosen ${along === 1 ? 'child is' : 'children are'} copied all the same, with a component that keeps ${along === 1 ? 'it' : 'them'}: placeholders are the pod image’s own children.`;
}

/** How much is dropped, in one sentence. */
export function droppedSentence(
	{
		dropped,
		release,
	}: {
		readonly dropped: ReadonlyMap<string, { readonly size: number }>;
		readonly release: ReadonlySet<PlatformKey>;
	},
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
