/** Makes small releases in a fake registry, in Node and in a browser alike, whole or broken as a test wants. */
import { gzipSync } from 'fflate';
import { packTar } from 'modern-tar';
import type { Digest } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import type { Platform } from '../../shared/oci/platform.ts';
import {
	byDigest,
	formatReference,
	type DigestReference,
	type Repository,
} from '../../shared/oci/reference.ts';
import type { Depth } from '../../shared/index/walk.ts';
import {
	readWholeRelease,
	releaseLabel,
	startReading,
	type ReleaseReading,
} from '../../shared/release/read-release.ts';
import { architectureKey } from '../../shared/release/release-metadata.ts';
import { inflate } from '../../web/api/inflate.ts';
import { FakeRegistries, hashOf } from './fake-registries.ts';

export type Flavour = 'oci' | 'docker';

const types = {
	oci: {
		index: mediaTypes.ociIndex,
		manifest: mediaTypes.ociManifest,
		config: mediaTypes.ociConfig,
		layer: mediaTypes.ociLayerGzip,
	},
	docker: {
		index: mediaTypes.dockerList,
		manifest: mediaTypes.dockerManifest,
		config: mediaTypes.dockerConfig,
		layer: mediaTypes.dockerLayerGzip,
	},
} as const;

export function textBytes(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

export interface Content {
	readonly mediaType: string;
	readonly digest: Digest;
	readonly bytes: Uint8Array;
}

export function contentOf(mediaType: string, value: unknown): Content {
	const bytes =
		value instanceof Uint8Array
			? value
			: textBytes(typeof value === 'string' ? value : JSON.stringify(value));
	return { mediaType, bytes, digest: hashOf('sha256', bytes) };
}

export function descriptorOf({ mediaType, digest, bytes }: Content) {
	return { mediaType, digest, size: bytes.length };
}

export interface MadeImage {
	readonly manifest: Content;
	readonly config: Content;
	readonly layers: readonly Content[];
	readonly platform: Platform;
}

/** What an index lists; anything may be written into it. */
export type Entry = Readonly<Record<string, unknown>>;

/** An image under its own platform, unless `changes` say otherwise. */
export function entryOf({ manifest, platform }: MadeImage, changes: Entry = {}): Entry {
	return { ...descriptorOf(manifest), platform, ...changes };
}

export function linux(architecture: string, variant?: string): Platform {
	return { os: 'linux', architecture, ...(variant && { variant }) };
}

export interface ImageOptions {
	/** what the config says, where it is not the platform */
	readonly configured?: Platform | undefined;
	readonly labels?: Readonly<Record<string, string>> | undefined;
	readonly layers?: readonly Content[];
	readonly diffIds?: readonly string[];
	readonly configType?: string;
}

export interface LayerFile {
	readonly name: string;
	readonly text: string;
}

/** A payload: what its two special files say, and what else is in it. */
export interface PayloadOptions {
	readonly version?: string;
	readonly name?: string;
	readonly metadata?: Readonly<Record<string, unknown>>;
	readonly files?: readonly LayerFile[];
	/** the last word on all files */
	readonly edit?: (files: readonly LayerFile[]) => readonly LayerFile[];
	/** the last word on the layer */
	readonly pack?: (layer: Content) => Content;
}

export interface FinishOptions extends PayloadOptions {
	readonly label?: string;
	/** the payload of one architecture, where it differs */
	readonly payloadFor?: (architecture: string) => PayloadOptions;
	/** tags the one release image itself, without an index */
	readonly single?: boolean;
}

export async function packLayer(
	flavour: Flavour,
	files: readonly LayerFile[],
	folder = 'release-manifests',
): Promise<{ layer: Content; tar: Uint8Array }> {
	const mtime = new Date(0);
	const tar = await packTar([
		{ header: { name: folder, size: 0, type: 'directory', mode: 0o777, mtime } },
		...files.map(({ name, text }) => {
			const body = textBytes(text);
			const header = { name: `${folder}/${name}`, size: body.length, type: 'file' as const, mtime };
			return { header, body };
		}),
	]);
	return { layer: contentOf(types[flavour].layer, gzipSync(tar, { level: 6, mtime: 0 })), tar };
}

export class ReleaseMaker {
	readonly registries = new FakeRegistries();
	readonly release: Repository = { registry: 'quay.io', repository: 'acme/release' };
	/** where the components are */
	readonly parts: Repository = { registry: 'quay.io', repository: 'acme/parts' };
	readonly architectures: readonly string[];
	readonly flavour: Flavour;
	readonly version = '4.20.0';
	readonly #components: { name: string; pullspec: string }[] = [];

	constructor(architectures: readonly string[] = ['amd64', 'arm64'], flavour: Flavour = 'oci') {
		this.architectures = architectures;
		this.flavour = flavour;
	}

	/** An image with a layer of its own, stored beside the components. */
	image(name: string, platform: Platform, options: ImageOptions = {}): MadeImage {
		const type = types[this.flavour];
		const { configured = platform, labels, configType = type.config } = options;
		const layers = options.layers ?? [
			contentOf(type.layer, `layer of ${name} for ${JSON.stringify(platform)}`),
		];
		const config = contentOf(configType, {
			...configured,
			created: '2026-01-02T03:04:05Z',
			config: { ...(labels && { Labels: labels }) },
			rootfs: { type: 'layers', diff_ids: options.diffIds ?? layers.map(({ digest }) => digest) },
			name,
		});
		const manifest = contentOf(type.manifest, {
			schemaVersion: 2,
			mediaType: type.manifest,
			config: descriptorOf(config),
			layers: layers.map(descriptorOf),
		});
		const image = { manifest, config, layers, platform };
		this.store(this.parts, image);
		return image;
	}

	store(repository: Repository, { manifest, config, layers }: MadeImage): DigestReference {
		for (const { bytes } of [config, ...layers]) this.registries.putBlob(repository, bytes);
		return this.registries.putManifest(repository, manifest);
	}

	index(entries: readonly Entry[], more: Entry = {}): Content {
		const mediaType = types[this.flavour].index;
		return contentOf(mediaType, { schemaVersion: 2, mediaType, manifests: entries, ...more });
	}

	/** Puts an index and names it as a component. */
	add(name: string, entries: readonly Entry[]): DigestReference {
		return this.addContent(name, this.index(entries));
	}

	addContent(name: string, content: Content): DigestReference {
		const reference = this.registries.putManifest(this.parts, content);
		this.addPullspec(name, formatReference(reference));
		return reference;
	}

	addPullspec(name: string, pullspec: string): void {
		this.#components.push({ name, pullspec });
	}

	/** A component that is built for every architecture of the release. */
	addBuilt(name: string): readonly MadeImage[] {
		const images = this.architectures.map((architecture) => this.image(name, linux(architecture)));
		this.add(
			name,
			images.map((image) => entryOf(image)),
		);
		return images;
	}

	#payloadFiles({ version = this.version, name = version, metadata, files, edit }: PayloadOptions) {
		const tags = this.#components.map((component) => ({
			name: component.name,
			annotations: {
				'io.openshift.build.commit.id': '0123456789abcdef0123456789abcdef01234567',
				'io.openshift.build.source-location': `https://github.com/acme/${component.name}`,
			},
			from: { kind: 'DockerImage', name: component.pullspec },
		}));
		const stream = {
			kind: 'ImageStream',
			apiVersion: 'image.openshift.io/v1',
			metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
			spec: { tags },
		};
		const extra = this.architectures.length > 1 ? { [architectureKey]: 'multi' } : {};
		const release = {
			kind: 'cincinnati-metadata-v0',
			version,
			previous: ['4.19.8', '4.19.9'],
			metadata: metadata ?? extra,
		};
		const all = [
			{ name: 'image-references', text: JSON.stringify(stream) },
			{ name: 'release-metadata', text: JSON.stringify(release) },
			...(files ?? []),
		];
		return edit ? edit(all) : all;
	}

	async #releaseImage(architecture: string, options: FinishOptions): Promise<MadeImage> {
		const payload = { ...options, ...options.payloadFor?.(architecture) };
		const packed = await packLayer(this.flavour, this.#payloadFiles(payload));
		const layer = payload.pack?.(packed.layer) ?? packed.layer;
		const label = options.label ?? this.version;
		const image = this.image(`release for ${architecture}`, linux(architecture), {
			...(label && { labels: { [releaseLabel]: label } }),
			layers: [layer],
			diffIds: [hashOf('sha256', packed.tar)],
		});
		this.store(this.release, image);
		return image;
	}

	/** Makes the release images and tags them `1`. */
	async finish(options: FinishOptions = {}): Promise<readonly MadeImage[]> {
		const images: MadeImage[] = [];
		for (const architecture of this.architectures) {
			images.push(await this.#releaseImage(architecture, options));
		}
		const [first] = images;
		const root =
			options.single && first ? first.manifest : this.index(images.map((image) => entryOf(image)));
		this.registries.putManifest(this.release, root, '1');
		return images;
	}

	start(depth?: Depth): ReleaseReading {
		return startReading({ ...this.release, tag: '1' }, depth);
	}

	read(depth?: Depth): Promise<ReleaseReading> {
		return readWholeRelease({ registries: this.registries, inflate }, this.start(depth));
	}

	/** By digest, in the repository of the components. */
	part({ digest }: Content): DigestReference {
		return byDigest(this.parts, digest);
	}
}
