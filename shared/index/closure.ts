/** Everything below manifests, of whatever kind: what has to be there before they can be. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import { readJson } from '../oci/json-value.ts';
import { artifactManifestSchema, type Child, type Descriptor } from '../oci/manifest.ts';
import { manifestMediaTypes, mediaTypes } from '../oci/media-type.ts';
import {
	byDigest,
	formatReference,
	type DigestReference,
	type Repository,
} from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError, saysAbsent, type Problem } from '../registry/problem.ts';
import type { CallOptions, DocumentResult, RegistryReader } from '../registry/registries.ts';
import type { Documents } from './documents.ts';

/** A manifest and what it refers to, in the place where it is. */
export interface ClosureNode {
	readonly place: Repository;
	readonly document: Document;
	/** Config and layers, or the blobs of an artifact. */
	readonly blobs: readonly Descriptor[];
	readonly children: readonly Digest[];
	/** Children that are listed, but were left out. */
	readonly left: readonly Digest[];
	/** 0 for a manifest without children, one more than the highest of its children otherwise. */
	readonly height: number;
}

export interface ClosureRoot {
	readonly place: Repository;
	readonly digest: Digest;
}

export interface ClosureOptions extends CallOptions {
	/** Documents that were made just now and are in no registry. */
	readonly made: ReadonlyMap<Digest, Document>;
	/** What was read already; what is read here is added. */
	readonly documents: Documents;
	/** By the digest of an index: children of it that are neither read nor to be there. */
	readonly without?: Without | undefined;
}

/** Digests of children, by the digest of the index that lists them. */
export type Without = ReadonlyMap<Digest, ReadonlySet<Digest>>;

interface References {
	readonly blobs: readonly Descriptor[];
	readonly children: readonly Child[];
}

function refuse(reference: DigestReference, why: string): never {
	throw new ProblemError({
		code: 'plan-impossible',
		origin: 'content',
		reason: `${formatReference(reference)} cannot be published: ${why}.`,
		registry: reference.registry,
		reference: formatReference(reference),
	});
}

/** Layers that registries refuse to keep: whoever needs them fetches them from their `urls` (image-spec, layer.md). */
function isDistributable({ mediaType }: Descriptor): boolean {
	return !/nondistributable|\.foreign\./.test(mediaType);
}

function referencesOf(reference: DigestReference, document: Document): References {
	const content = readManifest(document);
	switch (content.kind) {
		case 'index':
			return { blobs: [], children: content.index.manifests };
		case 'image': {
			const { config, layers } = content.manifest;
			return { blobs: [config, ...layers].filter(isDistributable), children: [] };
		}
		case 'malformed':
			return refuse(reference, content.reason);
		case 'other': {
			if (content.mediaType !== mediaTypes.ociArtifact) {
				return refuse(reference, `${content.mediaType} is not a form that can be copied by digest`);
			}
			const json = readJson(new TextDecoder().decode(document.bytes));
			const artifact = artifactManifestSchema.safeParse(json.ok ? json.value : undefined);
			if (!artifact.success) return refuse(reference, 'it is no artifact manifest');
			return { blobs: artifact.data.blobs ?? [], children: [] };
		}
		default:
			return content satisfies never;
	}
}

/** The digests of all that has to be where a manifest is; nothing for what cannot be read. */
export function referencedDigests(document: Document): readonly string[] {
	const nowhere = byDigest({ registry: '', repository: '' }, document.digest);
	try {
		const { blobs, children } = referencesOf(nowhere, document);
		return [...blobs, ...children].map(({ digest }) => digest);
	} catch {
		return [];
	}
}

/** Reads and remembers; asks for each document once, and for whole levels at a time. */
class ClosureReader {
	readonly #registries: RegistryReader;
	readonly #options: ClosureOptions;
	/** Children of types that are no manifest's and that the registry has no manifest for: blobs then. */
	readonly #blobChildren = new Set<string>();
	readonly problems: Problem[] = [];

	constructor(registries: RegistryReader, options: ClosureOptions) {
		this.#registries = registries;
		this.#options = options;
	}

	isBlob(reference: DigestReference): boolean {
		return this.#blobChildren.has(formatReference(reference));
	}

	document(reference: DigestReference): Document | undefined {
		const { made, documents } = this.#options;
		const result = documents.manifest(reference, reference.digest);
		return made.get(reference.digest) ?? (result?.ok ? result.document : undefined);
	}

