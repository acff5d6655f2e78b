/**
 * Referrers under a tag, for targets that do not answer the referrers API: what is listed there already, and what
 * comes to it (distribution-spec, "Referrers Tag Schema").
 */
import * as z from 'zod';
import type { Attachment } from '../index/attachments-of.ts';
import { closure } from '../index/closure.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import { readJson } from '../oci/json-value.ts';
import { mostChildren, type Index } from '../oci/manifest.ts';
import { mediaTypes } from '../oci/media-type.ts';
import { byDigest, formatReference, formatRepository, type Repository } from '../oci/reference.ts';
import { factAbout, type CapabilityFact } from '../registry/capabilities.ts';
import { referrersTag } from '../registry/distribution.ts';
import { ProblemError, problemOf, saysAbsent, saysNoTag } from '../registry/problem.ts';
import type { PlanTools, PublishedList, PublishedRoot, PublishedTag } from './make-plan.ts';
import type { LookOptions } from './survey.ts';

export interface CopiedReferrer {
	readonly attachment: Attachment;
	readonly to: Repository;
}

export interface ReferrerListOptions extends LookOptions {
	readonly facts: readonly CapabilityFact[];
}

export interface ReferrerLists {
	/** What the target lists already, and goes on listing. */
	readonly roots: readonly PublishedRoot[];
	readonly lists: readonly PublishedList[];
	readonly tags: readonly PublishedTag[];
	readonly notes: readonly string[];
}

/** All that is to be listed under one tag. */
interface Draft {
	readonly to: Repository;
	readonly tag: string;
	readonly referrers: readonly Attachment[];
}

interface Existing {
	readonly document: Document;
	readonly index: Index;
}

/** What registries take of a manifest (distribution-spec, "Pushing Manifests"). */
const mostBytes = 4 * 1024 * 1024;

/** Believed is not enough: what is listed nowhere is lost from sight. */
function hasReferrersApi(facts: readonly CapabilityFact[], place: Repository): boolean {
	const fact = factAbout(facts, place, 'referrers');
	return fact?.answer === 'yes' && fact.basis !== 'kind';
}

function isUnknown(facts: readonly CapabilityFact[], place: Repository): boolean {
	const fact = factAbout(facts, place, 'referrers');
	return fact === undefined || fact.answer === 'unknown' || fact.basis === 'kind';
}

function draftsOf(referrers: readonly CopiedReferrer[]): readonly Draft[] {
	const drafts = new Map<string, Draft>();
	for (const { attachment, to } of referrers) {
		const tag = referrersTag(attachment.subject.digest);
		const name = formatReference({ ...to, tag });
		const others = drafts.get(name)?.referrers ?? [];
		drafts.set(name, { to, tag, referrers: [...others, attachment] });
	}
	return [...drafts.values()];
}

/** As the referrers API would state it. */
function descriptorOf({ document, artifactType, annotations }: Attachment) {
	const { mediaType, digest, bytes } = document;
	return {
		mediaType,
		digest,
		size: bytes.length,
		...(artifactType !== undefined && { artifactType }),
		...(Object.keys(annotations).length > 0 && { annotations }),
	};
}

class ListMaker {
	readonly #tools: PlanTools;
	readonly #options: ReferrerListOptions;
	readonly roots: PublishedRoot[] = [];
	readonly lists: PublishedList[] = [];
	readonly tags: PublishedTag[] = [];
	readonly notes: string[] = [];

	constructor(tools: PlanTools, options: ReferrerListOptions) {
		this.#tools = tools;
		this.#options = options;
	}

	/** What the tags point to now. @throws ProblemError where the target does not say */
	async seen(drafts: readonly Draft[]): Promise<ReadonlyMap<string, Document>> {
		const { signal, asWriter } = this.#options;
		const requests = drafts.map(({ to: { registry, repository }, tag }) => ({
			reference: { registry, repository, tag },
			forWriting: asWriter,
		}));
		const found = new Map<string, Document>();
		if (requests.length === 0) return found;
		const options = { signal, fresh: true, exact: true };
		for await (const result of this.#tools.registries.readManifests(requests, options)) {
			if (result.ok) found.set(formatReference(result.request.reference), result.document);
			else if (!saysNoTag(result.problem)) throw new ProblemError(result.problem);
		}
		return found;
	}

	async add(draft: Draft, document: Document | undefined): Promise<void> {
		const name = formatReference({ ...draft.to, tag: draft.tag });
		const content = document && readManifest(document);
		if (content && content.kind !== 'index') {
			this.notes.push(
				`${name} is no index of referrers: it stays as it is, and lists nothing new.`,
			);
			return;
		}
		const existing = document && content && { document, index: content.index };
		const kept = existing ? await this.#kept(draft, existing, name) : new Set<Digest>();
		if (!kept) return;
		const fresh = new Map(
			draft.referrers
				.filter(({ document: { digest } }) => !kept.has(digest))
				.map((attachment) => [attachment.document.digest, attachment]),
		);
		if (fresh.size > 0) {
			await this.#make(draft, { name, kept, existing, fresh: [...fresh.values()] });
		}
	}

