/** The plan of a release that is pruned, or copied sparse or whole: component indexes, the release, and their tags. */
import type { Gzip, Inflate } from '../archive/gzip.ts';
import type { RemovedChild } from '../index/prune.ts';
import { isIndexType } from '../oci/media-type.ts';
import { formatReference, formatRepository } from '../oci/reference.ts';
import type { CapabilityFact } from '../registry/capabilities.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { ProblemError, type Problem } from '../registry/problem.ts';
import type { CallOptions, RegistryReader } from '../registry/registries.ts';
import { tagFor } from '../release/component-tag.ts';
import { keepRelease, type KeptRelease, type LeftChild } from '../release/keep-release.ts';
import {
	findPayloadLayers,
	refuseSpreadPayload,
	type PayloadLayers,
} from '../release/payload-layers.ts';
import { pruneRelease, type PruneChoices, type PrunedRelease } from '../release/prune-release.ts';
import type { ReleaseReading } from '../release/read-release.ts';
import { planAttachments, type AttachmentOptions, type Lapsed } from './attachments.ts';
import {
	makePlan,
	type PlanTools,
	type Publication,
	type PublishedRoot,
	type PublishedTag,
} from './make-plan.ts';
import type { Plan } from './plan.ts';
import type { PruneSubject } from './subject.ts';
import type { LookOptions } from './survey.ts';
import { refuseByFacts } from './target-refusal.ts';

export interface PruneTools {
	readonly registries: RegistryReader;
	readonly hash: HashBytes;
	readonly gzip: Gzip;
	readonly inflate: Inflate;
}

interface AttachmentContext {
	readonly namedBy: string;
	readonly lapsed: readonly Lapsed[];
	readonly look: AttachmentOptions;
}

export interface PlanPruneOptions extends LookOptions {
	/** What is known of the targets: what they are known not to take is refused here. */
	readonly facts?: readonly CapabilityFact[] | undefined;
}

/** Pruned, or kept byte for byte. */
type DecidedRelease = PrunedRelease & Partial<Pick<KeptRelease, 'left' | 'leftOf' | 'without'>>;

function decide(
	reading: ReleaseReading,
	choices: PruneChoices,
	tools: PruneTools,
): Promise<DecidedRelease> {
	const { mode = 'prune' } = choices;
	return mode === 'prune'
		? pruneRelease(reading, choices, tools)
		: keepRelease(reading, choices, tools);
}

function removedOf(removed: readonly RemovedChild[]): PruneSubject['release']['removed'] {
	return removed.map(({ digest, platform, why }) => ({
		digest,
		...(platform !== undefined && { platform }),
		why,
	}));
}

function choicesOf(choices: PruneChoices): PruneSubject['choices'] {
	const { mode = 'prune', selection, repository, release, version, attachments } = choices;
	const { preset } = selection;
	return {
		// Left out where it is the default, so that plans for pruning are what they always were.
		...(mode !== 'prune' && { mode }),
		preset: preset.kind,
		keep: preset.kind === 'platforms' ? [...preset.keep] : [],
		components: [...selection.components],
		exclude: [...selection.exclude],
		toggled: selection.toggled.map(({ component, platform }) => ({ component, platform })),
		repository: formatRepository(repository),
		release: formatReference(release),
		tagTemplate: choices.tagTemplate,
		selfContained: takesAll(choices),
		...(version !== undefined && { version }),
		rewriteVersion: choices.rewriteVersion,
		...(attachments === false && { attachments }),
	};
}

/** What keeps its bytes names other places, so all of it comes along. */
function takesAll({ mode = 'prune', selfContained }: PruneChoices): boolean {
	return selfContained || mode !== 'prune';
}

/** The components that are written: their index changes, or they come along. */
function published({ components }: PrunedRelease, choices: PruneChoices) {
	return components.filter(({ changed }) => changed || takesAll(choices));
}

