/** Reads indexes and everything they list, level by level, each document once. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import { isAttestation, type Child, type Index } from '../oci/manifest.ts';
import { isImageConfigType, isImageManifestType, isIndexType } from '../oci/media-type.ts';
import { byDigest, formatReference, type DigestReference } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
import { Confluence } from '../registry/confluence.ts';
import type {
	CallOptions,
	DocumentRequest,
	DocumentResult,
	RegistryReader,
} from '../registry/registries.ts';
import type { Documents } from './documents.ts';

/** Children that are images or indexes; attestations and other artifacts are not read. */
function readableChildren(index: Index): readonly Child[] {
	return index.manifests.filter(
		(child) =>
			(isIndexType(child.mediaType) || isImageManifestType(child.mediaType)) &&
			!isAttestation(child),
	);
}

/**
 * How much is read. `children`: all manifests, and configs only where a platform would be unknown without them.
 * `configs`: all of both, so that every listed platform is compared with what the image says.
 */
export const depths = ['children', 'configs'] as const;
export type Depth = (typeof depths)[number];

export interface WalkOptions extends CallOptions {
	/** `configs` where it is not said */
	readonly depth?: Depth | undefined;
}

interface Lead {
	readonly manifests: readonly DocumentRequest<DigestReference>[];
	readonly configs: readonly DocumentRequest<DigestReference>[];
	/** Of the manifests, those whose platform is stated where they are listed. */
	readonly stated: readonly Digest[];
}

const nowhere: Lead = { manifests: [], configs: [], stated: [] };

/** What a manifest leads to: an index to its children, an image to its config. */
function leadsTo({ reference, namedBy }: DocumentRequest, document: Document): Lead {
	const content = readManifest(document);
	const request = (digest: Digest) => ({ reference: byDigest(reference, digest), namedBy });
	if (content.kind === 'index') {
		const children = readableChildren(content.index).flatMap(({ digest, platform }) =>
			isDigest(digest) ? [{ digest, platform }] : [],
		);
		const stated = children.flatMap(({ digest, platform }) => (platform ? [digest] : []));
		return { ...nowhere, manifests: children.map(({ digest }) => request(digest)), stated };
	}
	if (content.kind !== 'image' || !isImageConfigType(content.manifest.config.mediaType)) {
		return nowhere;
	}
	return { ...nowhere, configs: [request(content.manifest.config.digest)] };
}

/** While this many are waiting, a second batch starts beside the first: registries are kept busy. */
const batchSize = 96;
const mostBatches = 2;

/** What is still to be read. Each document is asked for once, and nesting is followed eight levels down. */
class Agenda {
	readonly #heights = new Map<string, number>();
	#manifests: DocumentRequest[] = [];
	#configs: DocumentRequest<DigestReference>[] = [];

	addManifests(requests: readonly DocumentRequest[], below?: DocumentRequest): void {
		const above = below && this.#heights.get(formatReference(below.reference));
		const height = above === undefined ? 0 : above + 1;
		if (height > limits.indexDepth) return;
		this.#manifests.push(...requests.filter((request) => this.#isNew(request, height)));
	}

	addConfigs(requests: readonly DocumentRequest<DigestReference>[]): void {
		this.#configs.push(...requests.filter((request) => this.#isNew(request, 0)));
	}

	#isNew({ reference }: DocumentRequest, height: number): boolean {
		const name = formatReference(reference);
		if (this.#heights.has(name)) return false;
		this.#heights.set(name, height);
		return true;
	}

	/** The next batch of manifests, where one is due beside `running` others. */
	takeManifests(running: number): readonly DocumentRequest[] {
		const isDue = this.#manifests.length >= (running === 0 ? 1 : batchSize);
		if (!isDue || running >= mostBatches) return [];
		const batch = this.#manifests;
		this.#manifests = [];
		return batch;
	}

	/** All configs, once no manifest is left that could lead to more. */
	takeConfigs(): readonly DocumentRequest<DigestReference>[] {
		const batch = this.#configs;
		this.#configs = [];
		return batch;
	}
}

/**
 * Reads `roots`, the children of those that are indexes, theirs again, and then configs as `depth` says.
 * What arrives goes into `documents`; each arrival is yielded, failures too.
 */
export async function* walk(
	registries: RegistryReader,
	roots: readonly DocumentRequest[],
	documents: Documents,
	{ depth = 'configs', ...options }: WalkOptions = {},
): AsyncGenerator<DocumentResult> {
	const agenda = new Agenda();
	const stated = new Set<Digest>();
	const batches = new Confluence<DocumentResult>();
	agenda.addManifests(roots);
	try {
		for (;;) {
			const due = agenda.takeManifests(batches.running);
			if (due.length > 0) batches.add(registries.readManifests(due, options));
			if (batches.running === 0) break;
			const result = await batches.next();
			if (!result) continue;
			documents.addManifest(result);
			if (result.ok) {
				const lead = leadsTo(result.request, result.document);
				for (const digest of lead.stated) stated.add(digest);
				agenda.addManifests(lead.manifests, result.request);
				const isWanted = depth === 'configs' || !stated.has(result.document.digest);
				if (isWanted) agenda.addConfigs(lead.configs);
			}
			yield result;
		}
	} finally {
		batches.stop();
	}
	const configs = agenda.takeConfigs();
	if (configs.length === 0) return;
	for await (const result of registries.readConfigs(configs, options)) {
		documents.addConfig(result);
		yield result;
	}
}
