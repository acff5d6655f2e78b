/** The Kubernetes objects of a payload that name a component. Loaded on demand: it brings a YAML parser. */
import { Composer, Parser, type CST, type Document } from 'yaml';
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

/** Genuine manifests, definitions of custom resources included, stay well below both. */
const deepest = 100;
const mostCharacters = 4 * 1024 * 1024;

function partsOf(token: CST.Token): readonly CST.Token[] {
	if (token.type === 'document') return token.value ? [token.value] : [];
	if (!('items' in token)) return [];
	return token.items.flatMap(({ key, value }) => [
		...(key ? [key] : []),
		...(value ? [value] : []),
	]);
}

/** Level by level: what composes the tokens is recursive, and where it ran out of stack the program would end. */
function isTooDeep(tokens: readonly CST.Token[]): boolean {
	let level = tokens;
	for (let depth = 0; level.length > 0; depth += 1) {
		if (depth > deepest) return true;
		level = level.flatMap(partsOf);
	}
	return false;
}

/** The documents of a file; none where it is larger or nested deeper than anything genuine. */
function documentsIn(text: string): readonly Document.Parsed[] {
	if (text.length > mostCharacters) return [];
	const tokens = [...new Parser().parse(text)];
	if (isTooDeep(tokens)) return [];
	// Genuine manifests repeat keys.
	const options = { logLevel: 'silent', uniqueKeys: false, prettyErrors: false } as const;
	return [...new Composer(options).compose(tokens)];
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
	const naming = documentsIn(text).flatMap((document) => {
		const [from, , to] = document.range;
		if (!text.slice(from, to).includes(pullspec)) return [];
		return [toNamingManifest(file.name, plainValue(document)) ?? unnamed];
	});
	return naming.length > 0 ? naming : [unnamed];
}
