/** A small plan, made by hand: one image copied under a made index, and a tag for it. */
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { planId } from '../../../shared/plan/plan-file.ts';
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

export const undoSubject: PlanSubject = {
	kind: 'undo',
	plan: hashOf('sha256', new Uint8Array([1])),
	finishedAt: '2026-01-02T03:04:05.000Z',
};

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
		subject: undoSubject,
		repositories: [source, target],
		contents: [copied(layer), made(config), copied(image), made(index)],
		steps,
		...changes,
	};
	return { id: await planId(decided, hashOf), ...decided };
}
