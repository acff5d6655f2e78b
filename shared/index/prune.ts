/** Removes children of an index, or puts others in their place; all that stays keeps its bytes. */
import { algorithmOf, isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import type { JsonEdit } from '../oci/json-text.ts';
import { attestationAnnotations, isAttestation, type Child, type Index } from '../oci/manifest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { platformKey, type PlatformKey } from '../oci/platform.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, type ProblemCode } from '../registry/problem.ts';
import { editedJson } from './edited-json.ts';
import { isRunnable } from './images.ts';

export interface RemovedChild {
	readonly digest: string;
	readonly platform: PlatformKey | undefined;
	/**
	 * `dropped`: chosen, or a nested index of which nothing is left. `attestation`: it describes a child
	 * that is removed or has another digest now. `dangling`: it describes what the index never listed.
	 */
	readonly why: 'dropped' | 'attestation' | 'dangling';
	readonly mediaType: string;
}

export interface PrunedIndex {
	readonly root: Document;
	/** New indexes, nested ones before those that list them, the root last; empty where nothing changed. */
	readonly made: readonly Document[];
	readonly removed: readonly RemovedChild[];
}

/** Whether an image goes; `platform` is undefined where neither descriptor nor config states one. */
export type Drops = (child: Child, platform: PlatformKey | undefined) => boolean;

export interface IndexContext {
	/** Nested indexes, as they were read. */
	readonly document: (digest: Digest) => Document | undefined;
	/** From their configs, for children that are listed without a platform. */
	readonly platformOf: (digest: string) => PlatformKey | undefined;
	readonly hash: HashBytes;
}

export interface IndexEdit {
	readonly drops: Drops;
	/** By the digest that is listed: what is to be listed instead. */
	readonly replace?: ReadonlyMap<string, Document>;
}

function refuse(code: ProblemCode, reason: string): never {
	throw new ProblemError({ code, origin: 'content', reason });
}

/** What becomes of one child, at its place in the index. */
type Fate =
	| { readonly kind: 'kept' }
	| { readonly kind: 'removed'; readonly why: RemovedChild['why'] }
	| { readonly kind: 'replaced'; readonly by: Document };

interface EditedIndex {
	readonly document: Document;
	/** Images below it, counted at every depth. */
	readonly images: number;
}

const kept: Fate = { kind: 'kept' };

function contentOf(document: Document): Index {
	const content = readManifest(document);
	if (content.kind === 'index') return content.index;
	const what =
		content.kind === 'malformed' ? `it cannot be read: ${content.reason}` : 'it is no index';
	return refuse('plan-impossible', `${document.digest} cannot be pruned: ${what}.`);
}

class IndexEditor {
	readonly #edit: IndexEdit;
	readonly #context: IndexContext;
	readonly #done = new Map<string, Promise<EditedIndex>>();
	readonly made: Document[] = [];
	readonly removed: RemovedChild[] = [];

	constructor(edit: IndexEdit, context: IndexContext) {
		this.#edit = edit;
		this.#context = context;
	}

	/** Each index once, however often it is listed. */
	editOnce(document: Document, depth: number): Promise<EditedIndex> {
		const known = this.#done.get(document.digest);
		if (known) return known;
		const edited = this.#editIndex(document, depth);
		this.#done.set(document.digest, edited);
		return edited;
	}

	async #editIndex(document: Document, depth: number): Promise<EditedIndex> {
		const { manifests } = contentOf(document);
		const fates: Fate[] = [];
		let images = 0;
		for (const child of manifests) {
			const { fate, images: below } = await this.#decide(child, depth);
			fates.push(fate);
			images += below;
		}
		const all = this.#followSubjects(manifests, fates);
		for (const [position, child] of manifests.entries()) {
			const fate = all[position] ?? kept;
			if (fate.kind === 'removed') this.removed.push(this.#removedChild(child, fate.why));
		}
		const bytes = this.#write(document, manifests, all);
		if (bytes === document.bytes) return { document, images };
		const digest = await this.#context.hash(algorithmOf(document.digest), bytes);
		const made = { mediaType: document.mediaType, digest, bytes };
		if (images > 0) this.made.push(made);
		return { document: made, images };
	}

