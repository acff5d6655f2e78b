/** What to type once a release is published, and what clusters need for it. */
import {
	byDigest,
	formatReference,
	formatRepository,
	parseReference,
	storeRegistry,
} from '../oci/reference.ts';
import { modeOf, type PruneSubject } from './subject.ts';

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

/** As pullspecs by digest; a release that keeps its bytes is found under its old name too. */
function movedImages(
	subject: PruneSubject,
): readonly { readonly from: string; readonly to: string }[] {
	const { components, source } = subject;
	const parsed = parseReference(source.reference);
	if (!parsed.ok || modeOf(subject) === 'prune') return components;
	const from = formatReference(byDigest(parsed.reference, source.digest));
	return [...components, { from, to: publishedRelease(subject) }];
}

/** Where components came from and where they are now: only digests that did not change can be mirrored. */
function movedRepositories(subject: PruneSubject): ReadonlyMap<string, ReadonlySet<string>> {
	const moved = new Map<string, Set<string>>();
	for (const { from, to } of movedImages(subject)) {
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
function neededLogins(subject: PruneSubject): readonly string[] {
	const { choices, registries } = subject;
	const isKept = modeOf(subject) !== 'prune';
	// With mirror rules clusters pull from the copies; else from where the payload says.
	const own = [choices.release, ...(isKept ? [choices.repository] : [])].flatMap((text) => {
		const parsed = parseReference(text);
		return parsed.ok ? [parsed.reference.registry] : [];
	});
	return [...new Set([...own, ...(isKept ? [] : registries)])];
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

const mirrorFile = 'image-digest-mirror-set.yaml';

/** What keeps its bytes names its old places: without mirror rules clusters look there. */
function stepsForCopy(
	release: string,
	{
		look,
		registries,
		mirrorSet,
	}: {
		readonly look: string;
		readonly registries: readonly string[];
		readonly mirrorSet: string | undefined;
	},
): readonly NextStep[] {
	const mirrored = mirrorSet === undefined ? '' : ` --idms-file=${mirrorFile}`;
	return [
		...(mirrorSet === undefined
			? []
			: [
					{
						title: 'Let clusters find the copies',
						text: mirrorSet,
						note: `The payload still names the old repositories; by this clusters look into the new ones first: oc apply -f ${mirrorFile}. For a new cluster its list of mirrors goes into install-config.yaml, as imageDigestSources.`,
						fileName: mirrorFile,
					},
				]),
		{ title: 'Look at it', text: `${look}\noc adm release info${mirrored} ${release}` },
		{
			title: 'Get the installer and the client for it',
			text: `oc adm release extract --tools${mirrored} ${release}`,
		},
		{
			title: 'Install a cluster from it',
			text: `OPENSHIFT_INSTALL_RELEASE_IMAGE_OVERRIDE=${release} openshift-install create cluster`,
			note: pullNote(registries),
		},
		{
			title: 'Update a cluster to it',
			text: `oc adm upgrade --allow-explicit-upgrade --to-image=${release}`,
			note: 'The digest is the published one, so its signature holds. A cluster that cannot reach the place where signatures are kept needs it as a config map in openshift-config-managed.',
		},
	];
}

/** @param flags what espalier needs on its command line to reach the same registries */
export function nextSteps(subject: PruneSubject, flags = ''): readonly NextStep[] {
	const release = publishedRelease(subject);
	const registries = neededLogins(subject);
	const look = ['espalier audit', release, flags].filter(Boolean).join(' ');
	if (registries.includes(storeRegistry)) return stepsInStore(look);
	const mirrorSet = imageDigestMirrorSet(subject);
	if (modeOf(subject) !== 'prune') return stepsForCopy(release, { look, registries, mirrorSet });
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
