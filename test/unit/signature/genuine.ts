/** Genuine keys and signatures, and signers of the tests' own. */
import { readFileSync } from 'node:fs';
import {
	createMessage,
	generateKey,
	revokeKey,
	sign,
	type PrivateKey,
	type PublicKey,
} from 'openpgp';
import { fixture } from '../../support/fixtures.ts';

const testdata = 'openshift/oc-mirror/tests/unit/testdata';

/** Of quay.io/openshift-release-dev/ocp-release:4.15.0-x86_64. */
export const genuineDigest =
	'sha256:0da6316466d60a3a4535d5fed3589feb0391989982fba59d47d4c729912d6363';
export const redHatFingerprint = '567E347AD0044ADE55BA8A5F199E2F91FD431D51';

export function genuineSignature(): Uint8Array {
	return new Uint8Array(
		readFileSync(fixture('openshift/oc-mirror/internal/e2e/signatures/signature-1')),
	);
}

/** Red Hat’s of 2022, with signature packets of version 3; the second one’s number begins with a zero octet. */
export function genuineVersion3(number: 1 | 2 | 3 | 4): Uint8Array {
	return new Uint8Array(readFileSync(fixture(testdata, `noo-bundle-image/signature-${number}`)));
}

export function redHatKeys(): Uint8Array {
	return new Uint8Array(readFileSync(fixture('openshift/derived/redhat-release-key2.asc')));
}

export function damagedKey(): Uint8Array {
	return new Uint8Array(readFileSync(fixture(testdata, 'buggy-ocp-sig-key.asc')));
}

export const genuineConfigMap = fixture(
	'openshift/derived/0000_90_cluster-update-keys_configmap.yaml',
);

export interface OwnSigner {
	readonly privateKey: PrivateKey;
	readonly publicKey: PublicKey;
	/** armored */
	readonly keyring: Uint8Array;
	readonly fingerprint: string;
}

const madeAt = new Date('2025-01-01T00:00:00Z');
const signedAt = new Date('2025-02-01T00:00:00Z');

export async function makeSigner(
	name = 'Test Signer',
	options: { readonly date?: Date; readonly keyExpirationTime?: number } = {},
): Promise<OwnSigner> {
	const made = await generateKey({
		type: 'ecc',
		curve: 'ed25519Legacy',
		userIDs: [{ name, email: 'signer@example.com' }],
		format: 'object',
		date: madeAt,
		...options,
	});
	return signerOf(made.privateKey, made.publicKey);
}

function signerOf(privateKey: PrivateKey, publicKey: PublicKey): OwnSigner {
	return {
		privateKey,
		publicKey,
		keyring: new TextEncoder().encode(publicKey.armor()),
		fingerprint: publicKey.getFingerprint().toUpperCase(),
	};
}

/** The public key as it is after its revocation. */
export async function revoked({ privateKey }: OwnSigner): Promise<Uint8Array> {
	const { publicKey } = await revokeKey({ key: privateKey, date: signedAt, format: 'armored' });
	return new TextEncoder().encode(publicKey);
}

export function statement(digest: string, change: Record<string, unknown> = {}): string {
	return JSON.stringify({
		critical: {
			type: 'atomic container signature',
			image: { 'docker-manifest-digest': digest },
			identity: { 'docker-reference': 'registry.example.com/ocp/release:4.20.0' },
		},
		optional: { creator: 'test', timestamp: 1_700_000_000 },
		...change,
	});
}

/** A signed message as release signers make it: binary. */
export async function signText(
	text: string,
	{ privateKey }: OwnSigner,
	options: { readonly date?: Date; readonly config?: object } = {},
): Promise<Uint8Array> {
	const message = await createMessage({ binary: new TextEncoder().encode(text) });
	const signed: unknown = await sign({
		message,
		signingKeys: privateKey,
		format: 'binary',
		date: signedAt,
		...options,
	});
	return signed as Uint8Array;
}

function fromBase64(text: string): Uint8Array {
	return new Uint8Array(Buffer.from(text, 'base64'));
}

/** Made with “gpg --digest-algo SHA1”, for sha256:a1a1…: openpgp.js makes no such signature. */
export const weak = {
	key: fromBase64(
		[
			'mDMEawELaxYJKwYBBAHaRw8BAQdAoWKgGecyL1Sl2RFRJqHh22LOmnN0vEU+xUyQ7Ri7U9a0F1dlYWsgPHdlYWtAZX',
			'hhbXBsZS5jb20+iJAEExYIADgWIQQoVHVM38/GMtMgKI5Hf6qu1O/oKwUCawELawIbAwULCQgHAgYVCgkICwIEFgID',
			'AQIeAQIXgAAKCRBHf6qu1O/oK2GTAP9A0XTXQBOkxd0+FFykaCTq0mxcq/TsHK5YdUJsESOLQAD/ThaF2O7n59HZSO',
			'jGLABm5Vf/FU/LH2X9PdKhXKDumAM=',
		].join(''),
	),
	signature: fromBase64(
		[
			'kA0DAAIWR3+qrtTv6CsBrOJiAnN0awELa3siY3JpdGljYWwiOnsidHlwZSI6ImF0b21pYyBjb250YWluZXIgc2lnbm',
			'F0dXJlIiwiaW1hZ2UiOnsiZG9ja2VyLW1hbmlmZXN0LWRpZ2VzdCI6InNoYTI1NjphMWExYTFhMWExYTFhMWExYTFh',
			'MWExYTFhMWExYTFhMWExYTFhMWExYTFhMWExYTFhMWExYTFhMWExYTFhMWExIn0sImlkZW50aXR5Ijp7ImRvY2tlci',
			'1yZWZlcmVuY2UiOiJyZWdpc3RyeS5leGFtcGxlLmNvbS9yOjEifX19iHUEABYCAB0WIQQoVHVM38/GMtMgKI5Hf6qu',
			'1O/oKwUCawELawAKCRBHf6qu1O/oK407APsGBf1HLXWUY4djkF9LDfxKNCJEE2v8U55y+I19EiAiuQD+KVgsV9OM0x',
			'C8BKLTsLLDOZ3aPpocyD/X/ccmQc6hdgY=',
		].join(''),
	),
};
