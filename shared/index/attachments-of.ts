/** What is attached to manifests: referrers, and what cosign keeps under tags; read from where the manifests are. */
import * as z from 'zod';
import { algorithmOf, encodedOf, type Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import { readJson } from '../oci/json-value.ts';
import { byDigest, formatReference, isTag, type Repository } from '../oci/reference.ts';
import { ProblemError, problemOf, saysAbsent, type Problem } from '../registry/problem.ts';
import type { CallOptions, DocumentRequest, RegistryReader } from '../registry/registries.ts';
import type { Documents } from './documents.ts';

export const attachmentKinds = ['signature', 'attestation', 'sbom', 'artifact'] as const;
export type AttachmentKind = (typeof attachmentKinds)[number];

/** A manifest that something may be attached to. */
export interface AttachmentSubject {
	readonly place: Repository;
	readonly digest: Digest;
	/** the registry whose content named the place; absent where the user did */
	readonly namedBy?: string | undefined;
}

export interface Attachment {
	readonly subject: AttachmentSubject;
	readonly document: Document;
	readonly kind: AttachmentKind;
	/** what the manifest says it is: its own type, or that of its config (distribution-spec, "Listing Referrers") */
	readonly artifactType: string | undefined;
	readonly annotations: Readonly<Record<string, string>>;
	/** cosign's, under which it was found; undefined for a referrer */
	readonly tag: string | undefined;
}

/** Of such a manifest it is not known what is attached to it, or not all of it. */
export interface UncheckedSubject {
	readonly subject: AttachmentSubject;
	readonly problem: Problem;
}

export interface FoundAttachments {
	/** In an order that depends on nothing but what there is: as the subjects were given, then what is attached to those. */
	readonly attachments: readonly Attachment[];
	readonly unchecked: readonly UncheckedSubject[];
}

export interface FindAttachmentsOptions extends CallOptions {
	/** What is read here is added. */
	readonly documents: Documents;
	/** How often what is attached is itself asked for what is attached to it; twice where it is not said. */
	readonly levels?: number | undefined;
}

/** Suffixes of cosign's tags, and what is under them. */
const cosignTags = [
	['sig', 'signature'],
	['att', 'attestation'],
	['sbom', 'sbom'],
] as const;

/** `sha256-<hex>.sig`; none for a digest that is too long for a tag. */
function cosignTag(digest: Digest, suffix: string): string | undefined {
	const tag = `${algorithmOf(digest)}-${encodedOf(digest)}.${suffix}`;
	return isTag(tag) ? tag : undefined;
}

const attachedSchema = z.looseObject({
	artifactType: z.string().max(255).optional().catch(undefined),
	config: z
		.looseObject({ mediaType: z.string().max(255) })
		.optional()
		.catch(undefined),
	annotations: z.record(z.string(), z.string()).nullish().catch(undefined),
	subject: z.looseObject({ digest: z.string() }).nullish().catch(undefined),
});
type Attached = z.infer<typeof attachedSchema>;

function readAttached({ bytes }: Document): Attached {
	const json = readJson(new TextDecoder().decode(bytes));
	return attachedSchema.safeParse(json.ok ? json.value : undefined).data ?? {};
}

/** By what signing and describing tools write; anything else is an artifact. */
function kindOfReferrer(type: string, annotations: Attachment['annotations']): AttachmentKind {
	if (/spdx|cyclonedx|\bsbom\b|syft/i.test(type)) return 'sbom';
	if (type.startsWith('application/vnd.dev.sigstore.bundle')) {
		// Both kinds have this type; cosign says which beside it.
		return annotations['dev.sigstore.bundle.content'] === 'dsse-envelope' &&
			!annotations['dev.sigstore.bundle.predicateType']?.includes('/cosign/sign/')
			? 'attestation'
			: 'signature';
	}
	if (/in-toto|attestation|provenance/i.test(type)) return 'attestation';
	return /signature|cosign|\.sig\b/i.test(type) ? 'signature' : 'artifact';
}

function attachmentOf(
	subject: AttachmentSubject,
	document: Document,
	tagged?: { readonly tag: string; readonly kind: AttachmentKind },
): Attachment {
	const { artifactType, config, annotations } = readAttached(document);
	const type = artifactType ?? config?.mediaType;
	return {
		subject,
		document,
		kind: tagged?.kind ?? kindOfReferrer(type ?? '', annotations ?? {}),
		artifactType: type,
		annotations: annotations ?? {},
		tag: tagged?.tag,
	};
}

function nameOf({ place, digest }: AttachmentSubject): string {
	return formatReference(byDigest(place, digest));
}

const referrersAtOnce = 16;
const mostReferrers = 1000;
/** After so many failures in a row a registry is not asked again: it would fail for thousands more. */
const mostFailures = 8;

class AttachmentFinder {
	readonly #registries: RegistryReader;
	readonly #options: FindAttachmentsOptions;
	readonly #seen = new Set<string>();
	readonly #failing = new Map<string, number>();
	readonly unchecked = new Map<string, UncheckedSubject>();

	constructor(registries: RegistryReader, options: FindAttachmentsOptions) {
		this.#registries = registries;
		this.#options = options;
	}

	/** Each of them once, however often it is given. */
	async find(subjects: readonly AttachmentSubject[], above?: readonly Attachment[]) {
		const fresh = subjects.filter((subject) => !this.#seen.has(nameOf(subject)));
		const open = [...new Map(fresh.map((subject) => [nameOf(subject), subject])).values()];
		for (const subject of open) this.#seen.add(nameOf(subject));
		const signatures = new Set(
			(above ?? []).flatMap(({ kind, document }) =>
				kind === 'signature' ? [document.digest] : [],
			),
		);
		const [tagged, referring] = await Promise.all([
			// Nobody signs signatures by cosign’s tags.
			this.#tagged(open.filter(({ digest }) => !signatures.has(digest))),
			this.#referring(open),
		]);
		return open.flatMap((subject) => [
			...(tagged.get(subject) ?? []),
			...(referring.get(subject) ?? []),
		]);
	}

	#note(subject: AttachmentSubject, problem: Problem): void {
		this.#options.signal?.throwIfAborted();
		const name = nameOf(subject);
		if (!this.unchecked.has(name)) this.unchecked.set(name, { subject, problem });
	}

	async #tagged(
		subjects: readonly AttachmentSubject[],
	): Promise<ReadonlyMap<AttachmentSubject, readonly Attachment[]>> {
		const asked = new Map<
			DocumentRequest,
			{ subject: AttachmentSubject; tag: string; kind: AttachmentKind }
		>();
		for (const subject of subjects) {
			const { registry, repository } = subject.place;
			for (const [suffix, kind] of cosignTags) {
				const tag = cosignTag(subject.digest, suffix);
				if (tag === undefined) continue;
				const reference = { registry, repository, tag };
				asked.set({ reference, namedBy: subject.namedBy }, { subject, tag, kind });
			}
		}
		const found = new Map<string, Attachment>();
		for await (const result of this.#read([...asked.keys()])) {
			const what = asked.get(result.request);
			if (!what) continue;
			const { subject, tag } = what;
			if (result.ok) {
				found.set(`${nameOf(subject)} ${tag}`, attachmentOf(subject, result.document, what));
			} else if (!saysAbsent(result.problem)) this.#note(subject, result.problem);
		}
		const attachmentsOf = (subject: AttachmentSubject) =>
			cosignTags.flatMap(
				([suffix]) =>
					found.get(`${nameOf(subject)} ${cosignTag(subject.digest, suffix) ?? ''}`) ?? [],
			);
		return new Map(subjects.map((subject) => [subject, attachmentsOf(subject)]));
	}

	async *#read(requests: readonly DocumentRequest[]) {
		if (requests.length === 0) return;
		const { signal, documents } = this.#options;
		for await (const result of this.#registries.readManifests(requests, { signal })) {
			if (result.ok) documents.addManifest(result);
			yield result;
		}
	}

	async #referring(
		subjects: readonly AttachmentSubject[],
	): Promise<ReadonlyMap<AttachmentSubject, readonly Attachment[]>> {
		const listed = await this.#listed(subjects);
		const asked = new Map<DocumentRequest, AttachmentSubject>();
		for (const [subject, digests] of listed) {
			for (const digest of digests) {
				const { place, namedBy } = subject;
				asked.set({ reference: byDigest(place, digest), namedBy }, subject);
			}
		}
		const found = new Map<AttachmentSubject, Attachment[]>();
		for await (const result of this.#read([...asked.keys()])) {
			const subject = asked.get(result.request);
			if (!subject) continue;
			if (!result.ok) this.#note(subject, result.problem);
			else if (readAttached(result.document).subject?.digest !== subject.digest) {
				this.#note(subject, stray(subject, result.document.digest));
			} else {
				const attachment = attachmentOf(subject, result.document);
				found.set(subject, [...(found.get(subject) ?? []), attachment]);
			}
		}
		const inOrder = (one: Attachment, other: Attachment) =>
			one.document.digest < other.document.digest ? -1 : 1;
		return new Map([...found].map(([subject, each]) => [subject, each.toSorted(inOrder)]));
	}

	async #listed(
		subjects: readonly AttachmentSubject[],
	): Promise<ReadonlyMap<AttachmentSubject, ReadonlySet<Digest>>> {
		const listed = new Map<AttachmentSubject, ReadonlySet<Digest>>();
		const waiting = subjects.values();
		const work = async () => {
			for (const subject of waiting) listed.set(subject, await this.#referrersOf(subject));
		};
		await Promise.all(Array.from({ length: referrersAtOnce }, work));
		return listed;
	}

	async #referrersOf({ place, digest, namedBy }: AttachmentSubject): Promise<ReadonlySet<Digest>> {
		const { registry } = place;
		const subject = { place, digest, namedBy };
		const failures = this.#failing.get(registry) ?? 0;
		if (failures >= mostFailures) {
			this.#note(subject, notAsked(registry, failures));
			return new Set();
		}
		const { signal } = this.#options;
		const digests = new Set<Digest>();
		try {
			const listing = this.#registries.referrers(byDigest(place, digest), { signal, namedBy });
			for await (const descriptor of listing) {
				if (digests.size >= mostReferrers) throw new ProblemError(tooMany(subject));
				digests.add(descriptor.digest);
			}
			this.#failing.set(registry, 0);
		} catch (error) {
			this.#failing.set(registry, (this.#failing.get(registry) ?? 0) + 1);
			this.#note(subject, problemOf(error));
		}
		return digests;
	}
}

