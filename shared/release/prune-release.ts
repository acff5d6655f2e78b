/** Decides what a pruned release is, down to every byte; nothing is written here. */
import valid from 'semver/functions/valid.js';
import { editIndex, type PrunedIndex, type RemovedChild } from '../index/prune.ts';
import type { ListedImage } from '../index/images.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { PlatformKey } from '../oci/platform.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import { ProblemError } from '../registry/problem.ts';
import { assessCoverage, type Coverage } from './coverage.ts';
import type { Payload } from './payload.ts';
import type { RewrittenPayload } from './payload-rewrite.ts';
import { matchesGlob } from './filter.ts';
import { indexContext, pruneComponents, type PrunedComponent } from './prune-components.ts';
import { pruneNotes } from './prune-notes.ts';
import { selectCells, type PruneSelection, type Selected } from './prune-selection.ts';
import { isRelease, type ReleaseReading } from './read-release.ts';
import {
	readReleaseImages,
	rebuildImages,
	type MadeBlob,
	type RebuildTools,
	type RebuiltImages,
	type ReleaseChanges,
} from './rebuild-release.ts';
import { Refusals } from './refusals.ts';
import type { VersionMention } from './version-mentions.ts';

export interface PruneChoices {
	readonly selection: PruneSelection;
	/** where changed component images go */
	readonly repository: Repository;
	/** the release itself; its tag is moved last */
	readonly release: Reference & { readonly tag: string };
	/** '' for none; {version} and {component} are filled in */
	readonly tagTemplate: string;
	/** Components that do not change go along. */
	readonly selfContained: boolean;
	/** a new version; absent, it stays */
	readonly version?: string | undefined;
	/** with a new version: also where manifests name the old one */
	readonly rewriteVersion: boolean;
}

export interface PrunedReleaseImage {
	readonly platform: PlatformKey | undefined;
	readonly from: Digest;
	readonly to: Digest;
}

export interface PrunedRelease {
	/** In the payload's order; those that could not be read are in `notes`. */
	readonly components: readonly PrunedComponent[];
	readonly root: Document;
	/** Release manifests and indexes, the root last; empty where nothing changed. */
	readonly made: readonly Document[];
	readonly blobs: readonly MadeBlob[];
	/** The release images that stay. */
	readonly images: readonly PrunedReleaseImage[];
	/** Children of the release index that go. */
	readonly removed: readonly RemovedChild[];
	readonly version: { readonly from: string; readonly to: string };
	/** Payload files with new pullspecs. */
	readonly files: RewrittenPayload['files'];
	readonly mentions: readonly VersionMention[];
	/**
	 * What stands against nothing, but should be known, as sentences: components that stay because they could not be read,
	 * cells that may be placeholders but could not be looked at, placeholders behind a build, digests in another form
	 * than a pullspec, and release images of several versions where they are renamed.
	 */
	readonly notes: readonly string[];
}

/** A release that was read well enough to make another one of it. */
interface WholeReading {
	readonly reading: ReleaseReading;
	readonly root: Document;
	readonly payload: Payload;
	readonly coverage: Coverage;
	readonly selected: Selected;
}

function refuse(reason: string): never {
	throw new ProblemError({ code: 'plan-impossible', origin: 'content', reason });
}

function requireWhole(reading: ReleaseReading, selection: PruneSelection): WholeReading {
	const { root, payload, stage, problem } = reading;
	if (stage !== 'done') refuse('The release is not read to its end yet.');
	if (!root || !payload || !isRelease(reading)) {
		refuse(`There is no release to prune: ${problem?.reason ?? 'it has no payload.'}`);
	}
	const coverage = assessCoverage(reading);
	return { reading, root, payload, coverage, selected: selectCells(coverage, selection) };
}

function refuseEmptied({ selected }: WholeReading, refusals: Refusals): void {
	const { emptied, dropped } = selected;
	if (emptied.length === 0) return;
	const names = emptied.map((name) => `${name} (${[...(dropped.get(name) ?? [])].join(', ')})`);
	refusals.add(`It would leave nothing of ${names.join(', ')}: exclude them, or keep a platform.`);
}

