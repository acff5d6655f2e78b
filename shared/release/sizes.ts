/** Compressed sizes: what a component weighs, and what of it is its own. */
import type { ListedImage } from '../index/images.ts';
import type { ImageManifest } from '../oci/manifest.ts';

export interface ComponentSize {
	/** Sum of the distinct blobs of all its images. */
	readonly sizeBytes: number;
	/** Sum of those of them that no other component has. */
	readonly uniqueBytes: number;
	/** False while an image is unread: then both are lower bounds. */
	readonly sizesComplete: boolean;
}

export function imageSizeBytes({ config, layers }: ImageManifest): number {
	return layers.reduce((sum, { size }) => sum + size, config.size);
}

function blobsOf(images: readonly ListedImage[]): ReadonlyMap<string, number> {
	const blobs = new Map<string, number>();
	for (const { state } of images) {
		if (state.kind !== 'read') continue;
		for (const { digest, size } of [state.manifest.config, ...state.manifest.layers]) {
			blobs.set(digest, size);
		}
	}
	return blobs;
}

function sum(sizes: Iterable<number>): number {
	let total = 0;
	for (const size of sizes) total += size;
	return total;
}

/** One result for each component's images, in the same order. */
export function componentSizes(
	imagesOfComponents: readonly (readonly ListedImage[])[],
): readonly ComponentSize[] {
	const all = imagesOfComponents.map(blobsOf);
	const owners = new Map<string, number>();
	for (const digest of all.flatMap((blobs) => [...blobs.keys()])) {
		owners.set(digest, (owners.get(digest) ?? 0) + 1);
	}
	return all.map((blobs, at) => ({
		sizeBytes: sum(blobs.values()),
		uniqueBytes: sum(
			[...blobs].filter(([digest]) => owners.get(digest) === 1).map(([, size]) => size),
		),
		sizesComplete:
			(imagesOfComponents[at]?.length ?? 0) > 0 &&
			(imagesOfComponents[at]?.every(({ state }) => state.kind === 'read') ?? false),
	}));
}
