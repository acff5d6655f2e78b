/** From a decision to a plan: what has to be copied, uploaded and pushed before which tag may move. */
import { closure, referencedDigests, type ClosureNode, type Without } from '../index/closure.ts';
import type { Documents } from '../index/documents.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import type { Descriptor } from '../oci/manifest.ts';
import { formatReference, formatRepository, type Repository } from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, saysNoTag } from '../registry/problem.ts';
import type { RegistryReader } from '../registry/registries.ts';
import type { MadeBlob } from '../release/rebuild-release.ts';
import { planId } from './plan-id.ts';
import type { Content, ManifestStep, Plan, Step, TagStep } from './plan.ts';
import type { PlanSubject } from './subject.ts';
import type { LookOptions } from './survey.ts';

/** A manifest to be published with all that is below it. */
export interface PublishedRoot {
	readonly digest: Digest;
	readonly to: Repository;
	/** where everything is that was not made */
	readonly from: Repository;
}

export interface PublishedTag extends Repository {
	readonly tag: string;
	/** of one of the roots */
	readonly digest: Digest;
	/** Where it was seen; it is looked at where this is left out. */
	readonly expect?: Digest | 'absent' | undefined;
}

/** An index that was made of manifests that are roots themselves, each brought from wherever it is. */
export interface PublishedList {
	readonly document: Document;
	readonly to: Repository;
}

/** What a decision hands over: the only thing that one feature's plans have to themselves. */
export interface Publication {
	readonly subject: PlanSubject;
	readonly roots: readonly PublishedRoot[];
	readonly manifests: readonly Document[];
	readonly blobs: readonly MadeBlob[];
	/** In the order in which they move, the most important last. */
	readonly tags: readonly PublishedTag[];
	/** By the digest of an index that stays as it is: children that are not copied for it. */
	readonly without?: Without | undefined;
	readonly lists?: readonly PublishedList[] | undefined;
}

export interface PlanTools {
	readonly registries: RegistryReader;
	readonly hash: HashBytes;
	/** what was read already */
	readonly documents: Documents;
}

const mostSources = 4;

/** Values by name, each with its place in the order of arrival. */
class Table<T> {
	readonly entries: T[] = [];
	readonly #places = new Map<string, number>();

	place(name: string, value: () => T): number {
		const known = this.#places.get(name);
		if (known !== undefined) return known;
		this.#places.set(name, this.entries.length);
		return this.entries.push(value()) - 1;
	}
}

/** A blob's steps grow while manifests that need it are met. */
interface BlobDraft {
	readonly content: number;
	readonly to: number;
	readonly from: number[];
	readonly isMade: boolean;
}

class StepMaker {
	readonly #repositories = new Table<Repository>();
	readonly #contents = new Table<Content>();
	readonly #blobs = new Map<string, BlobDraft>();
	readonly #manifests = new Map<string, { step: ManifestStep; height: number }>();
	readonly #madeManifests: ReadonlySet<Digest>;
	readonly #madeBlobs: ReadonlyMap<Digest, MadeBlob>;

	constructor({ manifests, blobs, lists = [] }: Publication) {
		const made = [...manifests, ...lists.map(({ document }) => document)];
		this.#madeManifests = new Set(made.map(({ digest }) => digest));
		this.#madeBlobs = new Map(blobs.map((blob) => [blob.digest, blob]));
	}

	repository({ registry, repository }: Repository): number {
		const place = { registry, repository };
		return this.#repositories.place(formatRepository(place), () => place);
	}

	add(node: ClosureNode, target: Repository): void {
		const { place, document, blobs, children, left, height } = node;
		const to = this.repository(target);
		const isMade = this.#madeManifests.has(document.digest);
		const content = this.#manifestContent(document, isMade);
		const name = `${to} ${content}`;
		const known = this.#manifests.get(name);
		const from = isMade ? [] : this.#sources(known?.step.from ?? [], this.repository(place), to);
		const needs = [
			...blobs.map((blob) => this.#blob(blob, place, to)),
			...children.map((digest) => this.#contents.place(digest, () => unreached(digest))),
		];
		const without = left.length > 0 ? { without: left } : {};
		const step: ManifestStep = {
			kind: 'manifest',
			content,
			to,
			from,
			needs: [...new Set(needs)],
			...without,
		};
		this.#manifests.set(name, { step, height });
	}

	/** After everything that it lists. */
	addList({ document, to }: PublishedList): void {
		const children = referencedDigests(document).filter(isDigest);
		const height = limits.indexDepth + 1;
		this.add({ place: to, document, blobs: [], children, left: [], height }, to);
	}

	finish(tags: readonly TagStep[]): Pick<Plan, 'repositories' | 'contents' | 'steps'> {
		const drafts = [...this.#blobs.values()];
		const isThere = ({ from, to }: BlobDraft) => from.includes(to);
		const steps: Step[] = [
			...drafts
				.filter((draft) => !draft.isMade && !isThere(draft))
				.map(({ content, to, from }) => ({ kind: 'blob' as const, content, to, from })),
			...drafts
				.filter(({ isMade }) => isMade)
				.map(({ content, to }) => ({ kind: 'upload' as const, content, to })),
			...[...this.#manifests.values()]
				.toSorted((a, b) => a.height - b.height)
				.map(({ step }) => step),
			...tags,
		];
		return { ...this.#usedRepositories(steps), contents: this.#contents.entries };
	}

	/** Sources that turned out not to be needed are named nowhere in the plan. */
	#usedRepositories(steps: readonly Step[]): Pick<Plan, 'repositories' | 'steps'> {
		const used = new Set(steps.flatMap((step) => [step.to, ...('from' in step ? step.from : [])]));
		const places = [...used].toSorted((a, b) => a - b);
		const moved = new Map(places.map((place, at) => [place, at]));
		const move = (place: number) => moved.get(place) ?? place;
		return {
			repositories: this.#repositories.entries.filter((_, place) => used.has(place)),
			steps: steps.map((step): Step => {
				const to = move(step.to);
				return 'from' in step ? { ...step, to, from: step.from.map(move) } : { ...step, to };
			}),
		};
	}

	contentOf(digest: Digest): number {
		return this.#contents.place(digest, () => unreached(digest));
	}

	#manifestContent(document: Document, isMade: boolean): number {
		const { digest, mediaType, bytes } = document;
		return this.#contents.place(digest, () => ({
			digest,
			sizeBytes: bytes.length,
			mediaType,
			...(isMade && { bytes }),
		}));
	}