/** What names nothing is a slip of the pen, and would silently choose something else. */
function refuseUnmatched(
	{ coverage }: WholeReading,
	{ selection }: PruneChoices,
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

function refuseVersion({ version }: PruneChoices, refusals: Refusals): void {
	if (version === undefined || (/^\d\S*$/.test(version) && valid(version) !== null)) return;
	refusals.add(`“${version}” is not a semantic version, such as 4.20.0-acme.1.`);
}

function componentList({ imageReferences }: Payload): string {
	return imageReferences.components.map(({ name, pullspec }) => `${name} ${pullspec}`).join('\n');
}

/** One decision for all release images needs the same components in all of them. */
function refuseDifferentPayloads(
	{ reading, payload }: WholeReading,
	kept: readonly ListedImage[],
	refusals: Refusals,
): void {
	const expected = componentList(payload);
	const digests = new Set(kept.map(({ digest }) => digest));
	const others = reading.payloads.filter(
		(each) => digests.has(each.digest) && each.payload && componentList(each.payload) !== expected,
	);
	if (others.length === 0) return;
	const names = others.map(({ platform, digest }) => platform ?? digest);
	refusals.add(
		`The release images do not name the same components: those for ${names.join(', ')} differ from the others.`,
	);
}

function keptImages(
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

async function rebuildRoot(
	{ reading, root, selected }: WholeReading,
	replace: RebuiltImages['replaced'],
	{ hash }: RebuildTools,
): Promise<PrunedIndex> {
	if (!isIndexType(root.mediaType)) {
		return { root: replace.get(root.digest) ?? root, made: [], removed: [] };
	}
	const drops = (_: unknown, platform: PlatformKey | undefined) =>
		platform !== undefined && selected.release.has(platform);
	const context = indexContext(reading, reading.asked, reading.images);
	return editIndex(root, { drops, replace }, { ...context, hash });
}

/** Components that could not be read are named too: nothing may happen to their pullspecs. */
function changesOf(
	{ payload }: WholeReading,
	components: readonly PrunedComponent[],
	{ version, rewriteVersion }: PruneChoices,
): ReleaseChanges {
	const all = payload.imageReferences.components;
	const pullspecs = new Map(all.map(({ pullspec }) => [pullspec, pullspec]));
	for (const { pullspec } of components) pullspecs.set(pullspec.from, pullspec.to);
	return {
		pullspecs,
		rename: version === undefined ? undefined : { to: version, everywhere: rewriteVersion },
	};
}

/** Of several payloads, what the first does not say already. */
function distinct<T>(lists: readonly (readonly T[])[]): readonly T[] {
	return [...new Map(lists.flat().map((each) => [JSON.stringify(each), each])).values()];
}

function imagesOf(
	kept: readonly ListedImage[],
	replaced: RebuiltImages['replaced'],
): readonly PrunedReleaseImage[] {
	return kept.flatMap(({ digest, platform }) =>
		isDigest(digest)
			? [{ platform, from: digest, to: replaced.get(digest)?.digest ?? digest }]
			: [],
	);
}

/**
 * The pruned release of a reading that is at its end, with all digests. The same reading and choices give the
 * same bytes everywhere. Where nothing changes, every document is the one that was read.
 * @throws ProblemError `plan-impossible` with everything that stands against it; `payload-invalid`, `malformed`
 * or `unsupported` where the payload cannot be rewritten
 */
export async function pruneRelease(
	reading: ReleaseReading,
	choices: PruneChoices,
	tools: RebuildTools,
): Promise<PrunedRelease> {
	const whole = requireWhole(reading, choices.selection);
	const refusals = new Refusals();
	const old = whole.payload.metadata.version;
	const version = { from: old, to: choices.version ?? old };
	refuseVersion(choices, refusals);
	refuseUnmatched(whole, choices, refusals);
	refuseEmptied(whole, refusals);
	const kept = keptImages(whole, refusals);
	const images = readReleaseImages(reading, kept, refusals);
	refuseDifferentPayloads(whole, kept, refusals);
	const components = await pruneComponents(
		reading,
		whole.coverage.components.filter(
			({ component }) => !whole.selected.emptied.includes(component.name),
		),
		{ ...choices, selected: whole.selected, hash: tools.hash },
		refusals,
	);
	refusals.throwIfAny();
	const changes = changesOf(whole, components, choices);
	const rebuilt = await rebuildImages(images, changes, tools);
	const { root, made, removed } = await rebuildRoot(whole, rebuilt.replaced, tools);
	return {
		components,
		root,
		made: [...rebuilt.replaced.values(), ...made],
		blobs: rebuilt.blobs,
		images: imagesOf(kept, rebuilt.replaced),
		removed,
		version,
		files: distinct(rebuilt.payloads.map(({ files }) => files)),
		mentions: distinct(rebuilt.payloads.map(({ mentions }) => mentions)),
		notes: pruneNotes({
			...whole,
			components,
			leftovers: distinct(rebuilt.payloads.map(({ leftovers }) => leftovers)),
			from: old,
			renamed: changes.rename ? images : [],
		}),
	};
}