	async #decide(child: Child, depth: number): Promise<{ fate: Fate; images: number }> {
		if (isAttestation(child)) return { fate: kept, images: 0 };
		if (isIndexType(child.mediaType)) return this.#decideNested(child, depth);
		if (!isRunnable(child)) return { fate: kept, images: 0 };
		if (this.#edit.drops(child, this.#platform(child))) {
			return { fate: { kind: 'removed', why: 'dropped' }, images: 0 };
		}
		const by = this.#edit.replace?.get(child.digest);
		return by && by.digest !== child.digest
			? { fate: { kind: 'replaced', by }, images: 1 }
			: { fate: kept, images: 1 };
	}

	async #decideNested(child: Child, depth: number): Promise<{ fate: Fate; images: number }> {
		const { digest } = child;
		if (depth >= limits.indexDepth) {
			refuse('plan-impossible', `The index ${digest} is nested too deep to be pruned.`);
		}
		const document = isDigest(digest) ? this.#context.document(digest) : undefined;
		if (!document) {
			refuse('plan-impossible', `The nested index ${digest} is not read, so it cannot be pruned.`);
		}
		const edited = await this.editOnce(document, depth + 1);
		if (edited.document === document) return { fate: kept, images: edited.images };
		if (edited.images === 0) return { fate: { kind: 'removed', why: 'dropped' }, images: 0 };
		return { fate: { kind: 'replaced', by: edited.document }, images: edited.images };
	}

	/** Attestations follow what they describe. An index that would not change otherwise keeps its dangling ones. */
	#followSubjects(manifests: readonly Child[], fates: readonly Fate[]): readonly Fate[] {
		if (fates.every(({ kind }) => kind === 'kept')) return fates;
		const digests = manifests.map(({ digest }) => digest);
		const stays = new Set(digests.filter((_, position) => fates[position]?.kind === 'kept'));
		const listed = new Set(digests);
		return manifests.map((child, position): Fate => {
			if (!isAttestation(child)) return fates[position] ?? kept;
			const subject = child.annotations?.[attestationAnnotations.subject];
			if (subject === undefined || !listed.has(subject)) {
				return { kind: 'removed', why: 'dangling' };
			}
			return stays.has(subject) ? kept : { kind: 'removed', why: 'attestation' };
		});
	}

	#write(document: Document, manifests: readonly Child[], fates: readonly Fate[]): Uint8Array {
		const remove = new Set<number>();
		const edits: JsonEdit[] = [];
		for (const [position, fate] of fates.entries()) {
			if (fate.kind === 'removed') remove.add(position);
			if (fate.kind !== 'replaced') continue;
			const child = manifests[position];
			if (child) refuseEmbedded(child, document, fate.by);
			edits.push(
				{ path: ['manifests', position, 'digest'], value: fate.by.digest },
				{ path: ['manifests', position, 'size'], value: fate.by.bytes.length },
			);
		}
		if (remove.size > 0) edits.push({ path: ['manifests'], remove });
		if (edits.length === 0) return document.bytes;
		return editedJson(`The index ${document.digest}`, document.bytes, edits);
	}

	#platform({ platform, digest }: Child): PlatformKey | undefined {
		return platform ? platformKey(platform) : this.#context.platformOf(digest);
	}

	#removedChild(child: Child, why: RemovedChild['why']): RemovedChild {
		const { digest, mediaType } = child;
		return { digest, mediaType, why, platform: this.#platform(child) };
	}
}

/** A descriptor may carry its content in `data`, and its media type is that of what it names. */
function refuseEmbedded(child: Child, { digest }: Document, by: Document): void {
	if (child['data'] !== undefined) {
		refuse(
			'plan-impossible',
			`The index ${digest} embeds the content of ${child.digest} in its descriptor; a changed one cannot be listed there.`,
		);
	}
	if (child.mediaType !== by.mediaType) {
		refuse(
			'plan-impossible',
			`The index ${digest} lists ${child.digest} as ${child.mediaType}, but what would take its place is ${by.mediaType}.`,
		);
	}
}

/**
 * Carries out removals and replacements in one edit, through nested indexes. Order, formatting and unknown
 * fields stay; what remains is an index of the same media type. Nothing to do gives back `root` itself.
 * @throws ProblemError `plan-impossible` where no image would be left, a nested index is not read, or a descriptor
 * that would change embeds its content; `malformed` where the text could be read in two ways
 */
export async function editIndex(
	root: Document,
	edit: IndexEdit,
	context: IndexContext,
): Promise<PrunedIndex> {
	const editor = new IndexEditor(edit, context);
	const { document, images } = await editor.editOnce(root, 0);
	if (document !== root && images === 0) {
		refuse('plan-impossible', `It would leave nothing of the index ${root.digest}.`);
	}
	const made = [...new Map(editor.made.map((each) => [each.digest, each])).values()];
	return document === root
		? { root, made: [], removed: [] }
		: { root: document, made, removed: editor.removed };
}

/**
 * Removes the images that `drops` names; see `editIndex`.
 * @throws ProblemError as `editIndex`
 */
export function pruneIndex(
	root: Document,
	drops: Drops,
	context: IndexContext,
): Promise<PrunedIndex> {
	return editIndex(root, { drops }, context);
}
