/**
 * The payload's own word on who signs it: a ConfigMap with keys and signature stores (cluster-version-operator).
 * It proves nothing by itself, because whoever made the payload chose it. Loaded on demand: it brings a YAML parser.
 */
import { parseAllDocuments, type Document } from 'yaml';
import * as z from 'zod';
import { signatureLimits } from './limits.ts';

const annotation = 'release.openshift.io/verification-config-map';
const keyPrefix = 'verifier-public-key-';
const storePrefix = 'store-';

export interface NamedKeyring {
	/** such as `verifier-public-key-redhat` */
	readonly name: string;
	readonly bytes: Uint8Array;
}

export interface VerificationConfigMap {
	/** the payload file that holds it */
	readonly file: string;
	readonly keyrings: readonly NamedKeyring[];
	/** as written; may be anything */
	readonly stores: readonly string[];
}

const configMapSchema = z.looseObject({
	kind: z.literal('ConfigMap'),
	metadata: z.looseObject({ annotations: z.record(z.string(), z.unknown()) }),
	data: z.record(z.string(), z.string()).nullish(),
});

interface NamedFile {
	readonly name: string;
	readonly bytes: Uint8Array;
}

function plainValue(document: Document.Parsed): unknown {
	if (document.errors.length > 0) return undefined;
	try {
		return document.toJS({ maxAliasCount: 100 });
	} catch {
		return undefined;
	}
}

function fromValue(file: string, value: unknown): VerificationConfigMap | undefined {
	const parsed = configMapSchema.safeParse(value);
	if (!parsed.success || !(annotation in parsed.data.metadata.annotations)) return undefined;
	const entries = Object.entries(parsed.data.data ?? {});
	const withPrefix = (prefix: string) => entries.filter(([key]) => key.startsWith(prefix));
	const encoder = new TextEncoder();
	return {
		file,
		keyrings: withPrefix(keyPrefix).map(([name, text]) => ({ name, bytes: encoder.encode(text) })),
		stores: withPrefix(storePrefix).map(([, text]) => text.trim()),
	};
}

function inFile({ name, bytes }: NamedFile): VerificationConfigMap | undefined {
	if (bytes.length > signatureLimits.configMapBytes) return undefined;
	const text = new TextDecoder().decode(bytes);
	if (!text.includes(annotation)) return undefined;
	try {
		// Genuine ones have a key twice, and clusters take the last of them.
		for (const document of parseAllDocuments(text, { uniqueKeys: false })) {
			const found = fromValue(name, plainValue(document));
			if (found) return found;
		}
	} catch {
		// What is no YAML is no ConfigMap.
	}
	return undefined;
}

function inOrder({ name: a }: NamedFile, { name: b }: NamedFile): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** The first one by file name, as a cluster takes it; undefined where the payload names nobody. */
export function findVerificationConfigMap(
	files: readonly NamedFile[],
): VerificationConfigMap | undefined {
	for (const file of files.toSorted(inOrder)) {
		const found = /\.(?:yaml|yml|json)$/.test(file.name) ? inFile(file) : undefined;
		if (found) return found;
	}
	return undefined;
}
