/** Media types of manifests, configs and layers, as registries really send them. */

export const mediaTypes = {
	ociIndex: 'application/vnd.oci.image.index.v1+json',
	dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
	ociManifest: 'application/vnd.oci.image.manifest.v1+json',
	dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
	dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
	dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
	ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
	ociConfig: 'application/vnd.oci.image.config.v1+json',
	dockerConfig: 'application/vnd.docker.container.image.v1+json',
	ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
	dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
	octetStream: 'application/octet-stream',
} as const;

/** In the order in which they are asked for: without the list types some registries convert, others answer 404. */
export const manifestMediaTypes: readonly string[] = [
	mediaTypes.ociIndex,
	mediaTypes.dockerList,
	mediaTypes.ociManifest,
	mediaTypes.dockerManifest,
	mediaTypes.dockerSchema1Signed,
	mediaTypes.dockerSchema1,
	mediaTypes.ociArtifact,
];

export const manifestAccept = [...manifestMediaTypes, '*/*'].join(', ');

/** A media type without its parameters, lower case. */
export function bareMediaType(header: string): string {
	return (header.split(';')[0] ?? '').trim().toLowerCase();
}

export function isIndexType(mediaType: string): boolean {
	return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
}

export function isImageManifestType(mediaType: string): boolean {
	return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
}

export function isImageConfigType(mediaType: string): boolean {
	return mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig;
}

/** `gzip`, `zstd` or `none`; undefined for a media type that is no layer archive. */
export function layerCompression(mediaType: string): 'gzip' | 'zstd' | 'none' | undefined {
	const match = /\.tar(?:[+.](gzip|zstd))?$/.exec(mediaType);
	if (!match) return undefined;
	return match[1] === 'gzip' || match[1] === 'zstd' ? match[1] : 'none';
}
