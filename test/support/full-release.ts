/**
 * A release of full size, with the components and architectures of a genuine one, in any registry.
 * Where a component lacks an architecture, its list holds the pod image's child, as genuine payloads do.
 */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { unpackTar } from 'modern-tar';
import {
	makeImage,
	makeIndex,
	makeLayer,
	type Content,
	type Flavour,
	type Layer,
	type LayerFile,
	type MadeImage,
} from '../../proxy/demo/image-maker.ts';
import { payloadFiles, type PayloadComponent } from '../../proxy/demo/payload-maker.ts';
import { byDigest, formatReference, type Reference } from '../../shared/oci/reference.ts';
import { releaseLabel } from '../../shared/release/read-release.ts';
import { architectureKey } from '../../shared/release/release-metadata.ts';
import { fixture, payloadLayer412 } from './fixtures.ts';
import { pushImages } from './push-images.ts';
import { inParallel, Pusher } from './push.ts';

const width = 32;
const created = '2026-01-01T00:00:00Z';
const componentRepository = 'ocp/components';
const releaseRepository = 'ocp/release';

interface ReleaseFixture {
	readonly version: string;
	readonly arches: readonly string[];
	readonly components: readonly {
		readonly name: string;
		readonly arches: readonly string[];
		readonly source: string | null;
	}[];
}

export interface FullRelease {
	/** by tag */
	readonly reference: string;
	readonly digest: string;
	readonly componentCount: number;
}

interface Built {
	readonly name: string;
	readonly source: string;
	readonly images: readonly MadeImage[];
	readonly index: Content;
}

function linux(architecture: string) {
	return { os: 'linux', architecture };
}

/** The manifests of a genuine payload, naming the components of this release instead of their own. */
async function genuineManifests(
	components: readonly PayloadComponent[],
): Promise<readonly LayerFile[]> {
	const entries = await unpackTar(gunzipSync(await readFile(payloadLayer412)));
	const files = entries.map(({ header, data }) => ({
		name: header.name.replace(/^release-manifests\/?/, ''),
		text: new TextDecoder().decode(data ?? new Uint8Array(0)),
	}));
	const stream = JSON.parse(files.find(({ name }) => name === 'image-references')?.text ?? '') as {
		spec: { tags: { name: string; from: { name: string } }[] };
	};
	const replacements = new Map(
		stream.spec.tags.flatMap(({ name, from }) => {
			const component = components.find((candidate) => candidate.name === name);
			return component ? [[from.name, formatReference(component.reference)]] : [];
		}),
	);
	return files
		.filter(({ name }) => name !== '' && name !== 'image-references' && name !== 'release-metadata')
		.map(({ name, text }) => ({
			name,
			text: text.replace(
				/[\w.:/-]+@sha256:[a-f0-9]{64}/g,
				(pullspec) => replacements.get(pullspec) ?? pullspec,
			),
		}));
}

async function buildComponents(
	flavour: Flavour,
	release: ReleaseFixture,
): Promise<readonly Built[]> {
	const bases = new Map<string, Layer>();
	for (const architecture of release.arches) {
		bases.set(
			architecture,
			await makeLayer(flavour, 'etc', [{ name: 'base', text: `base for ${architecture}` }]),
		);
	}
	const build = async (name: string, architecture: string) => {
		const own = await makeLayer(flavour, 'usr', [{ name, text: `${name} for ${architecture}` }]);
		const layers = [bases.get(architecture)!, own];
		return makeImage({ flavour, platform: linux(architecture), layers, created });
	};
	const pods = new Map<string, MadeImage>();
	for (const architecture of release.arches) {
		pods.set(architecture, await build('pod', architecture));
	}
	return Promise.all(
		release.components.map(async ({ name, arches, source }) => {
			const images = await Promise.all(
				release.arches.map(async (architecture) =>
					name !== 'pod' && arches.includes(architecture)
						? build(name, architecture)
						: pods.get(architecture)!,
				),
			);
			return { name, source: source ?? '', images, index: makeIndex(flavour, images) };
		}),
	);
}

/** Builds the release and pushes it to a registry on loopback; a few seconds. */
export async function pushFullRelease(
	host: string,
	flavour: Flavour,
	tag = '4.20.0-multi',
): Promise<FullRelease> {
	const release = JSON.parse(
		await readFile(fixture('releases/ocp-4.20.json'), 'utf8'),
	) as ReleaseFixture;
	const version = `${release.version}.0`;
	const pusher = new Pusher(host, { connections: width });
	try {
		const built = await buildComponents(flavour, release);
		await pushImages(
			pusher,
			componentRepository,
			built.flatMap(({ images }) => images),
		);
		await inParallel(built, width, ({ index }) =>
			pusher.pushManifest(componentRepository, index.bytes, index.mediaType),
		);
		const components = built.map(({ name, source, index }): PayloadComponent => {
			const reference: Reference = byDigest(
				{ registry: host, repository: componentRepository },
				index.digest,
			);
			return { name, source, reference };
		});
		const payload = await makeLayer(
			flavour,
			'release-manifests',
			payloadFiles({
				version,
				created,
				previous: ['4.19.8', '4.19.9'],
				metadata: { url: 'https://example.com/errata', [architectureKey]: 'multi' },
				components,
				files: await genuineManifests(components),
			}),
		);
		const images = release.arches.map((architecture) =>
			makeImage({
				flavour,
				platform: linux(architecture),
				layers: [payload],
				created,
				labels: { [releaseLabel]: version },
			}),
		);
		await pushImages(pusher, releaseRepository, images);
		const index = makeIndex(
			flavour,
			images.map(({ manifest, platform }) => ({ manifest, platform })),
		);
		const { digest } = await pusher.pushManifest(
			releaseRepository,
			index.bytes,
			index.mediaType,
			tag,
		);
		return {
			reference: `${host}/${releaseRepository}:${tag}`,
			digest,
			componentCount: components.length,
		};
	} finally {
		await pusher.close();
	}
}
