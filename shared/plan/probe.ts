/**
 * Finds out by writing what a registry takes: tiny images under digests and three indexes of them, never a tag.
 * What was written stays there; nothing is deleted.
 */
import { gzip } from '../archive/compress.ts';
import type { Digest } from '../oci/digest.ts';
import { mediaTypes } from '../oci/media-type.ts';
import { byDigest, formatRepository, type Repository } from '../oci/reference.ts';
import type { CapabilityFact } from '../registry/capabilities.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { ProblemError, type Problem, type ProblemCode } from '../registry/problem.ts';
import type { CallOptions, RegistryWriter } from '../registry/registries.ts';

/** Something small that the probe writes. */
export interface ProbeContent {
	readonly mediaType: string;
	readonly digest: Digest;
	readonly bytes: Uint8Array;
}

export interface ProbeContents {
	readonly blobs: readonly ProbeContent[];
	readonly ociImages: readonly ProbeContent[];
	readonly dockerImages: readonly ProbeContent[];
	readonly ociIndex: ProbeContent;
	readonly dockerList: ProbeContent;
	/** lists one image that is there and one that is not, and never was */
	readonly sparseIndex: ProbeContent;
	/** the child that is not there */
	readonly absent: Digest;
}

interface ImageTypes {
	readonly manifest: string;
	readonly config: string;
	readonly layer: string;
}

const ociTypes: ImageTypes = {
	manifest: mediaTypes.ociManifest,
	config: mediaTypes.ociConfig,
	layer: mediaTypes.ociLayerGzip,
};
const dockerTypes: ImageTypes = {
	manifest: mediaTypes.dockerManifest,
	config: mediaTypes.dockerConfig,
	layer: mediaTypes.dockerLayerGzip,
};

/** An archive with nothing in it: two blocks of zeros (POSIX ustar). */
const emptyArchive = new Uint8Array(1024);
const created = '1970-01-01T00:00:00Z';

class ProbeMaker {
	readonly #hash: HashBytes;

	constructor(hash: HashBytes) {
		this.#hash = hash;
	}