/** Also those of components that were not read: they stay where they are. */
function namedRegistries(reading: ReleaseReading, pruned: DecidedRelease): readonly string[] {
	// A payload that keeps its bytes names what it named before.
	const rewritten = pruned.without ? [] : pruned.components;
	const moved = new Map(rewritten.map(({ name, to }) => [name, to.registry]));
	const all = reading.payload?.imageReferences.components ?? [];
	const registries = all.flatMap(({ name, reference }) => {
		const registry = moved.get(name) ?? reference?.registry;
		return registry === undefined ? [] : [registry];
	});
	return [...new Set(registries)].toSorted();
}

type Left = NonNullable<PruneSubject['release']['left']>;

function leftOf(left: readonly LeftChild[] = []): { readonly left?: Left } {
	if (left.length === 0) return {};
	return {
		left: left.map(({ digest, platform }) => ({
			digest,
			...(platform !== undefined && { platform }),
		})),
	};
}

function subjectOf(
	reading: ReleaseReading,
	choices: PruneChoices,
	pruned: DecidedRelease,
): PruneSubject {
	const written = published(pruned, choices);
	const { root, removed, version, files, mentions, notes } = pruned;
	return {
		kind: 'prune-release',
		source: {
			reference: formatReference(reading.asked),
			digest: reading.root?.digest ?? root.digest,
		},
		choices: choicesOf(choices),
		version,
		release: { digest: root.digest, removed: removedOf(removed), ...leftOf(pruned.left) },
		components: written.map(({ name, pullspec, to, ...component }) => ({
			name,
			from: pullspec.from,
			to: formatReference(to),
			removed: removedOf(component.removed),
			...leftOf(pruned.leftOf?.get(name)),
		})),
		untouched: (reading.payload?.imageReferences.components.length ?? 0) - written.length,
		registries: [...namedRegistries(reading, pruned)],
		files: [...files],
		mentions: [...mentions],
		notes: [...notes],
	};
}

function rootsOf(
	reading: ReleaseReading,
	choices: PruneChoices,
	pruned: PrunedRelease,
): readonly PublishedRoot[] {
	const { release } = choices;
	return [
		...published(pruned, choices).map(({ from, to }) => ({ digest: to.digest, to, from })),
		{ digest: pruned.root.digest, to: release, from: reading.asked },
	];
}

/** @throws ProblemError `plan-impossible` where one tag would have to point to two things */
function tagsOf(choices: PruneChoices, pruned: PrunedRelease): readonly PublishedTag[] {
	const { tagTemplate, release } = choices;
	const tags = new Map<string, PublishedTag>();
	const add = (tag: PublishedTag, what: string) => {
		const { registry, repository } = tag;
		const name = formatReference({ registry, repository, tag: tag.tag });
		const other = tags.get(name);
		if (other && other.digest !== tag.digest) {
			throw new ProblemError({
				code: 'plan-impossible',
				origin: 'content',
				reason: `${name} would have to point to ${other.digest} and, for ${what}, to ${tag.digest}: choose another tag for the release, or a template with {component} in it.`,
			});
		}
		tags.set(name, tag);
	};
	if (tagTemplate !== '') {
		for (const { name, to } of published(pruned, choices)) {
			const tag = tagFor(tagTemplate, { version: pruned.version.to, component: name });
			add({ ...to, tag }, name);
		}
	}
	add({ ...release, digest: pruned.root.digest }, 'the release');
	return [...tags.values()];
}

/** What is made anew, as it was: whatever is attached to it does not apply any more. */
function lapsedOf(reading: ReleaseReading, pruned: DecidedRelease): readonly Lapsed[] {
	const { asked, root } = reading;
	const { registry, repository } = asked;
	const place = { registry, repository };
	const components = pruned.components
		.filter(({ changed }) => changed)
		.map(({ name, from }): Lapsed => {
			const at = { registry: from.registry, repository: from.repository };
			const namedBy = from.registry === registry ? undefined : registry;
			return { place: at, digest: from.digest, namedBy, of: name, what: 'index' };
		});
	const release = { place, of: 'the release' } as const;
	const images = pruned.images
		.filter(({ from, to }) => from !== to && from !== root?.digest)
		.map(({ from }): Lapsed => ({ ...release, digest: from, what: 'image' }));
	if (!root || root.digest === pruned.root.digest) return [...components, ...images];
	const what = isIndexType(root.mediaType) ? 'index' : 'image';
	return [...components, { ...release, digest: root.digest, what }, ...images];
}

