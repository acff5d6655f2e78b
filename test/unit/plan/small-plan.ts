/** A small plan, made by hand: one image copied under a made index, and a tag for it. */
import type { Digest } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { formatRepository } from '../../../shared/oci/reference.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import type { Content, Plan, Step } from '../../../shared/plan/plan.ts';
import type { PlanSubject } from '../../../shared/plan/subject.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { contentOf, descriptorOf, type Content as Made } from '../../support/release-maker.ts';

export const source = { registry: 'quay.io', repository: 'acme/parts' };
export const target = { registry: 'registry.test', repository: 'acme/pruned' };

export interface SmallImage {
	readonly layer: Made;
	readonly config: Made;
	readonly image: Made;
	readonly index: Made;
}

export function smallImage(name = 'small'): SmallImage {
	const layer = contentOf(mediaTypes.ociLayerGzip, `layer of ${name}`);
	const config = contentOf(mediaTypes.ociConfig, {
		os: 'linux',
		architecture: 'amd64',
		config: {},
		rootfs: { type: 'layers', diff_ids: [layer.digest] },
		name,
	});
	const image = contentOf(mediaTypes.ociManifest, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociManifest,
		config: descriptorOf(config),
		layers: [descriptorOf(layer)],
	});
	const index = contentOf(mediaTypes.ociIndex, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociIndex,
		manifests: [{ ...descriptorOf(image), platform: { os: 'linux', architecture: 'amd64' } }],
	});
	return { layer, config, image, index };
}

function copied({ digest, mediaType, bytes }: Made): Content {
	return { digest, mediaType, sizeBytes: bytes.length };
}

function made({ digest, mediaType, bytes }: Made): Content {
	return { digest, mediaType, sizeBytes: bytes.length, bytes };
}

/** A subject that says as little as it can: that this digest is published under this tag. */
export function subjectOf(release: string, digest: Digest): PlanSubject {
	return {
		kind: 'prune-release',
		source: { reference: `${formatRepository(source)}:1`, digest },
		choices: {
			preset: 'none',
			keep: [],
			components: [],
			exclude: [],
			toggled: [],
			repository: formatRepository(target),
			release,
			tagTemplate: '',
			selfContained: false,
			rewriteVersion: false,
		},
		version: { from: '4.20.0', to: '4.20.0' },
		release: { digest, removed: [] },
		components: [],
		untouched: 0,
		registries: [],
		files: [],
		mentions: [],
		notes: [],
	};
}

/** Layer and image are copied, config and index count as made here. */
export async function smallPlan(
	changes: Partial<Omit<Plan, 'id'>> = {},
	{ layer, config, image, index } = smallImage(),
): Promise<Plan> {
	const steps: Step[] = [
		{ kind: 'blob', content: 0, to: 1, from: [0] },
		{ kind: 'upload', content: 1, to: 1 },
		{ kind: 'manifest', content: 2, to: 1, from: [0], needs: [0, 1] },
		{ kind: 'manifest', content: 3, to: 1, from: [], needs: [2] },
		{ kind: 'tag', content: 3, to: 1, tag: 'v1', expect: 'absent' },
	];
	const decided = {
		subject: subjectOf(`${formatRepository(changes.repositories?.[1] ?? target)}:v1`, index.digest),
		repositories: [source, target],
		contents: [copied(layer), made(config), copied(image), made(index)],
		steps,
		...changes,
	};
	return { id: await planId(decided, hashOf), ...decided };
}
