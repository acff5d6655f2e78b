/** Decides what a release is that keeps every byte: copied whole, or sparse, without the children that go. */
import { pruneIndex } from '../index/prune.ts';
import type { Without } from '../index/closure.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { PlatformKey } from '../oci/platform.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	hasDigest,
	withDefaultTag,
	type DigestReference,
	type Repository,
} from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import type { ComponentCoverage } from './coverage.ts';
import {
	indexContext,
	refuseUnreadable,
	type DropsImage,
	type PrunedComponent,
} from './prune-components.ts';
import { pruneNotes } from './prune-notes.ts';
import type { PruneChoices, PrunedRelease } from './prune-release.ts';
import { dropsChild } from './prune-selection.ts';
import type { ReleaseReading } from './read-release.ts';
import { Refusals } from './refusals.ts';
import {
	keptImages,
	refuseEmptied,
	refuseUnmatched,
	requireWhole,
	type WholeReading,
} from './whole-reading.ts';

/** A child that stays listed and is not copied. */
export interface LeftChild {
	readonly digest: Digest;
	readonly platform: PlatformKey | undefined;
}

export interface KeptRelease extends PrunedRelease {
	/** Of the release index. */
	readonly left: readonly LeftChild[];
	/** Of each component, by its name. */
	readonly leftOf: ReadonlyMap<string, readonly LeftChild[]>;
	readonly without: Without;
}

type FindDocument = (digest: Digest) => Document | undefined;

/** One index, or single image, with what is to be left out of it. */
interface Tree {
	/** '' for the release itself */
	readonly name: string;
	readonly root: Document;
	readonly to: Repository;
	readonly find: FindDocument;
	readonly left: ReadonlyMap<Digest, LeftChild>;
}

function childrenOf(document: Document): readonly string[] {
	const content = readManifest(document);
	return content.kind === 'index' ? content.index.manifests.map(({ digest }) => digest) : [];
}

/** Every manifest of a tree that is not left out, and the indexes among them. */
function keptOf({ root, find, left }: Tree): {
	readonly digests: ReadonlySet<string>;
	readonly indexes: readonly Document[];
} {
	const digests = new Set<string>([root.digest]);
	const indexes: Document[] = [];
	const visit = (document: Document): void => {
		if (!isIndexType(document.mediaType)) return;
		indexes.push(document);
		for (const digest of childrenOf(document)) {
			if (digests.has(digest) || (isDigest(digest) && left.has(digest))) continue;
			digests.add(digest);
			const below = isDigest(digest) ? find(digest) : undefined;
			if (below) visit(below);
		}
	};
	visit(root);
	return { digests, indexes };
}

/** What an index would lose were it pruned, without what it would still list elsewhere. */
async function lossOf(
	{ root, find }: Pick<Tree, 'root' | 'find'>,
	drops: DropsImage,
	{ images, hash }: { readonly images: ComponentCoverage['images']; readonly hash: HashBytes },
): Promise<ReadonlyMap<Digest, LeftChild>> {
	const platforms = new Map(images.map(({ digest, platform }) => [digest, platform]));
	const platformOf = (digest: string) => platforms.get(digest);
	const pruned = await pruneIndex(root, ({ digest }, platform) => drops({ digest, platform }), {
		document: find,
		platformOf,
		hash,
	});
	const listed = new Set([pruned.root, ...pruned.made].flatMap(childrenOf));
	const left = new Map<Digest, LeftChild>();
	for (const { digest, platform, why } of pruned.removed) {
		if (why === 'dangling' || listed.has(digest) || !isDigest(digest)) continue;
		left.set(digest, { digest, platform });
	}
	return left;
}

/** What one tree leaves out may come along for another one into the same repository: then it is there. */
function withoutShared(trees: readonly Tree[]): readonly Tree[] {
	const kept = new Map<string, Set<string>>();
	for (const tree of trees) {
		const place = formatRepository(tree.to);
		const known = kept.get(place) ?? new Set<string>();
		for (const digest of keptOf(tree).digests) known.add(digest);
		kept.set(place, known);
	}
	return trees.map((tree) => {
		const there = kept.get(formatRepository(tree.to));
		const left = [...tree.left].filter(([digest]) => !there?.has(digest));
		return { ...tree, left: new Map(left) };
	});
}

function withoutOf(trees: readonly Tree[]): Without {
	const without = new Map<Digest, Set<Digest>>();
	for (const tree of trees) {
		for (const index of keptOf(tree).indexes) {
			const gone = childrenOf(index)
				.filter(isDigest)
				.filter((digest) => tree.left.has(digest));
			if (gone.length > 0) without.set(index.digest, new Set(gone));
		}
	}
	return without;
}

interface KeptComponent {
	readonly component: PrunedComponent;
	readonly tree: Tree;
}

class ReleaseKeeper {
	readonly #whole: WholeReading;
	readonly #choices: PruneChoices;
	readonly #hash: HashBytes;
	readonly refusals = new Refusals();

	constructor(whole: WholeReading, choices: PruneChoices, hash: HashBytes) {
		this.#whole = whole;
		this.#choices = choices;
		this.#hash = hash;
	}

