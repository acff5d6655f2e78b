/** What publishing a pruned release breaks, and what it leaves intact, in sentences. */
import { attachmentKinds, type AttachmentKind } from '../index/attachments-of.ts';
import { modeOf, type PruneSubject } from './subject.ts';

export interface Consequences {
	readonly broken: readonly string[];
	readonly intact: readonly string[];
	/** what else should be known */
	readonly notes: readonly string[];
}

function plural(count: number, one: string, many = `${one}s`): string {
	return `${count} ${count === 1 ? one : many}`;
}

const attachmentNames = {
	signature: ['signature', 'signatures'],
	attestation: ['attestation', 'attestations'],
	sbom: ['SBOM', 'SBOMs'],
	artifact: ['other artifact', 'other artifacts'],
} as const satisfies Record<AttachmentKind, readonly [string, string]>;

/** `3 signatures and 1 SBOM` */
export function countAttachments(
	attachments: readonly { readonly kind: AttachmentKind; readonly count: number }[],
): string {
	const parts = attachmentKinds.flatMap((kind) => {
		const count = attachments
			.filter((each) => each.kind === kind)
			.reduce((sum, each) => sum + each.count, 0);
		const [one, many] = attachmentNames[kind];
		return count === 0 ? [] : [plural(count, one, many)];
	});
	const last = parts.pop() ?? '';
	return parts.length === 0 ? last : `${parts.join(', ')} and ${last}`;
}

/** Found at their source, and of no use for what takes the place of what they are attached to. */
function lapsedAttachments({ attachments }: PruneSubject): readonly string[] {
	const { lapsed = [] } = attachments ?? {};
	if (lapsed.length === 0) return [];
	const subjects = new Set(lapsed.map(({ subject }) => subject)).size;
	return [
		`${countAttachments(lapsed)} of ${plural(subjects, 'index or image that is made anew', 'indexes and images that are made anew')}: attached to the old ${subjects === 1 ? 'digest' : 'digests'}, they no longer apply and are not copied.`,
	];
}

function copiedAttachments({ attachments }: PruneSubject): readonly string[] {
	const { copied = [] } = attachments ?? {};
	if (copied.length === 0) return [];
	const all = countAttachments(copied.map(({ kind }) => ({ kind, count: 1 })));
	return [`${all} of what is copied: ${copied.length === 1 ? 'it comes' : 'they come'} along.`];
}

function notLookedFor({ choices }: PruneSubject): readonly string[] {
	if (choices.attachments !== false) return [];
	return [
		'Signatures, attestations and whatever else is attached to images was not looked for, and is not copied, as was chosen.',
	];
}

function brokenByNewRelease({ source }: PruneSubject): readonly string[] {
	return [
		`The release signature: it is for ${source.digest}. Clusters install the new release, but refuse to update to it without --force.`,
		'The update graph: update services know the published digest only, so the new release is recommended to nobody.',
		'Policies that want a signature on release images (ClusterImagePolicy) reject the new one until you sign it.',
	];
}

function goneChildren({ components, release }: PruneSubject): readonly string[] {
	const losing = components
		.map(({ removed }) => removed.filter(({ why }) => why === 'dropped').length)
		.filter((count) => count > 0);
	if (losing.length === 0 || release.removed.length > 0) return [];
	const children = losing.reduce((sum, count) => sum + count, 0);
	return [
		`${plural(children, 'child', 'children')} of ${plural(losing.length, 'component')}: they cannot be pulled for those platforms any more, and an audit of the new release says “missing” there.`,
	];
}

function brokenSignatures({ components }: PruneSubject): readonly string[] {
	const changed = components.filter(({ removed }) => removed.length > 0).length;
	if (changed === 0) return [];
	return [
		`Signatures and referrers of ${plural(changed, 'component index', 'component indexes')} that changed: they are attached to the old digests.`,
	];
}

function brokenAttestations({ components, release }: PruneSubject): readonly string[] {
	const gone = [...components.flatMap(({ removed }) => removed), ...release.removed].filter(
		({ why }) => why !== 'dropped',
	).length;
	if (gone === 0) return [];
	return [
		`${plural(gone, 'attestation')} of images that are dropped, rebuilt or not there: left out.`,
	];
}

function oldVersion({ mentions, version }: PruneSubject): readonly string[] {
	const left = mentions.filter(({ rewritten }) => !rewritten);
	if (version.from === version.to || left.length === 0) return [];
	const files = new Set(left.map(({ file }) => file)).size;
	return [
		`${plural(left.length, 'place')} in ${plural(files, 'payload file')} still say ${version.from}: cluster operators report that version, and the cluster may wait for them.`,
	];
}

/** What a sparse release lists and the target does not have. */
function leftChildren({ components, release, choices }: PruneSubject): readonly string[] {
	const losing = components.filter(({ left = [] }) => left.length > 0);
	const children = losing.reduce((sum, { left = [] }) => sum + left.length, 0);
	const ofComponents =
		losing.length === 0
			? []
			: [
					`${plural(children, 'child', 'children')} of ${plural(losing.length, 'component')}: listed, not copied. Whoever pulls them from ${choices.repository} is told that they are not there.`,
				];
	const { left = [] } = release;
	return left.length === 0
		? ofComponents
		: [
				...ofComponents,
				`${plural(left.length, 'release image')} (${left.map(({ platform, digest }) => platform ?? digest).join(', ')}): listed, not copied.`,
			];
}

/** What holds of a release that keeps every byte, and has to be known of it. */
function keptConsequences(subject: PruneSubject): Consequences {
	const { source, components, choices } = subject;
	const broken = leftChildren(subject);
	const isSparse = modeOf(subject) === 'sparse';
	const asked =
		broken.length > 0
			? 'Whether the target takes a sparse index, if that is not known yet, is found at the first index push, before any tag: one index is pushed first, with nothing but its own children.'
			: 'Nothing is left out in the end: every child that was to go comes along for another index.';
	return {
		broken,
		intact: [
			'The release: not a byte of it changes.',
			`The release signature and the update graph: both know ${source.digest}, which stays.`,
			'Signatures of all indexes and images: every digest stays.',
			...copiedAttachments(subject),
		],
		notes: [
			...(components.length > 0
				? [
						`The payload goes on naming the places where its components were: clusters find them in ${choices.repository} by mirror rules (ImageDigestMirrorSet), which are printed once it is published.`,
					]
				: []),
			...(isSparse ? [asked] : []),
			...notLookedFor(subject),
			...subject.notes,
		],
	};
}

export function consequencesOf(subject: PruneSubject): Consequences {
	if (modeOf(subject) !== 'prune') return keptConsequences(subject);
	const { source, release, components } = subject;
	const isNew = release.digest !== source.digest;
	return {
		broken: [
			...goneChildren(subject),
			...(isNew ? brokenByNewRelease(subject) : []),
			...brokenSignatures(subject),
			...lapsedAttachments(subject),
			...brokenAttestations(subject),
			...oldVersion(subject),
		],
		intact: [
			...(components.length > 0
				? ['Signatures of component images: every child keeps its bytes and its digest.']
				: []),
			...copiedAttachments(subject),
			...(isNew ? [] : ['The release: not a byte of it changes.']),
			...(subject.untouched > 0
				? [`${plural(subject.untouched, 'component')} stay where and as they are.`]
				: []),
		],
		notes: [...notLookedFor(subject), ...subject.notes],
	};
}
