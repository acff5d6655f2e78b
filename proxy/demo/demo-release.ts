/** A small release in the embedded registry that shows every status which needs no policy. */
import {
	formatReference,
	byDigest,
	storeRegistry,
	type Reference,
} from '../../shared/oci/reference.ts';
import type { Platform } from '../../shared/oci/platform.ts';
import { releaseLabel } from '../../shared/release/read-release.ts';
import { architectureKey } from '../../shared/release/release-metadata.ts';
import type { Store } from '../store/store.ts';
import {
	content,
	makeImage,
	makeIndex,
	makeLayer,
	type IndexEntry,
	type MadeImage,
} from './image-maker.ts';
import { deployment, payloadFiles, type PayloadComponent } from './payload-maker.ts';

const version = '4.20.0-demo';
const created = '2026-01-01T00:00:00Z';
const releaseRepository = 'demo/release';
const componentRepository = 'demo/components';

export const demoReference = `${storeRegistry}/${releaseRepository}:${version}`;

type Architecture = 'amd64' | 'arm64' | 'ppc64le' | 's390x' | 'riscv64';
const architectures: readonly Architecture[] = ['amd64', 'arm64', 'ppc64le', 's390x'];

interface DemoComponent {
	readonly name: string;
	readonly source: string;
	readonly versions?: string;
	readonly capability?: string;
	/** platforms where the list holds the pod image's child */
	readonly placeholders?: readonly Architecture[];
	readonly unlisted?: readonly Architecture[];
	/** listed, but never stored */
	readonly lost?: Architecture;
	/** listed under one architecture, configured for another */
	readonly mislabelled?: { readonly listed: Architecture; readonly configured: Architecture };
	readonly extra?: Architecture;
	/** in a registry that content may not lead to */
	readonly elsewhere?: string;
}

const github = 'https://github.com/openshift';

const components: readonly DemoComponent[] = [
	{
		name: 'aws-ebs-csi-driver',
		source: `${github}/aws-ebs-csi-driver`,
		capability: 'Storage',
		placeholders: ['ppc64le', 's390x'],
	},
	{ name: 'cli', source: `${github}/oc`, versions: 'kubectl=1.33.2' },
	{ name: 'cluster-autoscaler', source: `${github}/kubernetes-autoscaler`, lost: 'arm64' },
	{ name: 'cluster-version-operator', source: `${github}/cluster-version-operator` },
	{ name: 'console', source: `${github}/console`, capability: 'Console' },
	{ name: 'etcd', source: `${github}/etcd` },
	{ name: 'hyperkube', source: `${github}/kubernetes`, versions: 'kubernetes=1.33.2' },
	{
		name: 'insights-operator',
		source: `${github}/insights-operator`,
		capability: 'Insights',
		elsewhere: '10.0.0.1:5000',
	},
	{
		name: 'ironic',
		source: `${github}/ironic-image`,
		capability: 'baremetal',
		unlisted: ['s390x'],
	},
	{ name: 'machine-os-images', source: `${github}/machine-os-images`, extra: 'riscv64' },
	{
		name: 'multus-cni',
		source: `${github}/multus-cni`,
		mislabelled: { listed: 's390x', configured: 'ppc64le' },
	},
	{ name: 'pod', source: `${github}/kubernetes` },
	{
		name: 'vsphere-csi-driver',
		source: `${github}/vmware-vsphere-csi-driver`,
		capability: 'Storage',
		placeholders: ['arm64', 'ppc64le', 's390x'],
	},
];

function platform(architecture: Architecture): Platform {
	return { os: 'linux', architecture };
}

/** Text that is hard to compress, so that sizes differ as they do in real images. */
function filling(seed: string, kilobytes: number): string {
	let text = '';
	for (let block = 0; text.length < kilobytes * 1024; block += 1) {
		text += content('', new TextEncoder().encode(`${seed} ${block}`)).digest.slice(7);
	}
	return text;
}

class DemoRelease {
	readonly #store: Store;
	readonly #bases = new Map<Architecture, Awaited<ReturnType<typeof makeLayer>>>();
	readonly #pods = new Map<Architecture, MadeImage>();

	constructor(store: Store) {
		this.#store = store;
	}

