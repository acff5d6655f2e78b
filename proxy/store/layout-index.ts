/**
 * What `index.json` of an OCI image layout says, and edits of it (OCI image-spec, image-layout.md).
 * Pure: an edit takes an index and gives a new one; unknown fields stay.
 */
import * as z from 'zod';
import type { Digest } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { isTag } from '../../shared/oci/reference.ts';

const tagAnnotation = 'org.opencontainers.image.ref.name';

const entrySchema = z.looseObject({
	mediaType: z.string(),
	digest: z.string(),
	size: z.number(),
	annotations: z.record(z.string(), z.string()).nullish(),
});

/** Its entries are held against `layoutEntriesSchema`, some at a time. */
export const layoutIndexSchema = z.looseObject({
	schemaVersion: z.literal(2),
	manifests: z.array(z.unknown()),
});
export const layoutEntriesSchema = z.array(entrySchema);

export type LayoutEntry = Readonly<z.infer<typeof entrySchema>>;
export type LayoutIndex = Readonly<
	Omit<z.infer<typeof layoutIndexSchema>, 'manifests'> & { manifests: readonly LayoutEntry[] }
>;

/** A manifest to list. */
export interface Listed {
	readonly mediaType: string;
	readonly digest: Digest;
	readonly size: number;
}

export function emptyLayoutIndex(): LayoutIndex {
	return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] };
}

function nameOf(entry: LayoutEntry): string | undefined {
	return entry.annotations?.[tagAnnotation];
}

/** The tags in lexical order. Names that are no tags, as other tools may write them, are left out. */
export function tagsOf(index: LayoutIndex): string[] {
	const names = index.manifests.flatMap((entry) => nameOf(entry) ?? []);
	return [...new Set(names)].filter(isTag).sort();
}

export function findTag(index: LayoutIndex, tag: string): LayoutEntry | undefined {
	return index.manifests.find((entry) => nameOf(entry) === tag);
}

export function isListed(index: LayoutIndex, digest: string): boolean {
	return index.manifests.some((entry) => entry.digest === digest);
}

/** Lists a manifest without a tag, unless it is listed already. */
export function withManifest(index: LayoutIndex, manifest: Listed): LayoutIndex {
	if (isListed(index, manifest.digest)) return index;
	return { ...index, manifests: [...index.manifests, { ...manifest }] };
}

function untagged(entry: LayoutEntry): LayoutEntry {
	const { annotations, ...rest } = entry;
	const { [tagAnnotation]: dropped, ...others } = annotations ?? {};
	return Object.keys(others).length > 0 ? { ...rest, annotations: others } : rest;
}

function withEntries(index: LayoutIndex, manifests: readonly LayoutEntry[]): LayoutIndex {
	return { ...index, manifests };
}

/** Sets a tag in its place, or at the end. What it pointed to stays listed without it. */
export function withTag(index: LayoutIndex, tag: string, manifest: Listed): LayoutIndex {
	const current = findTag(index, tag);
	if (current?.digest === manifest.digest) return index;
	const entry: LayoutEntry = { ...manifest, annotations: { [tagAnnotation]: tag } };
	if (!current) return withEntries(index, [...index.manifests, entry]);
	const moved = index.manifests.map((other) => (other === current ? entry : other));
	return withEntries(index, [...moved, untagged(current)]);
}

/** Removes a tag; what it pointed to stays listed without it. */
export function withoutTag(index: LayoutIndex, tag: string): LayoutIndex {
	return withEntries(
		index,
		index.manifests.map((entry) => (nameOf(entry) === tag ? untagged(entry) : entry)),
	);
}

/** Removes a manifest and all of its tags. */
export function withoutManifest(index: LayoutIndex, digest: string): LayoutIndex {
	return withEntries(
		index,
		index.manifests.filter((entry) => entry.digest !== digest),
	);
}

/**
 * Drops entries that nobody needs: those without a tag that are listed a second time, and those
 * that `isReachable` finds without them.
 */
export function settled(
	index: LayoutIndex,
	isReachable: (entry: LayoutEntry) => boolean,
): LayoutIndex {
	const seen = new Set(
		index.manifests.filter((entry) => nameOf(entry) !== undefined).map((entry) => entry.digest),
	);
	const manifests = index.manifests.filter((entry) => {
		if (nameOf(entry) !== undefined) return true;
		if (seen.has(entry.digest) || isReachable(entry)) return false;
		seen.add(entry.digest);
		return true;
	});
	return manifests.length === index.manifests.length ? index : withEntries(index, manifests);
}
