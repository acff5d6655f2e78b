/** What is to be said of a release as a whole. */
import type { Digest } from '../oci/digest.ts';
import type { PlatformKey } from '../oci/platform.ts';
import type { ImagePayload } from './read-payload.ts';
import { expectedPlatforms } from './coverage.ts';
import { labelledName, type ReleaseReading } from './read-release.ts';
import { architectureKey } from './release-metadata.ts';

/** Whether the release images of all platforms carry the same payload. */
export type PayloadAgreement =
	| { readonly kind: 'single' }
	/** All payload layers have the same content. */
	| { readonly kind: 'agree' }
	/** The same components in all, but other files differ. */
	| { readonly kind: 'same-components'; readonly platforms: readonly string[] }
	| { readonly kind: 'differ'; readonly platforms: readonly string[] }
	| { readonly kind: 'unchecked'; readonly reason: string };

export interface ReleaseFacts {
	readonly name: string;
	readonly version: string;
	readonly digest: Digest;
	readonly mediaType: string;
	readonly created: string | undefined;
	readonly platforms: readonly PlatformKey[];
	readonly agreement: PayloadAgreement;
	readonly entryCount: number;
	readonly manifestCount: number;
	/** Payload files that are no manifests. */
	readonly otherFiles: readonly string[];
	/** Versions that upgrade to this one. */
	readonly previous: readonly string[];
	readonly next: readonly string[];
	readonly metadata: Readonly<Record<string, unknown>>;
	/** What is not as it should be, as sentences. */
	readonly findings: readonly string[];
}

function platformName({ platform }: ImagePayload): string {
	return platform ?? 'an image without platform';
}

function sameComponents(a: ImagePayload, b: ImagePayload): boolean {
	const pullspecs = ({ payload }: ImagePayload) =>
		payload?.imageReferences.components
			.map(({ name, pullspec }) => `${name} ${pullspec}`)
			.join('\n');
	return pullspecs(a) === pullspecs(b);
}

function agreementOf(reading: ReleaseReading): PayloadAgreement {
	const { images, payloads } = reading;
	const [first] = payloads;
	if (images.length === 1) return { kind: 'single' };
	const unread = payloads.find(({ problem }) => problem);
	if (!first || unread || payloads.length < images.length) {
		const reason = unread?.problem?.reason ?? 'Not every release image could be read.';
		return { kind: 'unchecked', reason };
	}
	if (first.diffId && payloads.every(({ diffId }) => diffId === first.diffId)) {
		return { kind: 'agree' };
	}
	const others = payloads.filter((other) => !sameComponents(first, other));
	if (others.length > 0) return { kind: 'differ', platforms: others.map(platformName) };
	const differing = payloads.filter(({ diffId }) => diffId !== first.diffId);
	return { kind: 'same-components', platforms: differing.map(platformName) };
}

function findingsOf(reading: ReleaseReading): string[] {
	const { payload, images } = reading;
	if (!payload) return [];
	const { imageReferences, metadata } = payload;
	const label = labelledName(reading);
	return [
		...(imageReferences.name === metadata.version
			? []
			: [
					`image-references calls the release ${imageReferences.name}, release-metadata ${metadata.version}; clusters refuse that.`,
				]),
		...(label === undefined || label === metadata.version
			? []
			: [`The release image's label says ${label}, its payload ${metadata.version}.`]),
		...(images.length > 1 && metadata.extra[architectureKey] !== 'multi'
			? [
					`Several architectures, but release-metadata has no ${architectureKey}: multi; clusters ask for single-architecture updates.`,
				]
			: []),
		...(imageReferences.ignored.length > 0
			? [
					`${imageReferences.ignored.length} tags of image-references name no image and are ignored: ${imageReferences.ignored.join(', ')}.`,
				]
			: []),
		...images.flatMap(({ state, platform }) =>
			state.kind === 'broken' || state.kind === 'unchecked'
				? [`The release image for ${platform ?? 'an unknown platform'}: ${state.reason}`]
				: [],
		),
		...images.flatMap(({ state }) =>
			state.kind === 'read' && state.disagreement ? [`A release image: ${state.disagreement}`] : [],
		),
	];
}

/** Undefined until a payload was read. */
export function releaseFacts(reading: ReleaseReading): ReleaseFacts | undefined {
	const { payload, root } = reading;
	if (!payload || !root) return undefined;
	const created = reading.images.map(({ state }) =>
		state.kind === 'read' ? state.config?.created : undefined,
	);
	return {
		name: payload.imageReferences.name,
		version: payload.metadata.version,
		digest: root.digest,
		mediaType: root.mediaType,
		created: created.find(Boolean) ?? payload.imageReferences.created,
		platforms: expectedPlatforms(reading),
		agreement: agreementOf(reading),
		entryCount: payload.entryCount,
		manifestCount: payload.manifestCount,
		otherFiles: payload.otherFiles,
		previous: payload.metadata.previous,
		next: payload.metadata.next,
		metadata: payload.metadata.extra,
		findings: findingsOf(reading),
	};
}
