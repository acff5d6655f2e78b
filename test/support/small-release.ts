/** A complete release with seven components in a real registry, in a moment: multi-architecture or not, OCI or Docker. */
import { randomFillSync } from 'node:crypto';
import {
	content,
	makeImage,
	makeIndex,
	makeLayer,
	type Content,
	type Flavour,
	type Layer,
	type LayerFile,
	type MadeImage,
} from '../../proxy/demo/image-maker.ts';
import { deployment, payloadFiles, type PayloadComponent } from '../../proxy/demo/payload-maker.ts';
import type { Digest } from '../../shared/oci/digest.ts';
import { attestationAnnotations } from '../../shared/oci/manifest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { byDigest, formatReference } from '../../shared/oci/reference.ts';
import { releaseLabel } from '../../shared/release/read-release.ts';
import { architectureKey } from '../../shared/release/release-metadata.ts';
import { pushImages } from './push-images.ts';
import { jsonBytes, Pusher } from './push.ts';

const created = '2026-01-01T00:00:00Z';
export const smallVersion = '4.20.0';
export const componentRepository = 'small/components';
export const releaseRepository = 'small/release';

const allArchitectures = ['amd64', 'arm64', 'ppc64le', 's390x'] as const;
type Architecture = (typeof allArchitectures)[number];

/** Which architectures of a component are the pod image's own child. */
const placeholders: Readonly<Record<string, readonly Architecture[]>> = {
	'aws-driver': ['ppc64le', 's390x'],
	cli: [],
	console: [],
	etcd: [],
	operator: ['s390x'],
	pod: [],
	'vsphere-driver': ['arm64', 'ppc64le', 's390x'],
};
export const placeholderCount = Object.values(placeholders).flat().length;
export const componentCount = Object.keys(placeholders).length;
/** The component whose images have attestations, where they are asked for. */
export const attestedComponent = 'operator';

export interface SmallReleaseOptions {
	readonly host: string;
	readonly flavour?: Flavour;
	/** for one architecture only: no index anywhere, as such releases are */
	readonly single?: boolean;
	readonly attested?: boolean;
	/** of every build's own layer; small by default */
	readonly layerBytes?: number;
	/** the registry that the payload names; without it, the one where it is */
	readonly named?: string;
}

export interface SmallRelease {
	/** by tag */
	readonly reference: string;
	readonly root: Content;
	/** the payload layer as it was pushed */
	readonly payload: Content;
	/** what the payload names for each component: an index, or an image of a single-architecture release */
	readonly components: ReadonlyMap<string, Content>;
	/** pullspecs by component */
	readonly pullspecs: ReadonlyMap<string, string>;
	/** the pod image's children */
	readonly placeholders: ReadonlySet<Digest>;
}

function linux(architecture: string) {
	return { os: 'linux', architecture };
}

/** As BuildKit stores what it knows of a build: a child of no platform that names the one it describes. */
function attestationFor({ manifest }: MadeImage): MadeImage {
	const statement = content(
		'application/vnd.in-toto+json',
		jsonBytes({ subject: manifest.digest }),
	);
	const config = content(mediaTypes.ociConfig, jsonBytes({ rootfs: { type: 'layers' } }));
	const describe = ({ mediaType, digest, bytes }: Content) => ({
		mediaType,
		digest,
		size: bytes.length,
	});
	const bytes = jsonBytes({
		schemaVersion: 2,
		mediaType: mediaTypes.ociManifest,
		config: describe(config),
		layers: [describe(statement)],
	});
	return {
		manifest: content(mediaTypes.ociManifest, bytes),
		blobs: [config, statement],
		platform: { os: 'unknown', architecture: 'unknown' },
	};
}

/** An index that lists the attestation of each image behind the images. */
function attestedIndex(images: readonly MadeImage[], attestations: readonly MadeImage[]): Content {
	const describe = ({ manifest, platform }: MadeImage) => ({
		mediaType: manifest.mediaType,
		digest: manifest.digest,
		size: manifest.bytes.length,
		platform,
	});
	const manifests = [
		...images.map(describe),
		...attestations.map((attestation, at) => ({
			...describe(attestation),
			annotations: {
				[attestationAnnotations.type]: 'attestation-manifest',
				[attestationAnnotations.subject]: images[at]?.manifest.digest,
			},
		})),
	];
	return content(
		mediaTypes.ociIndex,
		jsonBytes({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }),
	);
}

/** Nobody looks into the layers of components. */
function ownLayer(flavour: Flavour, sizeBytes: number): Layer {
	const type = flavour === 'oci' ? mediaTypes.ociLayerGzip : mediaTypes.dockerLayerGzip;
	const blob = content(type, randomFillSync(new Uint8Array(sizeBytes)));
	return { blob, diffId: blob.digest };
}