	/** The digests that the tag lists and that are there; undefined where the list cannot be made anew. */
	async #kept(
		{ to }: Draft,
		{ index }: Existing,
		name: string,
	): Promise<ReadonlySet<Digest> | undefined> {
		const listed = [...new Set(index.manifests.map(({ digest }) => digest))];
		const digests = listed.filter(isDigest);
		if (digests.length < listed.length) {
			this.notes.push(
				`${name} lists what cannot be verified: it stays as it is, and lists nothing new.`,
			);
			return undefined;
		}
		const present = await this.#present(to, digests);
		const roots = digests
			.filter((digest) => present.has(digest))
			.map((digest) => ({ digest, to, from: to }));
		const why = await this.#whyNot(roots);
		if (why !== undefined) {
			this.notes.push(`${name} stays as it is, and lists nothing new: ${why}`);
			return undefined;
		}
		return present;
	}

	async #present(to: Repository, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
		const { signal, asWriter } = this.#options;
		const { registries, documents } = this.#tools;
		const present = new Set<Digest>();
		const requests = digests.map((digest) => ({
			reference: byDigest(to, digest),
			forWriting: asWriter,
		}));
		const options = { signal, fresh: true, exact: true };
		for await (const result of registries.readManifests(requests, options)) {
			if (result.ok) {
				documents.addManifest(result);
				present.add(result.document.digest);
			} else if (!saysAbsent(result.problem)) throw new ProblemError(result.problem);
		}
		return present;
	}

	async #whyNot(roots: readonly PublishedRoot[]): Promise<string | undefined> {
		const { signal } = this.#options;
		const { registries, documents } = this.#tools;
		const places = roots.map(({ from, digest }) => ({ place: from, digest }));
		try {
			await closure(registries, places, { made: new Map(), documents, signal });
			return undefined;
		} catch (error) {
			signal?.throwIfAborted();
			return problemOf(error).reason;
		}
	}

	async #make(
		{ to, tag }: Draft,
		{
			name,
			kept,
			existing,
			fresh,
		}: {
			readonly name: string;
			readonly kept: ReadonlySet<Digest>;
			readonly existing: Existing | undefined;
			readonly fresh: readonly Attachment[];
		},
	): Promise<void> {
		const old = existing ? objectOf(existing.document) : {};
		const manifests = [
			...(existing?.index.manifests.filter(({ digest }) => isDigest(digest) && kept.has(digest)) ??
				[]),
			...fresh.map(descriptorOf),
		];
		const { mediaType = mediaTypes.ociIndex } = existing?.document ?? {};
		const bytes = new TextEncoder().encode(
			JSON.stringify({ schemaVersion: 2, mediaType, ...old, manifests }),
		);
		if (manifests.length > mostChildren || bytes.length > mostBytes) {
			this.notes.push(`${name} is too long already: it stays as it is, and lists nothing new.`);
			return;
		}
		const digest = await this.#tools.hash('sha256', bytes);
		this.roots.push(...[...kept].map((each) => ({ digest: each, to, from: to })));
		this.lists.push({ document: { mediaType, digest, bytes }, to });
		const { registry, repository } = to;
		const expect = existing?.document.digest ?? 'absent';
		this.tags.push({ registry, repository, tag, digest, expect });
	}
}

const objectSchema = z.record(z.string(), z.unknown());

function objectOf({ bytes }: Document): Readonly<Record<string, unknown>> {
	const read = readJson(new TextDecoder().decode(bytes));
	return objectSchema.parse(read.ok ? read.value : {});
}

function unknownNote(place: Repository): string {
	const name = formatRepository(place);
	return `Whether ${place.registry} lists referrers by itself is not known before something is written there; what refers to manifests in ${name} is listed under tags as well, so that it is found either way.`;
}

/**
 * The indexes that list copied referrers under tags, for every target that is not known to list them by itself.
 * What a tag lists already stays listed; what it lists and is not there any more does not.
 * @throws ProblemError where the target does not say where such a tag points, or whether what it lists is there
 */
export async function referrerLists(
	tools: PlanTools,
	referrers: readonly CopiedReferrer[],
	options: ReferrerListOptions,
): Promise<ReferrerLists> {
	const { facts } = options;
	const open = referrers.filter(({ to }) => !hasReferrersApi(facts, to));
	const drafts = draftsOf(open);
	const maker = new ListMaker(tools, options);
	const seen = await maker.seen(drafts);
	for (const draft of drafts) {
		const { registry, repository } = draft.to;
		await maker.add(draft, seen.get(formatReference({ registry, repository, tag: draft.tag })));
	}
	const unsure = new Map(
		maker.lists
			.filter(({ to }) => isUnknown(facts, to))
			.map(({ to }) => [formatRepository(to), to]),
	);
	const { roots, lists, tags } = maker;
	return {
		roots,
		lists,
		tags,
		notes: [...maker.notes, ...Array.from(unsure.values(), unknownNote)],
	};
}