	async content(mediaType: string, value: Uint8Array | object): Promise<ProbeContent> {
		const bytes =
			value instanceof Uint8Array ? value : new TextEncoder().encode(JSON.stringify(value));
		return { mediaType, bytes, digest: await this.#hash('sha256', bytes) };
	}

	/** Genuine images, as some registries look into configs. */
	async config(architecture: string): Promise<ProbeContent> {
		return this.content(mediaTypes.ociConfig, {
			created,
			architecture,
			os: 'linux',
			config: { Labels: { 'io.espalier.probe': 'true' } },
			rootfs: { type: 'layers', diff_ids: [await this.#hash('sha256', emptyArchive)] },
			history: [{ created, created_by: 'espalier probe' }],
		});
	}

	image(
		config: ProbeContent,
		layer: ProbeContent,
		{ manifest: mediaType, ...types }: ImageTypes,
	): Promise<ProbeContent> {
		return this.content(mediaType, {
			schemaVersion: 2,
			mediaType,
			config: { ...descriptorOf(config), mediaType: types.config },
			layers: [{ ...descriptorOf(layer), mediaType: types.layer }],
		});
	}

	index(
		mediaType: string,
		images: readonly (readonly [architecture: string, image: ProbeContent])[],
	): Promise<ProbeContent> {
		return this.content(mediaType, {
			schemaVersion: 2,
			mediaType,
			manifests: images.map(([architecture, image]) => ({
				...descriptorOf(image),
				platform: { architecture, os: 'linux' },
			})),
		});
	}
}

function descriptorOf({ mediaType, digest, bytes }: ProbeContent) {
	return { mediaType, digest, size: bytes.length };
}

/** Everything that the probe writes: the same bytes wherever it is made. */
export async function probeContents(hash: HashBytes): Promise<ProbeContents> {
	const maker = new ProbeMaker(hash);
	const layer = await maker.content(mediaTypes.ociLayerGzip, gzip(emptyArchive));
	const amd64 = await maker.config('amd64');
	const arm64 = await maker.config('arm64');
	const oci = [
		await maker.image(amd64, layer, ociTypes),
		await maker.image(arm64, layer, ociTypes),
	] as const;
	const docker = [
		await maker.image(amd64, layer, dockerTypes),
		await maker.image(arm64, layer, dockerTypes),
	] as const;
	const absent = await maker.image(await maker.config('s390x'), layer, ociTypes);
	const { ociIndex, dockerList } = mediaTypes;
	return {
		blobs: [layer, amd64, arm64],
		ociImages: oci,
		dockerImages: docker,
		ociIndex: await maker.index(ociIndex, [
			['amd64', oci[0]],
			['arm64', oci[1]],
		]),
		dockerList: await maker.index(dockerList, [
			['amd64', docker[0]],
			['arm64', docker[1]],
		]),
		sparseIndex: await maker.index(ociIndex, [
			['amd64', oci[0]],
			['s390x', absent],
		]),
		absent: absent.digest,
	};
}

/** What a probe of this repository writes, said before it does, while, or after. */
export function probeAnnouncement(
	repository: Repository,
	said: 'This would write' | 'This writes' | 'Written' = 'This would write',
): string {
	return `${said} to ${formatRepository(repository)}: 3 blobs, 4 image manifests, an OCI index, a Docker manifest list and a sparse index, less than 5 KiB together. They get no tag and stay there; nothing is deleted, and no tag is touched.`;
}

/** Refusals of what was sent, and not of who sent it. */
const refusalsOfContent: ReadonlySet<ProblemCode> = new Set([
	'manifest-refused',
	'parts-missing',
	'unsupported',
]);

type Taken = { readonly taken: true } | { readonly taken: false; readonly problem: Problem };

class Prober {
	readonly #registries: RegistryWriter;
	readonly #repository: Repository;
	readonly #options: ProbeOptions;

	constructor(registries: RegistryWriter, repository: Repository, options: ProbeOptions) {
		this.#registries = registries;
		this.#repository = repository;
		this.#options = options;
	}

	/** @throws ProblemError where nothing can be written at all */
	async putBlobs(blobs: readonly ProbeContent[]): Promise<void> {
		const { signal } = this.#options;
		const uploads = blobs.map(({ digest, bytes }) => ({
			to: byDigest(this.#repository, digest),
			sizeBytes: bytes.length,
			content: () => once(bytes),
		}));
		for await (const event of this.#registries.putBlobs(uploads, { signal })) {
			if (event.state === 'failed') throw new ProblemError(event.problem);
		}
	}

	/** Whether it takes all of them. @throws ProblemError where that is not about what they are */
	async push(contents: readonly ProbeContent[]): Promise<Taken> {
		const { signal } = this.#options;
		const pushes = contents.map(({ digest, mediaType, bytes }) => ({
			to: byDigest(this.#repository, digest),
			mediaType,
			bytes,
		}));
		let taken: Taken = { taken: true };
		for await (const result of this.#registries.pushManifests(pushes, { signal })) {
			if (result.state !== 'failed') continue;
			if (!refusalsOfContent.has(result.problem.code)) throw new ProblemError(result.problem);
			taken = { taken: false, problem: result.problem };
		}
		return taken;
	}

	fact(about: Probed, answer: CapabilityFact['answer'], evidence: string): CapabilityFact {
		const { registry } = this.#repository;
		return { registry, about, answer, basis: 'observed', evidence, checkedAt: this.#options.now() };
	}

	/** An index, after the images in it. */
	async tryIndex(
		about: Probed,
		index: ProbeContent,
		images: readonly ProbeContent[],
	): Promise<CapabilityFact> {
		const name = formatRepository(this.#repository);
		const ofImages = await this.push(images);
		if (!ofImages.taken) {
			const evidence = `A probe could not ask: ${name} refused an image for it. ${ofImages.problem.reason}`;
			return this.fact(about, 'unknown', evidence);
		}
		const ofIndex = await this.push([index]);
		const what = whatOf[about];
		return ofIndex.taken
			? this.fact(about, 'yes', `A probe wrote ${what} to ${name}, as ${index.digest}.`)
			: this.fact(
					about,
					'no',
					`A probe tried to write ${what} to ${name}, which was refused. ${ofIndex.problem.reason}`,
				);
	}
}

const whatOf = {
	'oci-index': 'an OCI index',
	'docker-list': 'a Docker manifest list',
	sparse: 'an index with a child that is not there',
} as const;

type Probed = keyof typeof whatOf;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield await Promise.resolve(bytes);
}

export interface ProbeOptions extends CallOptions {
	/** in milliseconds since 1970 */
	readonly now: () => number;
}

/**
 * Writes what `probeAnnouncement` says, and tells what was taken.
 * @throws ProblemError where it could not be tried: no login, no connection, no room
 */
export async function probeRegistry(
	{ registries, hash }: { readonly registries: RegistryWriter; readonly hash: HashBytes },
	repository: Repository,
	options: ProbeOptions,
): Promise<readonly CapabilityFact[]> {
	const contents = await probeContents(hash);
	const { ociImages, dockerImages, ociIndex, dockerList, sparseIndex } = contents;
	const prober = new Prober(registries, repository, options);
	await prober.putBlobs(contents.blobs);
	const ofOci = await prober.tryIndex('oci-index', ociIndex, ociImages);
	const ofDocker = await prober.tryIndex('docker-list', dockerList, dockerImages);
	// A registry that takes no OCI index at all says nothing by refusing a sparse one.
	const ofSparse =
		ofOci.answer === 'yes'
			? await prober.tryIndex('sparse', sparseIndex, ociImages)
			: prober.fact('sparse', 'unknown', `A probe could not ask: ${ofOci.evidence}`);
	return [ofOci, ofDocker, ofSparse];
}
