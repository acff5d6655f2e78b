/** Reads indexes and everything they list, level by level, each document once. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { readManifest, type Document } from '../oci/document.ts';
import { isAttestation, type Child, type Index } from '../oci/manifest.ts';
import { isImageConfigType, isImageManifestType, isIndexType } from '../oci/media-type.ts';
import { byDigest, formatReference, type DigestReference } from '../oci/reference.ts';
import { limits } from '../registry/limits.ts';
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

/** Lets each request through once. */
function onlyOnce() {
	const asked = new Set<string>();
	return <R extends DocumentRequest>(requests: readonly R[]): R[] =>
		requests.filter(({ reference }) => {
			const name = formatReference(reference);
			return !asked.has(name) && asked.add(name);
		});
}

/**
 * Reads `roots`, the children of those that are indexes, theirs again (eight levels at most), and configs as
 * `depth` says. What arrives goes into `documents`; each arrival is yielded, failures too.
 * A digest met again is not read again, so a cycle ends by itself.
 */
export async function* walk(
	registries: RegistryReader,
	roots: readonly DocumentRequest[],
	documents: Documents,
	{ depth = 'configs', ...options }: WalkOptions = {},
): AsyncGenerator<DocumentResult> {
	const fresh = onlyOnce();
	const stated = new Set<Digest>();
	const configs: DocumentRequest<DigestReference>[] = [];
	let level: readonly DocumentRequest[] = fresh(roots);
	for (let height = 0; level.length > 0 && height <= limits.indexDepth; height += 1) {
		const next: DocumentRequest<DigestReference>[] = [];
		for await (const result of registries.readManifests(level, options)) {
			documents.addManifest(result);
			if (result.ok) {
				const lead = leadsTo(result.request, result.document);
				for (const digest of lead.stated) stated.add(digest);
				next.push(...fresh(lead.manifests));
				const isWanted = depth === 'configs' || !stated.has(result.document.digest);
				if (isWanted) configs.push(...fresh(lead.configs));
			}
			yield result;
		}
		level = next;
	}
	for await (const result of registries.readConfigs(configs, options)) {
		documents.addConfig(result);
		yield result;
	}
}
