/** The Kubernetes objects of a payload that name a component. Loaded on demand: it brings a YAML parser. */
import { parseAllDocuments, type Document } from 'yaml';
import * as z from 'zod';
import { isManifestFile, type PayloadFile } from './payload.ts';

/** A Kubernetes object of a payload file that names a component. */
export interface NamingManifest {
	readonly file: string;
	readonly kind: string;
	readonly namespace: string | undefined;
	readonly name: string;
	/** Capabilities that switch it off, such as `ImageRegistry`. */
	readonly capabilities: readonly string[];
	/** Cluster profiles that include it, such as `self-managed-high-availability`. */
	readonly profiles: readonly string[];
}

const objectSchema = z.looseObject({
	kind: z.string(),
	metadata: z.looseObject({
		name: z.string().nullish(),
		namespace: z.string().nullish(),
		annotations: z.record(z.string(), z.unknown()).nullish(),
	}),
});

const capabilityKey = 'capability.openshift.io/name';
const profilePrefix = 'include.release.openshift.io/';

function toNamingManifest(file: string, value: unknown): NamingManifest | undefined {
	const result = objectSchema.safeParse(value);
	if (!result.success) return undefined;
	const { kind, metadata } = result.data;
	const annotations = metadata.annotations ?? {};
	const capability = annotations[capabilityKey];
	return {
		file,
		kind,
		namespace: metadata.namespace ?? undefined,
		name: metadata.name ?? '',
		capabilities: typeof capability === 'string' ? capability.split('+') : [],
		profiles: Object.keys(annotations)
			.filter((key) => key.startsWith(profilePrefix) && annotations[key] === 'true')
			.map((key) => key.slice(profilePrefix.length)),
	};
}

/** Undefined for what is no value: with errors, unknown anchors, or aliases that would fill the memory. */
function plainValue(document: Document.Parsed): unknown {
	if (document.errors.length > 0) return undefined;
	try {
		return document.toJS({ maxAliasCount: 100 });
	} catch {
		return undefined;
	}
}

/**
 * The objects of one file whose text holds the pullspec. A file may hold several documents;
 * one that cannot be parsed is told by its file name alone.
 */
export function manifestsNaming(file: PayloadFile, pullspec: string): readonly NamingManifest[] {
	const unnamed = {
		file: file.name,
		kind: '',
		namespace: undefined,
		name: '',
		capabilities: [],
		profiles: [],
	};
	if (!isManifestFile(file.name)) return [unnamed];
	const text = new TextDecoder('utf-8').decode(file.bytes);
	// Genuine manifests repeat keys.
	const documents = parseAllDocuments(text, { logLevel: 'silent', uniqueKeys: false });
	const naming = [...documents].flatMap((document) => {
		const [from, , to] = document.range;
		if (!text.slice(from, to).includes(pullspec)) return [];
		return [toNamingManifest(file.name, plainValue(document)) ?? unnamed];
	});
	return naming.length > 0 ? naming : [unnamed];
}