/** Manifests that name components, and one that names the version. */
function manifestsOf(components: readonly PayloadComponent[]): readonly LayerFile[] {
	const operator = `apiVersion: config.openshift.io/v1
kind: ClusterOperator
metadata:
  name: small
status:
  versions:
  - name: operator
    version: "${smallVersion}"
`;
	return [
		...components.map(({ name, reference }, at) => ({
			name: `0000_${20 + at}_${name}_deployment.yaml`,
			text: deployment(name, formatReference(reference)),
		})),
		{ name: '0000_90_small_clusteroperator.yaml', text: operator },
	];
}

class SmallReleaseMaker {
	readonly #options: Required<SmallReleaseOptions>;
	readonly #architectures: readonly Architecture[];
	readonly #pods = new Map<Architecture, MadeImage>();

	constructor(options: SmallReleaseOptions) {
		const defaults = {
			flavour: 'oci',
			single: false,
			attested: false,
			layerBytes: 600,
			named: options.host,
		} as const;
		this.#options = { ...defaults, ...options };
		this.#architectures = this.#options.single ? ['amd64'] : allArchitectures;
	}

	async push(): Promise<SmallRelease> {
		const { host, named: registry, flavour, single } = this.#options;
		const pusher = new Pusher(host, { connections: 16 });
		try {
			for (const each of this.#architectures) this.#pods.set(each, this.#build(each));
			const components = new Map<string, Content>();
			for (const name of Object.keys(placeholders)) {
				components.set(name, await this.#pushComponent(pusher, name));
			}
			const named = [...components].map(([name, { digest }]): PayloadComponent => {
				const place = { registry, repository: componentRepository };
				return { name, source: '', reference: byDigest(place, digest) };
			});
			const payload = await this.#payload(named);
			const images = this.#architectures.map((architecture) =>
				makeImage({
					flavour,
					platform: linux(architecture),
					layers: [payload],
					created,
					labels: { [releaseLabel]: smallVersion, vendor: 'nobody' },
				}),
			);
			await pushImages(pusher, releaseRepository, images);
			const root = single ? images[0]?.manifest : makeIndex(flavour, images);
			if (!root) throw new Error('no release image');
			await pusher.pushManifest(releaseRepository, root.bytes, root.mediaType, smallVersion);
			return {
				reference: `${host}/${releaseRepository}:${smallVersion}`,
				root,
				payload: payload.blob,
				components,
				pullspecs: new Map(named.map(({ name, reference }) => [name, formatReference(reference)])),
				placeholders: new Set([...this.#pods.values()].map(({ manifest }) => manifest.digest)),
			};
		} finally {
			await pusher.close();
		}
	}

	#build(architecture: Architecture): MadeImage {
		const { flavour, layerBytes } = this.#options;
		const layers = [ownLayer(flavour, layerBytes)];
		return makeImage({ flavour, platform: linux(architecture), layers, created });
	}

	#imageOf(name: string, architecture: Architecture): MadeImage {
		const isPods = name === 'pod' || placeholders[name]?.includes(architecture);
		return (isPods ? this.#pods.get(architecture) : undefined) ?? this.#build(architecture);
	}

	async #pushComponent(pusher: Pusher, name: string): Promise<Content> {
		const { flavour, single, attested } = this.#options;
		const images = this.#architectures.map((each) => this.#imageOf(name, each));
		await pushImages(pusher, componentRepository, images);
		const [only] = images;
		if (single && only) return only.manifest;
		const attestations = attested && name === attestedComponent ? images.map(attestationFor) : [];
		await pushImages(pusher, componentRepository, attestations);
		const index =
			attestations.length > 0 ? attestedIndex(images, attestations) : makeIndex(flavour, images);
		await pusher.pushManifest(componentRepository, index.bytes, index.mediaType);
		return index;
	}

	#payload(components: readonly PayloadComponent[]): Promise<Layer> {
		const { flavour, single } = this.#options;
		const files = payloadFiles({
			version: smallVersion,
			created,
			previous: ['4.19.8', '4.19.9'],
			metadata: {
				url: 'https://example.com/errata',
				...(!single && { [architectureKey]: 'multi' }),
			},
			components,
			files: manifestsOf(components),
		});
		return makeLayer(flavour, 'release-manifests', files);
	}
}

export function pushSmallRelease(options: SmallReleaseOptions): Promise<SmallRelease> {
	return new SmallReleaseMaker(options).push();
}
