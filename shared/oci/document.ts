/** A manifest or config as it came: its exact bytes, its digest, and what they say. */
import type { Digest } from './digest.ts';
import { readJson } from './json-value.ts';
import {
	imageConfigSchema,
	imageManifestSchema,
	indexSchema,
	type ImageConfig,
	type ImageManifest,
	type Index,
} from './manifest.ts';
import { isImageManifestType, isIndexType, manifestMediaTypes, mediaTypes } from './media-type.ts';

/** Bytes that were held against `digest` when they came in. They are never serialised again. */
export interface Document {
	readonly mediaType: string;
	readonly digest: Digest;
	readonly bytes: Uint8Array;
}

export type ManifestContent =
	| { readonly kind: 'index'; readonly index: Index }
	| { readonly kind: 'image'; readonly manifest: ImageManifest }
	/** Docker schema 1, artifact manifests, anything newer than this program. */
	| { readonly kind: 'other'; readonly mediaType: string }
	| { readonly kind: 'malformed'; readonly reason: string };

function malformed(reason: string): ManifestContent {
	return { kind: 'malformed', reason };
}

/** The object that it is, or why it is none: half a sentence. */
function readObject(bytes: Uint8Array): Record<string, unknown> | string {
	let text: string;
	try {
		text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
	} catch {
		return 'it is not JSON';
	}
	const read = readJson(text);
	if (!read.ok) return read.why;
	const { value } = read;
	if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
		return value as Record<string, unknown>;
	}
	return 'it is JSON, but not an object';
}

/** Of what a stranger wrote, in a reason. */
const longestQuoted = 200;

/** Names the first thing a schema did not like, with its path. */
function firstIssue(error: {
	issues: readonly { path: readonly PropertyKey[]; message: string }[];
}): string {
	const [issue] = error.issues;
	return issue
		? `${issue.path.join('.').slice(0, longestQuoted) || 'the document'}: ${issue.message}`
		: 'unexpected content';
}

/**
 * The media type that a document has, from its header where that says something, else from its fields.
 * Registries are known to send `application/json`, `text/plain` or nothing.
 */
export function manifestMediaType(bytes: Uint8Array, header: string): string {
	if (manifestMediaTypes.includes(header)) return header;
	const json = readObject(bytes);
	if (typeof json === 'string') return header || mediaTypes.octetStream;
	if (typeof json['mediaType'] === 'string') return json['mediaType'];
	if (Array.isArray(json['manifests'])) return mediaTypes.ociIndex;
	if (Array.isArray(json['layers']) && 'config' in json) return mediaTypes.ociManifest;
	if (Array.isArray(json['fsLayers'])) return mediaTypes.dockerSchema1;
	return header || mediaTypes.octetStream;
}

const parsed = new WeakMap<
	Uint8Array,
	{ readonly mediaType: string; readonly content: ManifestContent }
>();

/**
 * What a manifest says. A document that could be read as an index and as an image at once is refused
 * (CVE-2021-41190), and so is one whose own `mediaType` contradicts the one it was served with.
 */
export function readManifest(document: Document): ManifestContent {
	const known = parsed.get(document.bytes);
	if (known?.mediaType === document.mediaType) return known.content;
	const content = parseManifest(document);
	parsed.set(document.bytes, { mediaType: document.mediaType, content });
	return content;
}

const roles = [
	'schemaVersion',
	'mediaType',
	'manifests',
	'config',
	'layers',
	'fsLayers',
	'subject',
];

function folded(key: string): string {
	return key.toUpperCase().toLowerCase();
}

const roleByFolded: ReadonlyMap<string, string> = new Map(roles.map((key) => [folded(key), key]));

/**
 * D20: Go's encoding/json takes a key in any case for the field of that name, so that container engines would see
 * another document than is shown here.
 */
function misspeltRole(json: Readonly<Record<string, unknown>>): string | undefined {
	return Object.keys(json).find((key) => (roleByFolded.get(folded(key)) ?? key) !== key);
}

function parseManifest({ mediaType, bytes }: Document): ManifestContent {
	if (!isIndexType(mediaType) && !isImageManifestType(mediaType)) {
		return { kind: 'other', mediaType };
	}
	const json = readObject(bytes);
	if (typeof json === 'string') return malformed(json);
	if ('manifests' in json && ('layers' in json || 'config' in json || 'fsLayers' in json)) {
		return malformed('it could be read as an index and as an image at once');
	}
	const misspelt = misspeltRole(json);
	if (misspelt !== undefined) {
		const quoted = JSON.stringify(misspelt).slice(0, longestQuoted);
		return malformed(`it has the key ${quoted}, which other programs read as another one`);
	}
	if (json['mediaType'] !== undefined && json['mediaType'] !== mediaType) {
		return malformed(
			`it was served as ${mediaType} but calls itself ${JSON.stringify(json['mediaType']).slice(0, longestQuoted)}`,
		);
	}
	if (isIndexType(mediaType)) {
		const result = indexSchema.safeParse(json);
		return result.success
			? { kind: 'index', index: result.data }
			: malformed(firstIssue(result.error));
	}
	const result = imageManifestSchema.safeParse(json);
	return result.success
		? { kind: 'image', manifest: result.data }
		: malformed(firstIssue(result.error));
}

export type ConfigContent =
	| { readonly kind: 'config'; readonly config: ImageConfig }
	| { readonly kind: 'malformed'; readonly reason: string };

export function readConfig(bytes: Uint8Array): ConfigContent {
	const json = readObject(bytes);
	if (typeof json === 'string') return { kind: 'malformed', reason: json };
	const result = imageConfigSchema.safeParse(json);
	return result.success
		? { kind: 'config', config: result.data }
		: { kind: 'malformed', reason: firstIssue(result.error) };
}
