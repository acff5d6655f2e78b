/** Reads indexes and everything they list, level by level, each document once. */
import { isDigest } from '../oci/digest.ts';
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

interface Follow {
	readonly manifests: readonly DocumentRequest<DigestReference>[];
	readonly configs: readonly DocumentRequest<DigestReference>[];
}

/** What a manifest leads to: an index to its children, an image to its config. */
function follow({ reference, namedBy }: DocumentRequest, document: Document): Follow {
	const content = readManifest(document);
	if (content.kind === 'index') {
		const manifests = readableChildren(content.index).flatMap(({ digest }) =>
			isDigest(digest) ? [{ reference: byDigest(reference, digest), namedBy }] : [],
		);
		return { manifests, configs: [] };
	}
	if (content.kind === 'image' && isImageConfigType(content.manifest.config.mediaType)) {
		return {
			manifests: [],
			configs: [{ reference: byDigest(reference, content.manifest.config.digest), namedBy }],
		};
	}
	return { manifests: [], configs: [] };
}

/**
 * Reads `roots`, the children of those that are indexes, theirs again (to a depth of eight), and the configs
 * of all images. What arrives goes into `documents`; each arrival is yielded, failures too.
 * A digest met again is not read again, so a cycle ends by itself.
 */
export async function* walk(
	registries: RegistryReader,
	roots: readonly DocumentRequest[],
	documents: Documents,
	options: CallOptions = {},
): AsyncGenerator<DocumentResult> {
	const asked = new Set<string>();
	const fresh = <R extends DocumentRequest>(requests: readonly R[]): R[] =>
		requests.filter(({ reference }) => {
			const name = formatReference(reference);
			return !asked.has(name) && asked.add(name);
		});
	const configs: DocumentRequest<DigestReference>[] = [];
	let level: readonly DocumentRequest[] = fresh(roots);
	for (let depth = 0; level.length > 0 && depth <= limits.indexDepth; depth += 1) {
		const next: DocumentRequest<DigestReference>[] = [];
		for await (const result of registries.readManifests(level, options)) {
			documents.addManifest(result);
			if (result.ok) {
				const found = follow(result.request, result.document);
				next.push(...fresh(found.manifests));
				configs.push(...fresh(found.configs));
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
