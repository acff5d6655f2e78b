/** The signatures of a release that a command has read. Loaded on demand: OpenPGP and YAML are large. */
import { isDigest } from '../../shared/oci/digest.ts';
import type { ReleaseReading } from '../../shared/release/read-release.ts';
import { signatureReport, type SignatureReport } from '../../shared/report/signature-report.ts';
import { checkReleaseSignatures } from '../../shared/signature/check-release.ts';
import { verifySigned } from '../../shared/signature/openpgp.ts';
import type { SignatureStore } from '../../shared/signature/stores.ts';
import { findVerificationConfigMap } from '../../shared/signature/verification-config-map.ts';
import { openSignatureStores } from '../upstream/signature-store.ts';
import type { RegistrySettings } from './registry-arguments.ts';
import { readSignatureFiles, type SignatureSettings } from './signature-arguments.ts';

export interface AuditSignatureOptions {
	readonly settings: SignatureSettings;
	readonly registries: RegistrySettings;
}

/** Undefined where the release has not been read. @throws UsageError for files that cannot be read */
export async function auditSignature(
	{ root, images, payload }: ReleaseReading,
	{ settings, registries }: AuditSignatureOptions,
): Promise<SignatureReport | undefined> {
	if (!root) return undefined;
	const given = await readSignatureFiles(settings);
	const named = payload && findVerificationConfigMap(payload.files);
	const own = (named?.keyrings ?? []).map((key) => ({ ...key, from: 'payload' as const }));
	const stores: readonly SignatureStore[] = [
		...settings.stores.map((url) => ({ url, namedBy: 'user' as const })),
		...(settings.isPayloadAsked
			? (named?.stores ?? []).map((url) => ({ url, namedBy: 'payload' as const }))
			: []),
	];
	const opened = openSignatureStores(registries);
	try {
		const subjects = await checkReleaseSignatures(
			{
				root: root.digest,
				images: images.flatMap(({ digest, platform }) =>
					isDigest(digest) ? [{ digest, platform }] : [],
				),
				// A key that the user gives takes the place of those that the payload chose for itself.
				keyrings: given.keyrings.length > 0 ? given.keyrings : own,
				stores,
				files: given.signatures,
			},
			{ verify: verifySigned, now: Date.now(), find: opened.find },
		);
		return signatureReport(subjects);
	} finally {
		await opened.close();
	}
}
