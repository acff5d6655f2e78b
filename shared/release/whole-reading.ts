/** A release that was read to its end, with what of it is to go; and what stands against that choice. */
import type { ListedImage } from '../index/images.ts';
import type { Document } from '../oci/document.ts';
import { ProblemError } from '../registry/problem.ts';
import { assessCoverage, type Coverage } from './coverage.ts';
import { matchesGlob } from './filter.ts';
import type { Payload } from './payload.ts';
import { selectCells, type PruneSelection, type Selected } from './prune-selection.ts';
import { isRelease, type ReleaseReading } from './read-release.ts';
import type { Refusals } from './refusals.ts';

/** A release that was read well enough to make another one of it. */
export interface WholeReading {
	readonly reading: ReleaseReading;
	readonly root: Document;
	readonly payload: Payload;
	readonly coverage: Coverage;
	readonly selected: Selected;
}

function refuse(reason: string): never {
	throw new ProblemError({ code: 'plan-impossible', origin: 'content', reason });
}

/** @throws ProblemError `plan-impossible` where there is nothing to publish */
export function requireWhole(reading: ReleaseReading, selection: PruneSelection): WholeReading {
	const { root, payload, stage, problem } = reading;
	if (stage !== 'done') refuse('The release is not read to its end yet.');
	if (!root || !payload || !isRelease(reading)) {
		refuse(`There is no release to prune: ${problem?.reason ?? 'it has no payload.'}`);
	}
	const coverage = assessCoverage(reading);
	return { reading, root, payload, coverage, selected: selectCells(coverage, selection) };
}

export function refuseEmptied({ selected }: WholeReading, refusals: Refusals): void {
	const { emptied, dropped } = selected;
	if (emptied.length === 0) return;
	const names = emptied.map((name) => `${name} (${[...(dropped.get(name) ?? [])].join(', ')})`);
	refusals.add(`It would leave nothing of ${names.join(', ')}: exclude them, or keep a platform.`);
}

/** What names nothing is a slip of the pen, and would silently choose something else. */
export function refuseUnmatched(
	{ coverage }: WholeReading,
	selection: PruneSelection,
	refusals: Refusals,
): void {
	const rows = new Map(coverage.components.map((row) => [row.component.name, row]));
	for (const glob of [...selection.components, ...selection.exclude]) {
		const isMatched = [...rows.keys()].some((name) => matchesGlob(glob, name));
		if (!isMatched) refusals.add(`No component of this release is called “${glob}”.`);
	}
	for (const { component, platform } of selection.toggled) {
		const cell = rows.get(component)?.cells.find((each) => each.platform === platform);
		if (cell?.digest === undefined) {
			refusals.add(`${component} has nothing listed for ${platform} that could be switched.`);
		}
	}
}

/** The release images that stay. */
export function keptImages(
	{ reading, selected }: WholeReading,
	refusals: Refusals,
): readonly ListedImage[] {
	const kept = reading.images.filter(
		({ platform }) => !platform || !selected.release.has(platform),
	);
	if (kept.length === 0) {
		refusals.add(`It would leave nothing of the release (${[...selected.release].join(', ')}).`);
	}
	return kept;
}
