/** What becomes of each component of a release that is pruned. */
import {
	pruneIndex,
	type Drops,
	type IndexContext,
	type PrunedIndex,
	type RemovedChild,
} from '../index/prune.ts';
import type { Document } from '../oci/document.ts';
import { isIndexType } from '../oci/media-type.ts';
import {
	byDigest,
	formatReference,
	hasDigest,
	withDefaultTag,
	type DigestReference,
	type Reference,
	type Repository,
} from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import type { ComponentCoverage } from './coverage.ts';
import { dropsChild, type ListedChild, type Selected } from './prune-selection.ts';
import type { ReleaseReading } from './read-release.ts';
import type { Refusals } from './refusals.ts';

export interface PrunedComponent {
	readonly name: string;
	readonly from: DigestReference;
	readonly to: DigestReference;
	/** as payloads write them, before and after */
	readonly pullspec: { readonly from: string; readonly to: string };
	/** It has another digest now. */
	readonly changed: boolean;
	readonly removed: readonly RemovedChild[];
	/** New indexes, nested ones first; empty where it did not change. */
	readonly made: readonly Document[];
	readonly root: Document;
}

export interface ComponentTargets {
	readonly selected: Selected;
	/** where changed component images go */
	readonly repository: Repository;
	/** also those that do not change */
	readonly selfContained: boolean;
	readonly hash: HashBytes;
}

/** How the documents of one repository are found while its indexes are edited. */
export function indexContext(
	{ documents }: ReleaseReading,
	repository: Repository,
	images: ComponentCoverage['images'],
): Omit<IndexContext, 'hash'> {
	const platforms = new Map(images.map(({ digest, platform }) => [digest, platform]));
	return {
		document: (digest) => {
			const result = documents.manifest(repository, digest);
			return result?.ok ? result.document : undefined;
		},
		platformOf: (digest) => platforms.get(digest),
	};
}

export type DropsImage = (image: ListedChild) => boolean;

/** What is kept must be there: a written index may not list what cannot be copied. @returns whether it all is */
export function refuseUnreadable(
	{ component, images }: ComponentCoverage,
	drops: DropsImage,
	refusals: Refusals,
): boolean {
	let isWhole = true;
	for (const { platform, digest, state } of images) {
		if (state.kind === 'read' || drops({ platform, digest })) continue;
		isWhole = false;
		const why = state.kind === 'pending' ? 'It is not read yet.' : state.reason;
		refusals.add(`${component.name} for ${platform ?? digest} has to be written, but: ${why}`);
	}
	return isWhole;
}

class ComponentPruner {
	readonly #reading: ReleaseReading;
	readonly #targets: ComponentTargets;
	readonly #refusals: Refusals;

	constructor(reading: ReleaseReading, targets: ComponentTargets, refusals: Refusals) {
		this.#reading = reading;
		this.#targets = targets;
		this.#refusals = refusals;
	}

	async prune(row: ComponentCoverage): Promise<PrunedComponent | undefined> {
		const { component, images, root } = row;
		const { name, reference } = component;
		const { selected, selfContained } = this.#targets;
		const losesSome = selected.dropped.has(name);
		const isWritten = selfContained || losesSome;
		const document = reference && this.#rootDocument(reference);
		if (!reference || !document || root.kind !== 'read') {
			const why = root.kind === 'failed' ? root.reason : 'It is not read yet.';
			if (isWritten) this.#refusals.add(`${name} has to be written, but could not be read: ${why}`);
			return undefined;
		}
		if (isWritten && !hasDigest(reference)) {
			this.#refusals.add(
				`${name} is named by a tag, ${component.pullspec}, so its pullspec cannot be replaced.`,
			);
			return undefined;
		}
		const drops: DropsImage = (image) => dropsChild(selected, name, image);
		if (isWritten && !refuseUnreadable(row, drops, this.#refusals)) return undefined;
		const context = indexContext(this.#reading, reference, images);
		const pruned = losesSome
			? await this.#pruneIndex(name, document, { drops, context })
			: { root: document, made: [], removed: [] };
		return pruned && this.#place(row, reference, { document, pruned });
	}

	#rootDocument(reference: Reference): Document | undefined {
		const result = this.#reading.documents.byReference(withDefaultTag(reference));
		return result?.ok ? result.document : undefined;
	}

	async #pruneIndex(
		name: string,
		root: Document,
		{ drops, context }: { drops: DropsImage; context: Omit<IndexContext, 'hash'> },
	): Promise<PrunedIndex | undefined> {
		if (!isIndexType(root.mediaType)) {
			this.#refusals.add(`${name} is a single image, of which nothing can be removed.`);
			return undefined;
		}
		try {
			const dropsListed: Drops = ({ digest }, platform) => drops({ digest, platform });
			return await pruneIndex(root, dropsListed, { ...context, hash: this.#targets.hash });
		} catch (error) {
			this.#refusals.addError(name, error);
			return undefined;
		}
	}

	#place(
		{ component: { name, pullspec } }: ComponentCoverage,
		reference: Reference,
		{ document, pruned }: { document: Document; pruned: PrunedIndex },
	): PrunedComponent {
		const { repository, selfContained } = this.#targets;
		const { root, made, removed } = pruned;
		const from = { ...reference, digest: document.digest };
		const changed = root.digest !== document.digest;
		const isThere =
			from.registry === repository.registry && from.repository === repository.repository;
		const moves = changed || (selfContained && !isThere);
		const to = byDigest(moves ? repository : from, root.digest);
		const newPullspec = moves ? formatReference(to) : pullspec;
		return {
			name,
			from,
			to,
			pullspec: { from: pullspec, to: newPullspec },
			changed,
			removed,
			made,
			root,
		};
	}
}

/** One pullspec in a file cannot become two. */
function refuseConflicts(components: readonly PrunedComponent[], refusals: Refusals): void {
	const first = new Map<string, PrunedComponent>();
	for (const component of components) {
		const { from, to } = component.pullspec;
		const other = first.get(from);
		if (!other) first.set(from, component);
		else if (other.pullspec.to !== to) {
			refusals.add(
				`${other.name} and ${component.name} are named by one pullspec, ${from}, but would become ${other.pullspec.to} and ${to}.`,
			);
		}
	}
}

/** The components that could be read, in the payload's order; what stands against them goes to `refusals`. */
export async function pruneComponents(
	reading: ReleaseReading,
	rows: readonly ComponentCoverage[],
	targets: ComponentTargets,
	refusals: Refusals,
): Promise<readonly PrunedComponent[]> {
	const pruner = new ComponentPruner(reading, targets, refusals);
	const all = await Promise.all(rows.map((row) => pruner.prune(row)));
	const components = all.filter((component) => component !== undefined);
	refuseConflicts(components, refusals);
	return components;
}
