/** Makes the payload of a release: image-references, release-metadata and some manifests. */
import { formatReference, type Reference } from '../../shared/oci/reference.ts';
import type { LayerFile } from './image-maker.ts';

export interface PayloadComponent {
	readonly name: string;
	readonly reference: Reference;
	readonly source: string;
	readonly versions?: string;
}

export interface PayloadRecipe {
	readonly version: string;
	readonly created: string;
	readonly previous: readonly string[];
	readonly metadata: Readonly<Record<string, unknown>>;
	readonly components: readonly PayloadComponent[];
	/** Manifests besides, in the payload's order. */
	readonly files: readonly LayerFile[];
}

function imageReferences({ version, created, components }: PayloadRecipe): string {
	const tags = components.map(({ name, reference, source, versions }) => ({
		name,
		annotations: {
			'io.openshift.build.commit.id': Buffer.from(name)
				.toString('hex')
				.padEnd(40, '0')
				.slice(0, 40),
			'io.openshift.build.commit.ref': '',
			'io.openshift.build.source-location': source,
			...(versions && { 'io.openshift.build.versions': versions }),
		},
		from: { kind: 'DockerImage', name: formatReference(reference) },
		generation: null,
		importPolicy: {},
		referencePolicy: { type: '' },
	}));
	return JSON.stringify(
		{
			kind: 'ImageStream',
			apiVersion: 'image.openshift.io/v1',
			metadata: { name: version, creationTimestamp: created },
			spec: { lookupPolicy: { local: false }, tags },
			status: { dockerImageRepository: '' },
		},
		null,
		2,
	);
}

function releaseMetadata({ version, previous, metadata }: PayloadRecipe): string {
	return JSON.stringify({ kind: 'cincinnati-metadata-v0', version, previous, metadata }, null, 2);
}

/** The files of `release-manifests/`, in the order in which releases have them. */
export function payloadFiles(recipe: PayloadRecipe): readonly LayerFile[] {
	return [
		{ name: 'image-references', text: imageReferences(recipe) },
		{ name: 'release-metadata', text: releaseMetadata(recipe) },
		...recipe.files,
	];
}

/** A Deployment that runs a component, as operators bring them. */
export function deployment(name: string, image: string, capability?: string): string {
	const annotations = [
		'    include.release.openshift.io/self-managed-high-availability: "true"',
		...(capability ? [`    capability.openshift.io/name: ${capability}`] : []),
	];
	return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  namespace: openshift-${name}
  annotations:
${annotations.join('\n')}
spec:
  template:
    spec:
      containers:
      - name: ${name}
        image: ${image}
`;
}
