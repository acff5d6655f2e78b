/** What is attached to the manifests that a plan copies, and comes along; and what no longer applies, and stays. */
import {
	findAttachments,
	type Attachment,
	type AttachmentSubject,
	type UncheckedSubject,
} from '../index/attachments-of.ts';
import { closure } from '../index/closure.ts';
import { byDigest, formatReference, formatRepository, type Repository } from '../oci/reference.ts';
import type { CapabilityFact } from '../registry/capabilities.ts';
import { problemOf } from '../registry/problem.ts';
import {
	readTags,
	type PlanTools,
	type Publication,
	type PublishedList,
	type PublishedRoot,
	type PublishedTag,
} from './make-plan.ts';
import { referrerLists, type CopiedReferrer } from './referrer-lists.ts';
import type { PruneSubject } from './subject.ts';
import type { LookOptions } from './survey.ts';

/** A manifest that is made anew: what is attached to its old digest does not apply to the new one. */
export interface Lapsed extends AttachmentSubject {
	/** the component, or `the release` */
	readonly of: string;
	readonly what: 'index' | 'image';
}

export interface AttachmentOptions extends LookOptions {
	readonly facts: readonly CapabilityFact[];
}

export interface PlannedAttachments {
	readonly roots: readonly PublishedRoot[];
	readonly lists: readonly PublishedList[];
	/** To be moved before the release's own. */
	readonly tags: readonly PublishedTag[];
	/** undefined where nothing is attached to anything */
	readonly subject: PruneSubject['attachments'];
	/** what could not be checked, and what is not copied, as sentences */
	readonly notes: readonly string[];
}

interface Wanted extends Pick<Publication, 'roots' | 'manifests' | 'without'> {
	readonly lapsed: readonly Lapsed[];
	/** the registry that names the places of what is copied */
	readonly namedBy: string;
}

/** One attachment on its way to one repository. */
interface Copied {
	readonly attachment: Attachment;
	readonly to: Repository;
}

function isSame(one: Repository, other: Repository): boolean {
	return formatRepository(one) === formatRepository(other);
}

function nameOf({ place, digest }: AttachmentSubject): string {
	return formatReference(byDigest(place, digest));
}

/** Every manifest that is copied with its digest, and where to. */
class Copies {
	readonly #targets = new Map<string, { subject: AttachmentSubject; to: Repository[] }>();

	add(subject: AttachmentSubject, to: Repository): void {
		const known = this.#targets.get(nameOf(subject));
		if (!known) this.#targets.set(nameOf(subject), { subject, to: [to] });
		else if (!known.to.some((each) => isSame(each, to))) known.to.push(to);
	}