/** With what is attached to what is copied; its tags move before those of the release. */
async function withAttachments(
	tools: PlanTools,
	publication: Publication & { readonly subject: PruneSubject },
	{ namedBy, lapsed, look }: AttachmentContext,
): Promise<Publication> {
	const { subject, roots, tags } = publication;
	const found = await planAttachments(tools, { ...publication, lapsed, namedBy }, look);
	const { subject: attachments } = found;
	return {
		...publication,
		subject: {
			...subject,
			...(attachments && { attachments }),
			notes: [...subject.notes, ...found.notes],
		},
		roots: [...roots, ...found.roots],
		lists: found.lists,
		tags: [...found.tags, ...tags],
	};
}

/** What was not looked into, lest it be taken for empty. */
function unseenLayers(images: readonly PayloadLayers[]): readonly string[] {
	const unseen = new Set(
		images.flatMap((image) => image.unseen.map(({ descriptor: { digest } }) => digest)),
	);
	if (unseen.size === 0) return [];
	const layers = unseen.size === 1 ? '1 layer' : `${unseen.size} layers`;
	return [
		`${layers} of the release images were not searched for payload files: too large, or not gzip.`,
	];
}

/** A rebuilt payload is whole only where no other layer adds to it. @throws ProblemError `plan-impossible` */
async function searchOtherLayers(
	tools: PruneTools,
	reading: ReleaseReading,
	pruned: PrunedRelease,
	options: CallOptions,
): Promise<readonly string[]> {
	if (pruned.blobs.length === 0) return [];
	const kept = new Set<string>(pruned.images.map(({ from }) => from));
	const images = reading.images.filter(({ digest }) => kept.has(digest));
	const found = await findPayloadLayers(tools, reading.asked, images, options);
	refuseSpreadPayload(found);
	return unseenLayers(found);
}

/**
 * Decides what publishing a release takes, pruned, sparse or whole, as it was chosen. The same release and choices give the same plan, byte for
 * byte, wherever it is made.
 * @throws ProblemError `plan-impossible` with everything that stands against it, or of what could not be read
 */
export async function planPrune(
	tools: PruneTools,
	reading: ReleaseReading,
	choices: PruneChoices,
	options: PlanPruneOptions = {},
): Promise<Plan> {
	const { registries, hash } = tools;
	const pruned = await decide(reading, choices, tools);
	const unseen = await searchOtherLayers(tools, reading, pruned, options);
	const subject = subjectOf(reading, choices, pruned);
	const publication = {
		subject: { ...subject, notes: [...subject.notes, ...unseen] },
		roots: rootsOf(reading, choices, pruned),
		manifests: [...pruned.components.flatMap(({ made }) => made), ...pruned.made],
		blobs: pruned.blobs,
		tags: tagsOf(choices, pruned),
		without: pruned.without,
	};
	const { facts = [], ...look } = options;
	const known = { registries, hash, documents: reading.documents };
	const attached =
		choices.attachments === false
			? publication
			: await withAttachments(known, publication, {
					namedBy: reading.asked.registry,
					lapsed: lapsedOf(reading, pruned),
					look: { ...look, facts },
				});
	const plan = await makePlan(known, attached, look);
	refuseByFacts(plan, facts);
	return plan;
}

/** True where the target's registry did not let a reader look: asking as who may push there can help. */
export function hidesTarget({ code, registry }: Problem, choices: PruneChoices): boolean {
	const isRefusal = code === 'unauthorized' || code === 'denied';
	return (
		isRefusal && [choices.repository, choices.release].some((each) => each.registry === registry)
	);
}
