/** What to type once a pruned release is published, and what clusters need for it. */
import {
	byDigest,
	formatReference,
	formatRepository,
	parseReference,
	storeRegistry,
} from '../oci/reference.ts';
import type { PruneSubject } from './subject.ts';

export interface NextStep {
	readonly title: string;
	/** one line or several, to be copied as they are */
	readonly text: string;
	readonly note?: string;
	/** the name under which it is saved, where it is a file */
	readonly fileName?: string;
}

function repositoryOf(pullspec: string): string | undefined {
	const parsed = parseReference(pullspec);
	return parsed.ok ? formatRepository(parsed.reference) : undefined;
}

/** Where components came from and where they are now: only digests that did not change can be mirrored. */
function movedRepositories({ components }: PruneSubject): ReadonlyMap<string, ReadonlySet<string>> {
	const moved = new Map<string, Set<string>>();
	for (const { from, to } of components) {
		const source = repositoryOf(from);
		const target = repositoryOf(to);
		const isSame = from.split('@')[1] === to.split('@')[1];
		if (!source || !target || source === target || !isSame) continue;
		const targets = moved.get(source) ?? new Set();
		moved.set(source, targets.add(target));
	}
	return moved;
}

/** `config.openshift.io/v1`, keys in the order in which `oc` prints them. */
function imageDigestMirrorSet(subject: PruneSubject): string | undefined {
	const moved = [...movedRepositories(subject)].toSorted(([a], [b]) => (a < b ? -1 : 1));
	if (moved.length === 0) return undefined;
	const mirrors = moved.flatMap(([source, targets]) => [
		'  - mirrors:',
		...[...targets].toSorted().map((target) => `    - ${target}`),
		`    source: ${source}`,
	]);
	return [
		'apiVersion: config.openshift.io/v1',
		'kind: ImageDigestMirrorSet',
		'metadata:',
		'  name: espalier',
		'spec:',
		'  imageDigestMirrors:',
		...mirrors,
		'',
	].join('\n');
}

/** The registries whose logins a cluster needs to pull the release. */
function neededLogins({ choices, registries }: PruneSubject): readonly string[] {
	const release = parseReference(choices.release);
	const own = release.ok ? [release.reference.registry] : [];
	return [...new Set([...own, ...registries])];
}

/** The release by digest, as clusters want it. */
export function publishedRelease({ choices, release }: PruneSubject): string {
	const parsed = parseReference(choices.release);
	return parsed.ok ? formatReference(byDigest(parsed.reference, release.digest)) : choices.release;
}

const loopback = /^(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/;

/** Clusters know nothing of the embedded registry's name; what names it is for looking at. */
function stepsInStore(look: string): readonly NextStep[] {
	return [
		{
			title: 'Look at it',
			text: look,
			note: 'Parts of it are in the embedded registry, which clusters do not reach. For them, publish it self-contained to a registry of theirs.',
		},
	];
}

/** What clusters need to pull it. */
function pullNote(registries: readonly string[]): string {
	const here = registries.filter((registry) => loopback.test(registry));
	const logins = `The pull secret in install-config.yaml needs a login for ${registries.join(', ')}.`;
	if (here.length === 0) return logins;
	return `${logins} ${here.join(', ')} ${here.length === 1 ? 'is' : 'are'} on this machine: clusters pull from there only under a name that means the same to them.`;
}

/** @param flags what espalier needs on its command line to reach the same registries */
export function nextSteps(subject: PruneSubject, flags = ''): readonly NextStep[] {
	const release = publishedRelease(subject);
	const registries = neededLogins(subject);
	const look = ['espalier audit', release, flags].filter(Boolean).join(' ');
	if (registries.includes(storeRegistry)) return stepsInStore(look);
	const mirrorSet = imageDigestMirrorSet(subject);
	return [
		{
			title: 'Look at it',
			text: `${look}\noc adm release info ${release}`,
		},
		{
			title: 'Get the installer and the client for it',
			text: `oc adm release extract --tools ${release}`,
		},
		{
			title: 'Install a cluster from it',
			text: `OPENSHIFT_INSTALL_RELEASE_IMAGE_OVERRIDE=${release} openshift-install create cluster`,
			note: pullNote(registries),
		},
		{
			title: 'Update a cluster to it',
			text: `oc adm upgrade --allow-explicit-upgrade --force --to-image=${release}`,
			note: 'The new release has no signature and is in no update graph: --force skips both checks. Make sure of the digest yourself.',
		},
		...(mirrorSet
			? [
					{
						title: 'Let clusters find the components under their old names too',
						text: mirrorSet,
						note: 'For whatever still names the old repositories: oc apply -f image-digest-mirror-set.yaml',
						fileName: 'image-digest-mirror-set.yaml',
					},
				]
			: []),
	];
}