	get subjects(): readonly AttachmentSubject[] {
		return Array.from(this.#targets.values(), ({ subject }) => subject);
	}

	targetsOf(subject: AttachmentSubject): readonly Repository[] {
		return this.#targets.get(nameOf(subject))?.to ?? [];
	}
}

async function copiesOf(
	{ registries, documents }: PlanTools,
	{ roots, manifests, without, namedBy }: Wanted,
	signal: AbortSignal | undefined,
): Promise<Copies> {
	const made = new Map(manifests.map((document) => [document.digest, document]));
	const reading = { made, documents, signal, without };
	const copies = new Copies();
	await closure(
		registries,
		roots.map(({ from, digest }) => ({ place: from, digest })),
		reading,
	);
	for (const { digest, from, to: target } of roots) {
		const to = { registry: target.registry, repository: target.repository };
		const nodes = await closure(registries, [{ place: from, digest }], reading);
		const subject = from.registry === namedBy ? {} : { namedBy };
		for (const { place, document } of nodes) {
			// What stays in its repository has there whatever is attached to it.
			if (made.has(document.digest) || isSame(place, to)) continue;
			copies.add({ place, digest: document.digest, ...subject }, to);
		}
	}
	return copies;
}

/** Why a manifest and what is below it cannot be copied; undefined where it can. */
async function whyNot(
	{ registries, documents }: PlanTools,
	{ place, digest }: AttachmentSubject,
	signal: AbortSignal | undefined,
): Promise<UncheckedSubject['problem'] | undefined> {
	try {
		await closure(registries, [{ place, digest }], { made: new Map(), documents, signal });
		return undefined;
	} catch (error) {
		signal?.throwIfAborted();
		return problemOf(error);
	}
}

/** What is attached to what is copied, and everything that is attached to that, with where it goes. */
async function withTargets(
	tools: PlanTools,
	copies: Copies,
	attachments: readonly Attachment[],
	{ signal }: AttachmentOptions,
): Promise<{ readonly copied: readonly Copied[]; readonly notes: readonly string[] }> {
	const copied: Copied[] = [];
	const notes: string[] = [];
	for (const attachment of attachments) {
		const { subject, document } = attachment;
		const targets = copies.targetsOf(subject);
		const itself = { ...subject, digest: document.digest };
		const problem = await whyNot(tools, itself, signal);
		if (problem) notes.push(`${nameOf(itself)} is attached and not copied: ${problem.reason}`);
		else {
			for (const to of targets) {
				copied.push({ attachment, to });
				copies.add(itself, to);
			}
		}
	}
	return { copied, notes };
}

/** Cosign's tags; one that points elsewhere at the target already is somebody's, and stays. */
async function cosignTags(
	{ registries }: PlanTools,
	copied: readonly Copied[],
	look: LookOptions,
): Promise<{ readonly tags: readonly PublishedTag[]; readonly notes: readonly string[] }> {
	const wanted = new Map<string, PublishedTag>();
	const notes: string[] = [];
	for (const { attachment, to } of copied) {
		if (attachment.tag === undefined) continue;
		const { registry, repository } = to;
		const { tag, document } = attachment;
		const name = formatReference({ registry, repository, tag });
		const known = wanted.get(name);
		if (!known) wanted.set(name, { registry, repository, tag, digest: document.digest });
		else if (known.digest !== document.digest) {
			notes.push(
				`${name} would also have to point to ${document.digest}: that is copied, but has no tag.`,
			);
		}
	}
	const seen = await readTags(registries, [...wanted.values()], look);
	const tags = [...wanted].flatMap(([name, tag]): PublishedTag[] => {
		const expect = seen.get(name) ?? 'absent';
		if (expect === 'absent' || expect === tag.digest) return [{ ...tag, expect }];
		notes.push(
			`${name} is there already and points to ${expect}: it stays as it is, and ${tag.digest} is copied without a tag.`,
		);
		return [];
	});
	return { tags, notes };
}

function counted(count: number): string {
	return count === 1 ? '1 manifest' : `${count} manifests`;
}

/** One sentence for each registry and reason, however many manifests it is about. */
function uncheckedNotes(unchecked: readonly UncheckedSubject[], what: string): readonly string[] {
	const byReason = new Map<string, UncheckedSubject[]>();
	for (const each of unchecked) {
		const { code, registry = '' } = each.problem;
		const key = `${formatRepository(each.subject.place)} ${registry} ${code}`;
		byReason.set(key, [...(byReason.get(key) ?? []), each]);
	}
	return [...byReason.values()].flatMap((group) => {
		const [first] = group;
		if (!first) return [];
		const { subject, problem } = first;
		return [
			`What is attached to ${counted(group.length)} in ${formatRepository(subject.place)} could not be checked, or not all of it: ${problem.reason} ${what}`,
		];
	});
}

type Said = NonNullable<PruneSubject['attachments']>;

function copiedEntry({ attachment, to }: Copied): Said['copied'][number] {
	const { subject, document, kind, artifactType, tag } = attachment;
	return {
		subject: subject.digest,
		to: formatReference(byDigest(to, document.digest)),
		kind,
		...(artifactType !== undefined && { type: artifactType }),
		...(tag !== undefined && { tag }),
	};
}

function lapsedEntries(
	lapsed: readonly Lapsed[],
	attachments: readonly Attachment[],
): Said['lapsed'] {
	const owners = new Map(lapsed.map((each) => [nameOf(each), each]));
	const counts = new Map<string, Said['lapsed'][number]>();
	for (const { subject, kind, artifactType } of attachments) {
		const owner = owners.get(nameOf(subject));
		if (!owner) continue;
		const { of, what, digest } = owner;
		const key = `${of} ${digest} ${kind} ${artifactType ?? ''}`;
		const count = (counts.get(key)?.count ?? 0) + 1;
		const type = artifactType === undefined ? {} : { type: artifactType };
		counts.set(key, { of, what, subject: digest, kind, ...type, count });
	}
	return [...counts.values()];
}

/** As roots of the plan, each once. */
function rootsOf(copied: readonly Copied[]): readonly PublishedRoot[] {
	const roots = new Map<string, PublishedRoot>();
	for (const { attachment, to } of copied) {
		const { subject, document } = attachment;
		const root = { digest: document.digest, to, from: subject.place };
		roots.set(`${formatRepository(to)} ${nameOf({ ...subject, digest: document.digest })}`, root);
	}
	return [...roots.values()];
}

function isReferrer({ attachment }: Copied): boolean {
	return attachment.tag === undefined;
}

/**
 * Looks for what is attached to everything that a publication copies, and for what is attached to what it replaces.
 * @throws ProblemError of what cannot be copied, or where the target does not say where its tags point; what could
 * not be read of attachments themselves is a note
 */
export async function planAttachments(
	tools: PlanTools,
	wanted: Wanted,
	options: AttachmentOptions,
): Promise<PlannedAttachments> {
	const { registries, documents } = tools;
	const { signal } = options;
	const copies = await copiesOf(tools, wanted, signal);
	const [found, old] = await Promise.all([
		findAttachments(registries, copies.subjects, { signal, documents }),
		findAttachments(registries, wanted.lapsed, { signal, documents, levels: 0 }),
	]);
	const { copied, notes } = await withTargets(tools, copies, found.attachments, options);
	const cosign = await cosignTags(tools, copied, options);
	const referrers = copied
		.filter(isReferrer)
		.map(({ attachment, to }): CopiedReferrer => ({ attachment, to }));
	const listed = await referrerLists(tools, referrers, options);
	const lapsed = lapsedEntries(wanted.lapsed, old.attachments);
	const isEmpty = copied.length === 0 && lapsed.length === 0;
	return {
		roots: [...rootsOf(copied), ...listed.roots],
		lists: listed.lists,
		tags: [...cosign.tags, ...listed.tags],
		subject: isEmpty ? undefined : { copied: copied.map(copiedEntry), lapsed },
		notes: [
			...uncheckedNotes(found.unchecked, 'What could not be read of it is not copied.'),
			...uncheckedNotes(old.unchecked, 'It does not apply to what takes their place.'),
			...notes,
			...cosign.notes,
			...listed.notes,
		],
	};
}