	#blob({ digest, size, mediaType }: Descriptor, place: Repository, to: number): number {
		const made = this.#madeBlobs.get(digest);
		const content = this.#contents.place(digest, () =>
			made
				? { digest, sizeBytes: made.bytes.length, mediaType: made.mediaType, bytes: made.bytes }
				: { digest, sizeBytes: size, mediaType },
		);
		const draft = this.#blobs.get(`${to} ${content}`);
		const from = made ? [] : this.#sources(draft?.from ?? [], this.repository(place), to);
		this.#blobs.set(`${to} ${content}`, { content, to, from, isMade: made !== undefined });
		return content;
	}

	/** Best first: the target itself, then its own registry, then whatever was met first. */
	#sources(known: readonly number[], source: number, to: number): number[] {
		const rank = (place: number) => {
			if (place === to) return 0;
			const { entries } = this.#repositories;
			return entries[place]?.registry === entries[to]?.registry ? 1 : 2;
		};
		const all = known.includes(source) ? [...known] : [...known, source];
		return all.toSorted((a, b) => rank(a) - rank(b)).slice(0, mostSources);
	}
}

function unreached(digest: Digest): never {
	throw new RangeError(`${digest} is needed before it is known`);
}

/**
 * Where tags point now. @throws ProblemError where a registry does not say: a plan that guessed could overwrite.
 */
export async function readTags(
	registries: RegistryReader,
	tags: readonly (Repository & { readonly tag: string })[],
	{ signal, asWriter }: LookOptions,
): Promise<ReadonlyMap<string, Digest | 'absent'>> {
	const requests = tags.map(({ registry, repository, tag }) => ({
		reference: { registry, repository, tag },
		forWriting: asWriter,
	}));
	const found = new Map<string, Digest | 'absent'>();
	for await (const result of registries.readManifests(requests, {
		signal,
		fresh: true,
		exact: true,
	})) {
		const name = formatReference(result.request.reference);
		if (result.ok) found.set(name, result.document.digest);
		else if (saysNoTag(result.problem)) found.set(name, 'absent');
		else throw new ProblemError(result.problem);
	}
	return found;
}

/**
 * Decides every step of a publication. Reads what the closure still lacks, and where the target's tags point.
 * @throws ProblemError `plan-impossible`, or of what could not be read
 */
export async function makePlan(
	{ registries, hash, documents }: PlanTools,
	publication: Publication,
	{ signal, asWriter }: LookOptions = {},
): Promise<Plan> {
	const { subject, roots, tags, manifests, without, lists = [] } = publication;
	const made = new Map(manifests.map((document) => [document.digest, document]));
	const reading = { made, documents, signal, without };
	const maker = new StepMaker(publication);
	const [seen] = await Promise.all([
		readTags(
			registries,
			tags.filter(({ expect }) => expect === undefined),
			{ signal, asWriter },
		),
		closure(
			registries,
			roots.map(({ from, digest }) => ({ place: from, digest })),
			reading,
		),
	]);
	for (const { digest, to, from } of roots) {
		const below = await closure(registries, [{ place: from, digest }], reading);
		for (const node of below) maker.add(node, to);
	}
	for (const list of lists) maker.addList(list);
	const steps = tags.map((tag): TagStep => {
		const { registry, repository } = tag;
		const name = formatReference({ registry, repository, tag: tag.tag });
		const expect = tag.expect ?? seen.get(name) ?? 'absent';
		const content = maker.contentOf(tag.digest);
		return { kind: 'tag', content, to: maker.repository(tag), tag: tag.tag, expect };
	});
	const decided = { subject, ...maker.finish(steps) };
	return { id: await planId(decided, hash), ...decided };
}
