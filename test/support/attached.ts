/** Manifests that are attached to others: cosign's under tags, and referrers. */
import type { Digest } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { contentOf, descriptorOf, type Content } from './release-maker.ts';

export interface AttachedImage {
	readonly manifest: Content;
	readonly config: Content;
	readonly layer: Content;
}

export interface AttachedOptions {
	/** makes it a referrer of this */
	readonly subject?: Content | undefined;
	readonly artifactType?: string | undefined;
	readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export const signatureType = 'application/vnd.dev.cosign.artifact.sig.v1+json';
export const sbomType = 'application/spdx+json';

/** @param text what makes it another one */
export function attachedImage(
	text: string,
	{ subject, artifactType, annotations }: AttachedOptions = {},
): AttachedImage {
	const layer = contentOf('application/vnd.dev.cosign.simplesigning.v1+json', { text });
	const config = contentOf(mediaTypes.ociConfig, { rootfs: { type: 'layers' }, text });
	const manifest = contentOf(mediaTypes.ociManifest, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociManifest,
		...(artifactType && { artifactType }),
		config: descriptorOf(config),
		layers: [descriptorOf(layer)],
		...(subject && { subject: descriptorOf(subject) }),
		...(annotations && { annotations }),
	});
	return { manifest, config, layer };
}

export function cosignTag(digest: Digest | string, suffix: 'sig' | 'att' | 'sbom'): string {
	return `${digest.replace(':', '-')}.${suffix}`;
}
