/** Decides what a pruned release is, down to every byte; nothing is written here. */
import valid from 'semver/functions/valid.js';
import { editIndex, type PrunedIndex, type RemovedChild } from '../index/prune.ts';
import type { ListedImage } from '../index/images.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { PlatformKey } from '../oci/platform.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type { Payload } from './payload.ts';
import type { RewrittenPayload } from './payload-rewrite.ts';
import { indexContext, pruneComponents, type PrunedComponent } from './prune-components.ts';
import type { PruneMode } from './prune-fields.ts';
import { pruneNotes } from './prune-notes.ts';
import type { PruneSelection } from './prune-selection.ts';
import type { ReleaseReading } from './read-release.ts';
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
import {
	keptImages,
	refuseEmptied,
	refuseUnmatched,
	requireWhole,
	type WholeReading,
} from './whole-reading.ts';

export interface PruneChoices {
	/** `prune` where it is left out */
	readonly mode?: PruneMode | undefined;
	readonly selection: PruneSelection;
	/** where changed component images go */
	readonly repository: Repository;
	/** the release itself; its tag is moved last */
	readonly release: Reference & { readonly tag: string };
	/** '' for none; {version} and {component} are filled in */
	readonly tagTemplate: string;
	/** Components that do not change go along. */
	readonly selfContained: boolean;
	/** Whether what is attached to what keeps its digest comes along; it does where it is not said. */
	readonly attachments?: boolean | undefined;
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
	refuseUnmatched(whole, choices.selection, refusals);
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
