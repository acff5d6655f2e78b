/** Removes children of an index, or puts others in their place; all that stays keeps its bytes. */
import { algorithmOf, isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import type { JsonEdit } from '../oci/json-text.ts';
import { isAttestation, type Child, type Index } from '../oci/manifest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { platformKey, type PlatformKey } from '../oci/platform.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, type ProblemCode } from '../registry/problem.ts';
import { lostAttestations, type AttestationLoss, type ListedDigests } from './attestations.ts';
import { editedJson } from './edited-json.ts';
import { isRunnable } from './images.ts';

export interface RemovedChild {
	readonly digest: string;
	readonly platform: PlatformKey | undefined;
	/**
	 * `dropped`: chosen, or a nested index of which nothing is left. `attestation`: it describes a child
	 * that is removed or has another digest now. `dangling`: it describes what the index never listed.
	 */
	readonly why: 'dropped' | AttestationLoss;
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

interface EditedIndex extends ListedDigests {
	readonly document: Document;
	/** Images below it, counted at every depth. */
	readonly images: number;
}

interface Decision {
	readonly fate: Fate;
	/** at or below the child */
	readonly images: number;
	/** where it is an index */
	readonly below?: ListedDigests;
}

const kept: Fate = { kind: 'kept' };

/** Keys that mean something here; descriptor.md and image-index.md of the OCI image-spec. */
const descriptorKeys = [
	'mediaType',
	'digest',
	'size',
	'platform',
	'annotations',
	'artifactType',
	'data',
	'urls',
];
const platformKeys = ['os', 'architecture', 'variant', 'os.version', 'os.features'];

/** Where a key is repeated two readers could see two children, and an edit would vouch for one of them. */
function checksOf(manifests: readonly Child[]): readonly JsonEdit[] {
	return manifests.flatMap(({ platform }, position): JsonEdit[] => {
		const path = ['manifests', position];
		const own: JsonEdit = { path, once: descriptorKeys };
		return platform ? [own, { path: [...path, 'platform'], once: platformKeys }] : [own];
	});
}

/** A nested index that is listed again adds nothing. */
function digestsBelow(decisions: readonly Decision[]): ListedDigests {
	const all = new Set(decisions.flatMap(({ below }) => below ?? []));
	return {
		listed: new Set([...all].flatMap(({ listed }) => [...listed])),
		staying: new Set([...all].flatMap(({ staying }) => [...staying])),
	};
}

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
		const decisions: Decision[] = [];
		for (const child of manifests) decisions.push(await this.#decide(child, depth));
		const images = decisions.reduce((sum, decision) => sum + decision.images, 0);
		const below = digestsBelow(decisions);
		const fates = this.#followSubjects(manifests, decisions, below);
		for (const [position, child] of manifests.entries()) {
			const fate = fates[position] ?? kept;
			if (fate.kind === 'removed') this.removed.push(this.#removedChild(child, fate.why));
		}
		const digests = manifests.map(({ digest }) => digest);
		const staying = digests.filter((_, position) => fates[position]?.kind === 'kept');
		const listed = {
			listed: new Set([...digests, ...below.listed]),
			staying: new Set([...staying, ...below.staying]),
		};
		const bytes = this.#write(document, manifests, fates);
		if (bytes === document.bytes) return { ...listed, document, images };
		const digest = await this.#context.hash(algorithmOf(document.digest), bytes);
		const made = { mediaType: document.mediaType, digest, bytes };
		if (images > 0) this.made.push(made);
		return { ...listed, document: made, images };
	}

	async #decide(child: Child, depth: number): Promise<Decision> {
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

	async #decideNested(child: Child, depth: number): Promise<Decision> {
		const { digest } = child;
		if (depth >= limits.indexDepth) {
			refuse('plan-impossible', `The index ${digest} is nested too deep to be pruned.`);
		}
		const document = isDigest(digest) ? this.#context.document(digest) : undefined;
		if (!document) {
			refuse('plan-impossible', `The nested index ${digest} is not read, so it cannot be pruned.`);
		}
		const below = await this.editOnce(document, depth + 1);
		const { images } = below;
		if (below.document === document) return { fate: kept, images, below };
		if (images > 0) return { fate: { kind: 'replaced', by: below.document }, images, below };
		const nothingStays = { listed: below.listed, staying: new Set<string>() };
		return { fate: { kind: 'removed', why: 'dropped' }, images, below: nothingStays };
	}

	/** An index that would not change otherwise keeps its dangling attestations. */
	#followSubjects(
		manifests: readonly Child[],
		decisions: readonly Decision[],
		below: ListedDigests,
	): readonly Fate[] {
		const fates = decisions.map(({ fate }) => fate);
		const stays = (position: number) => fates[position]?.kind === 'kept';
		if (manifests.every((_, position) => stays(position))) return fates;
		const lost = lostAttestations(manifests, { stays, below });
		return fates.map((fate, position): Fate => {
			const why = lost.get(position);
			return why ? { kind: 'removed', why } : fate;
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
		const checked = [...edits, ...checksOf(manifests)];
		return editedJson(`The index ${document.digest}`, document.bytes, checked);
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
 * that would change embeds its content; `malformed` where the text of an index that changes could be read in two ways
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