	async #putImage(repository: string, image: MadeImage): Promise<void> {
		for (const { digest, bytes } of image.blobs) {
			await this.#store.putBlob(repository, digest, oneChunk(bytes));
		}
		await this.#store.repository(repository).putManifest(image.manifest.bytes);
	}

	async #base(architecture: Architecture) {
		const known = this.#bases.get(architecture);
		if (known) return known;
		const file = { name: 'release', text: filling(`base ${architecture}`, 24) };
		const layer = await makeLayer('oci', 'etc', [file]);
		this.#bases.set(architecture, layer);
		return layer;
	}

	async #build(
		name: string,
		architecture: Architecture,
		labels?: Readonly<Record<string, string>>,
	): Promise<MadeImage> {
		const file = { name, text: filling(`${name} ${architecture}`, 2 + (name.length % 7) * 3) };
		const layers = [await this.#base(architecture), await makeLayer('oci', 'usr', [file])];
		return makeImage({
			flavour: 'oci',
			platform: platform(architecture),
			layers,
			created,
			...(labels && { labels }),
		});
	}

	async #entry(component: DemoComponent, architecture: Architecture): Promise<IndexEntry> {
		const { name, placeholders, lost, mislabelled } = component;
		const pod = this.#pods.get(architecture);
		const listed = platform(architecture);
		if (placeholders?.includes(architecture) && pod) {
			return { manifest: pod.manifest, platform: listed };
		}
		const configured = mislabelled?.listed === architecture ? mislabelled.configured : architecture;
		const image = await this.#build(name, configured);
		if (lost !== architecture) await this.#putImage(componentRepository, image);
		if (name === 'pod') this.#pods.set(architecture, image);
		return { manifest: image.manifest, platform: listed };
	}

	async #component(component: DemoComponent): Promise<Reference> {
		const { name, unlisted, extra, elsewhere } = component;
		const listed = [
			...architectures.filter((architecture) => !unlisted?.includes(architecture)),
			...(extra ? [extra] : []),
		];
		const entries: IndexEntry[] = [];
		for (const architecture of listed) entries.push(await this.#entry(component, architecture));
		const index = makeIndex('oci', entries);
		if (elsewhere) {
			return byDigest({ registry: elsewhere, repository: `mirror/${name}` }, index.digest);
		}
		// One child is lost on purpose, so what the index lists is not insisted on.
		await this.#store
			.repository(componentRepository)
			.putManifest(index.bytes, { checkReferences: false });
		return byDigest({ registry: storeRegistry, repository: componentRepository }, index.digest);
	}

	async #releaseImage(
		architecture: Architecture,
		payload: Awaited<ReturnType<typeof makeLayer>>,
	): Promise<MadeImage> {
		const layers = [await this.#base(architecture), payload];
		return makeImage({
			flavour: 'oci',
			platform: platform(architecture),
			layers,
			created,
			labels: { [releaseLabel]: version },
		});
	}

	async write(): Promise<void> {
		const named: PayloadComponent[] = [];
		const podFirst = components.toSorted(
			(a, b) => Number(b.name === 'pod') - Number(a.name === 'pod'),
		);
		for (const component of podFirst) {
			const { name, source, versions } = component;
			named.push({
				name,
				source,
				...(versions && { versions }),
				reference: await this.#component(component),
			});
		}
		named.sort((a, b) => (a.name < b.name ? -1 : 1));
		const payload = await makeLayer(
			'oci',
			'release-manifests',
			payloadFiles({
				version,
				created,
				previous: ['4.19.7', '4.19.8', '4.19.9'],
				metadata: { url: 'https://example.com/errata/demo', [architectureKey]: 'multi' },
				components: named,
				files: named
					.filter(({ name }) => name !== 'pod')
					.map(({ name, reference }, at) => ({
						name: `0000_${String(20 + at)}_${name}_deployment.yaml`,
						text: deployment(
							name,
							formatReference(reference),
							components.find((component) => component.name === name)?.capability,
						),
					})),
			}),
		);
		const images = [];
		for (const architecture of architectures) {
			const image = await this.#releaseImage(architecture, payload);
			await this.#putImage(releaseRepository, image);
			images.push({ manifest: image.manifest, platform: platform(architecture) });
		}
		await this.#store
			.repository(releaseRepository)
			.putManifest(makeIndex('oci', images).bytes, { tag: version });
	}
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield await Promise.resolve(bytes);
}

/** Writes the demo release where it is not there yet. Its bytes are the same on every machine. */
export async function ensureDemoRelease(store: Store): Promise<void> {
	const repository = store.repository(releaseRepository);
	const isThere = (await repository.exists()) && (await repository.tags()).includes(version);
	if (!isThere) await new DemoRelease(store).write();
}
