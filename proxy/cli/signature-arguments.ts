/** The flags of release signatures: where they are, and whose keys count. */
import { basename } from 'node:path';
import { isLikeSignature, noSignatureSentence } from '../../shared/signature/given-file.ts';
import { signatureLimits } from '../../shared/signature/limits.ts';
import { readStore } from '../../shared/signature/stores.ts';
import type { FoundSignature, Keyring } from '../../shared/signature/judge.ts';
import { readBytesFile } from './files.ts';
import { UsageError } from './usage.ts';

/** For `parseArgs` of node:util. */
export const signatureFlags = {
	signature: { type: 'boolean' },
	'signature-store': { type: 'string', multiple: true },
	'signature-file': { type: 'string', multiple: true },
	'verification-key': { type: 'string', multiple: true },
	'require-signature': { type: 'boolean' },
} as const;

/** What `parseArgs` makes of them. */
export interface SignatureFlagValues {
	readonly signature?: boolean | undefined;
	readonly 'signature-store'?: readonly string[] | undefined;
	readonly 'signature-file'?: readonly string[] | undefined;
	readonly 'verification-key'?: readonly string[] | undefined;
	readonly 'require-signature'?: boolean | undefined;
}

export interface SignatureSettings {
	/** also look where the payload says, which contacts hosts that the user did not name */
	readonly isPayloadAsked: boolean;
	readonly stores: readonly string[];
	readonly files: readonly string[];
	readonly keys: readonly string[];
	readonly isRequired: boolean;
}

function checkStore(text: string): string {
	const read = readStore({ url: text, namedBy: 'user' });
	if (!read.ok) throw new UsageError(`${read.reason.replace(/\.$/, '')}, after --signature-store.`);
	return text;
}

/** Undefined where signatures are not asked for. @throws UsageError */
export function readSignatureSettings(values: SignatureFlagValues): SignatureSettings | undefined {
	const stores = (values['signature-store'] ?? []).map(checkStore);
	const files = values['signature-file'] ?? [];
	const keys = values['verification-key'] ?? [];
	const isPayloadAsked = values.signature ?? false;
	const isRequired = values['require-signature'] ?? false;
	if (stores.length > signatureLimits.stores || files.length > signatureLimits.signatures) {
		throw new UsageError(
			`At most ${signatureLimits.stores} --signature-store and ${signatureLimits.signatures} --signature-file.`,
		);
	}
	if (isPayloadAsked || stores.length > 0 || files.length > 0) {
		return { isPayloadAsked, stores, files, keys, isRequired };
	}
	if (keys.length === 0 && !isRequired) return undefined;
	const flag = isRequired ? '--require-signature' : '--verification-key';
	throw new UsageError(
		`${flag} does not say where signatures are: add --signature, --signature-store or --signature-file.`,
	);
}

/** What the named files hold. @throws UsageError */
export async function readSignatureFiles({ files, keys }: SignatureSettings): Promise<{
	readonly signatures: readonly FoundSignature[];
	readonly keyrings: readonly Keyring[];
}> {
	const signatures = files.map(async (path) => ({
		from: basename(path),
		bytes: await readBytesFile(path, signatureLimits.signatureBytes),
	}));
	const keyrings = keys.map(async (path) => ({
		name: basename(path),
		bytes: await readBytesFile(path, signatureLimits.keyringBytes),
		from: 'user' as const,
	}));
	const read = await Promise.all(signatures);
	const other = read.find(({ bytes }) => !isLikeSignature(bytes));
	if (other) throw new UsageError(noSignatureSentence(other.from));
	return { signatures: read, keyrings: await Promise.all(keyrings) };
}
