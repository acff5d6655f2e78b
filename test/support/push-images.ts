/** Puts made images into a registry: every blob and every manifest once. */
import type { MadeImage } from '../../proxy/demo/image-maker.ts';
import { inParallel, type Pusher } from './push.ts';

const width = 32;

export async function pushImages(
	pusher: Pusher,
	repository: string,
	images: readonly MadeImage[],
): Promise<void> {
	const blobs = new Map(
		images.flatMap((image) => image.blobs.map((blob) => [blob.digest, blob] as const)),
	);
	await inParallel([...blobs.values()], width, ({ bytes }) => pusher.pushBlob(repository, bytes));
	const manifests = new Map(images.map(({ manifest }) => [manifest.digest, manifest] as const));
	await inParallel([...manifests.values()], width, ({ bytes, mediaType }) =>
		pusher.pushManifest(repository, bytes, mediaType),
	);
}