	async component(row: ComponentCoverage): Promise<KeptComponent | undefined> {
		const { name, reference, pullspec } = row.component;
		const { reading, selected } = this.#whole;
		const result = reference && reading.documents.byReference(withDefaultTag(reference));
		if (!reference || !result?.ok || row.root.kind !== 'read') {
			const why = row.root.kind === 'failed' ? row.root.reason : 'It is not read yet.';
			this.refusals.add(`${name} has to be copied, but could not be read: ${why}`);
			return undefined;
		}
		const root = result.document;
		const drops: DropsImage = (image) => dropsChild(selected, name, image);
		if (!refuseUnreadable(row, drops, this.refusals)) return undefined;
		const from: DigestReference = byDigest(reference, root.digest);
		const to = byDigest(this.#choices.repository, root.digest);
		const losesSome = selected.dropped.has(name);
		const tree = await this.#tree({ name, root, to, from, images: row.images, drops, losesSome });
		const component: PrunedComponent = {
			name,
			from,
			to,
			pullspec: { from: pullspec, to: formatReference(to) },
			changed: false,
			removed: [],
			made: [],
			root,
		};
		return tree && { component, tree };
	}

	release(): Promise<Tree | undefined> {
		const { reading, root, selected } = this.#whole;
		keptImages(this.#whole, this.refusals);
		return this.#tree({
			name: '',
			root,
			to: this.#choices.release,
			from: reading.asked,
			images: reading.images,
			drops: ({ platform }) => platform !== undefined && selected.release.has(platform),
			losesSome: selected.release.size > 0,
		});
	}

	async #tree({
		name,
		root,
		to,
		from,
		images,
		drops,
		losesSome,
	}: Pick<Tree, 'name' | 'root' | 'to'> & {
		readonly from: Repository;
		readonly images: ComponentCoverage['images'];
		readonly drops: DropsImage;
		readonly losesSome: boolean;
	}): Promise<Tree | undefined> {
		const { document: find } = indexContext(this.#whole.reading, from, images);
		const tree = { name, root, to, find, left: new Map<Digest, LeftChild>() };
		if (!losesSome) return tree;
		const what = name || 'The release';
		if (!isIndexType(root.mediaType)) {
			this.refusals.add(`${what} is a single image, of which nothing can be left out.`);
			return undefined;
		}
		try {
			const left = await lossOf(tree, drops, { images, hash: this.#hash });
			return { ...tree, left };
		} catch (error) {
			this.refusals.addError(what, error);
			return undefined;
		}
	}
}

/** Rules by which clusters find copies under other names go by digest. */
function namedByTag({ component: { name, reference, pullspec } }: ComponentCoverage) {
	if (!reference || hasDigest(reference)) return [];
	return [
		`${name} is named by a tag, ${pullspec}: mirror rules for digests do not lead clusters to its copy.`,
	];
}

function refuseChoices({ version, mode = 'prune' }: PruneChoices, refusals: Refusals): void {
	if (version === undefined) return;
	refusals.add(
		`A release that keeps every byte keeps its version: ${version} can be given to a pruned release only, not to a ${mode} one.`,
	);
}

/** Refuses a choice of what is to go where everything is to be copied. */
function refuseSelection({ mode, selection }: PruneChoices, refusals: Refusals): void {
	const { preset, toggled } = selection;
	if (mode !== 'whole' || (preset.kind === 'none' && toggled.length === 0)) return;
	refusals.add(
		'A release that is copied whole loses nothing: choose nothing to go, or choose to prune, or to copy a sparse release.',
	);
}

/**
 * The release as it is, with what of it is not copied. Not a byte of it changes; what a sparse one leaves out stays
 * listed.
 * @throws ProblemError `plan-impossible` with everything that stands against it
 */
export async function keepRelease(
	reading: ReleaseReading,
	choices: PruneChoices,
	{ hash }: { readonly hash: HashBytes },
): Promise<KeptRelease> {
	const whole = requireWhole(reading, choices.selection);
	const keeper = new ReleaseKeeper(whole, choices, hash);
	const { refusals } = keeper;
	refuseChoices(choices, refusals);
	refuseSelection(choices, refusals);
	refuseUnmatched(whole, choices.selection, refusals);
	refuseEmptied(whole, refusals);
	const rows = whole.coverage.components;
	const isEmptied = ({ component }: ComponentCoverage) =>
		whole.selected.emptied.includes(component.name);
	const kept = await Promise.all(
		rows.filter((row) => !isEmptied(row)).map((row) => keeper.component(row)),
	);
	const release = await keeper.release();
	refusals.throwIfAny();
	return keptRelease(
		whole,
		kept.flatMap((each) => each ?? []),
		release,
	);
}

function keptRelease(
	whole: WholeReading,
	kept: readonly KeptComponent[],
	release: Tree | undefined,
): KeptRelease {
	const { root, payload, coverage } = whole;
	const components = kept.map(({ component }) => component);
	const trees = withoutShared([...kept.map(({ tree }) => tree), ...(release ? [release] : [])]);
	const leftOf = new Map(trees.map(({ name, left }) => [name, [...left.values()]]));
	const { version } = payload.metadata;
	const notable = { ...whole, components, leftovers: [], from: version, renamed: [] };
	return {
		components,
		root,
		made: [],
		blobs: [],
		images: [],
		removed: [],
		version: { from: version, to: version },
		files: [],
		mentions: [],
		notes: [...pruneNotes(notable), ...coverage.components.flatMap(namedByTag)],
		left: leftOf.get('') ?? [],
		leftOf,
		without: withoutOf(trees),
	};
}