function stray(subject: AttachmentSubject, digest: Digest): Problem {
	const { registry } = subject.place;
	const reason = `${registry} lists ${digest} as a referrer of ${nameOf(subject)}, but its manifest does not name that.`;
	return { code: 'malformed', origin: 'content', reason, registry };
}

function tooMany(subject: AttachmentSubject): Problem {
	const { registry } = subject.place;
	const reason = `${registry} lists more than ${mostReferrers} referrers of ${nameOf(subject)}.`;
	return { code: 'too-large', origin: 'registry', reason, registry };
}

function notAsked(registry: string, failures: number): Problem {
	const reason = `${registry} failed ${failures} times in a row to list referrers, and was not asked again.`;
	return { code: 'registry-failure', origin: 'registry', reason, registry };
}

/**
 * Everything that is attached to `subjects`, and to what is attached to them. One listing of referrers and three
 * reads of tags for each. Never throws for what could not be read: that is in `unchecked`.
 */
export async function findAttachments(
	registries: RegistryReader,
	subjects: readonly AttachmentSubject[],
	options: FindAttachmentsOptions,
): Promise<FoundAttachments> {
	const { levels = 2 } = options;
	const finder = new AttachmentFinder(registries, options);
	let newest: readonly Attachment[] = await finder.find(subjects);
	const attachments = [...newest];
	for (let level = 0; level < levels && newest.length > 0; level += 1) {
		const attached = newest.map(({ subject, document: { digest } }) => ({ ...subject, digest }));
		newest = await finder.find(attached, newest);
		attachments.push(...newest);
	}
	const unchecked = [...finder.unchecked].toSorted(([a], [b]) => (a < b ? -1 : 1));
	return { attachments, unchecked: unchecked.map(([, each]) => each) };
}