	async readAll(roots: readonly DigestReference[]): Promise<void> {
		const seen = new Set<string>();
		let level = roots;
		// One level more than is taken: what is nested deeper is refused, and not read for ever.
		for (let depth = 0; level.length > 0 && depth <= limits.indexDepth + 1; depth += 1) {
			const fresh = new Map(level.map((reference) => [formatReference(reference), reference]));
			for (const name of seen) fresh.delete(name);
			for (const name of fresh.keys()) seen.add(name);
			const next = [...fresh.values()];
			await this.#read(next.filter((reference) => !this.document(reference)));
			level = next.flatMap((reference) => this.#childrenOf(reference));
		}
	}

	isLeft(index: DigestReference, { digest }: Child): boolean {
		return isDigest(digest) && (this.#options.without?.get(index.digest)?.has(digest) ?? false);
	}

	#childrenOf(reference: DigestReference): readonly DigestReference[] {
		const document = this.document(reference);
		if (!document) return [];
		const { children } = referencesOf(reference, document);
		const wanted = children.filter((child) => !this.isLeft(reference, child));
		return wanted.map(({ digest, mediaType }) => {
			if (!isDigest(digest)) refuse(reference, `it lists ${digest}, which cannot be verified`);
			const child = byDigest(reference, digest);
			if (!manifestMediaTypes.includes(mediaType) && !this.document(child)) {
				this.#blobChildren.add(formatReference(child));
			}
			return child;
		});
	}

	async #read(references: readonly DigestReference[]): Promise<void> {
		if (references.length === 0) return;
		const { documents, signal } = this.#options;
		const requests = references.map((reference) => ({ reference }));
		for await (const result of this.#registries.readManifests(requests, { signal })) {
			documents.addManifest(result);
			this.#note(result);
		}
	}

	#note(result: DocumentResult): void {
		const name = formatReference(result.request.reference);
		if (result.ok) {
			this.#blobChildren.delete(name);
		} else if (!(this.#blobChildren.has(name) && saysAbsent(result.problem))) {
			this.problems.push(result.problem);
		}
	}
}

/**
 * All manifests that are reached from `roots`, children before whatever lists them, each once for each place;
 * in an order that depends on nothing but their content. What was not read yet is read.
 * @throws ProblemError `plan-impossible` where something cannot be copied, or the problem of what could not be read
 */
export async function closure(
	registries: RegistryReader,
	roots: readonly ClosureRoot[],
	options: ClosureOptions,
): Promise<readonly ClosureNode[]> {
	const reader = new ClosureReader(registries, options);
	const references = roots.map(({ place, digest }) => byDigest(place, digest));
	await reader.readAll(references);
	const [problem] = reader.problems;
	if (problem) {
		const more = reader.problems.length - 1;
		const rest = more > 0 ? ` And ${more} more could not be read.` : '';
		throw new ProblemError({ ...problem, reason: `${problem.reason}${rest}` });
	}
	const nodes = new Map<string, ClosureNode>();
	const visit = (reference: DigestReference, above: ReadonlySet<string>): ClosureNode => {
		const name = formatReference(reference);
		const known = nodes.get(name);
		if (known) return known;
		const document = reader.document(reference);
		if (!document || above.has(name)) return refuse(reference, 'it lists itself');
		const { blobs, children } = referencesOf(reference, document);
		if (above.size > limits.indexDepth) return refuse(reference, 'it is nested too deep');
		const below = new Set([...above, name]);
		const isLeft = (child: Child) => reader.isLeft(reference, child);
		const listed = children
			.filter((child) => !isLeft(child))
			.map((child) => ({
				child,
				reference: byDigest(reference, child.digest as Digest),
			}));
		const manifests = listed.filter(({ reference: each }) => !reader.isBlob(each));
		const visited = manifests.map(({ reference: each }) => visit(each, below));
		const node: ClosureNode = {
			place: { registry: reference.registry, repository: reference.repository },
			document,
			blobs: [
				...blobs,
				...listed
					.filter(({ reference: each }) => reader.isBlob(each))
					.map(({ child, reference: { digest } }) => ({ ...child, digest })),
			],
			children: visited.map(({ document: { digest } }) => digest),
			left: [...new Set(children.filter(isLeft).map(({ digest }) => digest as Digest))],
			height: visited.reduce((highest, { height }) => Math.max(highest, height + 1), 0),
		};
		nodes.set(name, node);
		return node;
	};
	for (const reference of references) visit(reference, new Set());
	return [...nodes.values()];
}
