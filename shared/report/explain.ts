/** Problems in words: what happened, and what to do about it. Why is the problem's own `reason`. */
import { storeRegistry } from '../oci/reference.ts';
import type { Problem, ProblemCode } from '../registry/problem.ts';
import { likelyMeaning } from './refusals.ts';
import { formatDuration } from './units.ts';

export interface Explanation {
	/** what happened, a few plain words */
	readonly title: string;
	/** why, one sentence */
	readonly why: string;
	/** what to do, most likely first */
	readonly remedies: readonly string[];
}

function host({ registry }: Problem): string {
	return registry ?? 'REGISTRY';
}

/** Where the words are read. */
export interface ExplainedWhere {
	/** on a team's server: nobody who reads this can log in where it runs */
	readonly isShared?: boolean;
}

const loginThere = (problem: Problem) =>
	`Log in where Espalier runs: docker login ${host(problem)} (or podman login), then try again.`;
/** For a server that has no logins of anybody. */
const ownLogin = (problem: Problem) =>
	`Give the page your own login for ${host(problem)}; it goes along with your requests and is not kept.`;
const loginFor = (problem: Problem, { isShared = false }: ExplainedWhere) =>
	isShared || problem.origin === 'proxy' ? ownLogin(problem) : loginThere(problem);

/** The login came out of the page, so what the computer has is no help. */
function explainTyped(
	problem: Problem,
	{ username }: { readonly username?: string | undefined },
	{ isShared = false }: ExplainedWhere,
): Explanation {
	const who = username === undefined || username === '' ? 'the login' : username;
	const instead = isShared ? 'to read without it' : 'to use the login of this computer';
	return {
		title: 'This login is not accepted',
		why: `${host(problem)} refused ${who}, as typed into this tab: wrong user name or password, or no right to this repository.`,
		remedies: [`Log in again, or remove the login ${instead}.`, ...likelyMeaning(problem)],
	};
}

const spelling = 'Check the spelling of the repository, and of the tag or digest.';
const again =
	'Try again; if it stays, the registry or something between here and there has a problem.';

const explanations: Readonly<
	Record<
		ProblemCode,
		{
			title: string;
			remedies: (problem: Problem, where: ExplainedWhere) => readonly string[];
		}
	>
> = {
	'reference-invalid': {
		title: 'This is not a reference',
		remedies: () => [
			'Write it as registry/repository:tag or registry/repository@sha256:…, for example quay.io/openshift-release-dev/ocp-release:4.20.0-multi.',
		],
	},
	'not-a-release': {
		title: 'This is not an OpenShift release',
		remedies: () => [
			'Open a release image, such as ocp-release:4.20.0-multi. What the reference holds is shown below.',
		],
	},
	'payload-invalid': {
		title: 'The release payload cannot be read',
		remedies: () => [
			'The release image was not made by oc adm release new, or something has changed it since. Compare its digest with the published one.',
		],
	},
	'plan-invalid': {
		title: 'This is not a plan that can be run',
		remedies: () => [
			'Make the plan again from the release. A plan file is complete and unchanged, or it is refused.',
		],
	},
	'receipt-invalid': {
		title: 'This is not a receipt that can be used',
		remedies: () => ['Use the file that the run wrote, complete and unchanged.'],
	},
	'plan-impossible': {
		title: 'This cannot be published as chosen',
		remedies: () => [
			'Change the selection or the target as the sentence above says, and plan again.',
		],
	},
	'mirrors-invalid': {
		title: 'This is not a file of mirrors that can be used',
		remedies: () => [
			'Use an ImageDigestMirrorSet, ImageTagMirrorSet or ImageContentSourcePolicy as a cluster has it, or a registries.conf of version 2; correct what the sentence above names.',
		],
	},
	'source-blocked': {
		title: 'The mirror rules forbid to read this',
		remedies: () => ['Add a mirror for it to the file of mirrors, or read without those rules.'],
	},
	'host-unknown': {
		title: 'There is no such host',
		remedies: () => [
			'Check the spelling of the registry.',
			'If it is known only inside a network (VPN), connect to that first.',
		],
	},
	'connection-refused': {
		title: 'Nobody answers there',
		remedies: () => ['Check host and port, and that the registry is running.'],
	},
	'connection-lost': { title: 'The connection broke off', remedies: () => [again] },
	timeout: { title: 'No answer in time', remedies: () => [again] },
	'tls-failure': {
		title: 'No trusted connection',
		remedies: (problem) => [
			`If the registry has a certificate of your own authority: start Espalier with --ca ${host(problem)}=FILE.`,
			`If it really has no TLS: --plain-http ${host(problem)}.`,
		],
	},
	unauthorized: {
		title: 'A login is needed',
		remedies: (problem, where) => [loginFor(problem, where), ...likelyMeaning(problem)],
	},
	denied: {
		title: 'Access denied',
		remedies: (problem, where) => [
			'Use an account that is allowed to do this in that repository.',
			...likelyMeaning(problem),
			loginFor(problem, where),
		],
	},
	'repository-unknown': {
		title: 'No such repository, or a hidden one',
		remedies: (problem, where) =>
			problem.registry === storeRegistry
				? [spelling]
				: [spelling, ...likelyMeaning(problem), `If it is private: ${loginFor(problem, where)}`],
	},
	'manifest-unknown': {
		title: 'No such image',
		remedies: (problem) => [
			spelling,
			...likelyMeaning(problem),
			'It may have been deleted, or cleaned up because nothing was tagged.',
		],
	},
	'blob-unknown': {
		title: 'A part of the image is gone',
		remedies: () => [
			'The registry has lost it or a clean-up took it: push the image again from where it is whole.',
		],
	},
	'rate-limited': {
		title: 'Too many requests for this registry',
		remedies: (problem, where) => [
			problem.retryAfterMs === undefined
				? 'Wait a few minutes and try again.'
				: `Wait ${formatDuration(problem.retryAfterMs)} and try again.`,
			`Logged-in accounts are allowed more. ${loginFor(problem, where)}`,
		],
	},
	'registry-failure': { title: 'The registry failed', remedies: () => [again] },
	'digest-mismatch': {
		title: 'The bytes are not what the digest says',
		remedies: () => [
			'Do not use this image from there. Something has corrupted or changed it on the way: try another mirror, and tell who runs the registry.',
		],
	},
	truncated: {
		title: 'It ends in the middle',
		remedies: () => [again, 'If it always ends there, the stored copy is damaged: push it again.'],
	},
	'too-large': {
		title: 'Larger than anything genuine',
		remedies: () => [
			'Espalier does not read things of this size into memory. Check that this is the image you meant.',
		],
	},
	malformed: {
		title: 'It cannot be read',
		remedies: () => [
			'Whatever made this image does not follow the specification; rebuild it with another tool.',
		],
	},
	unverifiable: {
		title: 'It cannot be verified',
		remedies: () => ['Espalier checks sha256 and sha512. Use a reference by one of those.'],
	},
	'egress-blocked': {
		title: 'Espalier does not go there by itself',
		remedies: (problem) => [
			problem.isForbidden === true
				? 'No registry is at such an address, and nothing makes Espalier ask there. Whatever named it is wrong, or meant to do harm.'
				: `If you trust this address, name it yourself: start Espalier with --plain-http ${host(problem)} or --ca ${host(problem)}=FILE, or log in to it.`,
		],
	},
	'not-served': {
		title: 'This Espalier does not serve that',
		remedies: () => [
			'Ask who runs this Espalier to add it to the registries that are served here.',
			'Or run Espalier on your own computer: there it reaches whatever you can reach.',
		],
	},
	'outgoing-proxy-failed': {
		title: 'The proxy of this network did not let it through',
		remedies: (problem) => [
			'Check HTTPS_PROXY and HTTP_PROXY where Espalier was started, the login in them included, and start it again.',
			`If the registry is reached without a proxy: add ${host(problem)} to NO_PROXY.`,
		],
	},
	'redirect-refused': {
		title: 'The registry leads somewhere it should not',
		remedies: () => [
			'Tell who runs the registry. Espalier follows redirects only to public hosts, encrypted, and a few at most.',
		],
	},
	'credentials-unusable': {
		title: 'The stored login cannot be used',
		remedies: (problem, where) => [loginFor(problem, where)],
	},
	unsupported: {
		title: 'Not supported there',
		remedies: () => ['Use another registry for this, or another way.'],
	},
	'manifest-refused': {
		title: 'The registry refuses this kind of manifest',
		remedies: () => [
			'Publish to a registry that takes indexes of this media type; Espalier does not convert them, as their digests would change.',
		],
	},
	'parts-missing': {
		title: 'The registry misses parts of it',
		remedies: () => [
			'If the plan is of a sparse release, this registry takes none: plan again to prune it (--mode prune), or to copy it whole (--mode whole).',
			'Run the plan again: what is missing is copied first. If it stays, a clean-up there takes untagged parts away while they arrive.',
		],
	},
	'tag-immutable': {
		title: 'This tag cannot be moved',
		remedies: () => [
			'Choose another tag or version, or have the rule of the repository changed that keeps its tags as they are.',
		],
	},
	'policy-refused': {
		title: 'A rule of the registry forbids it',
		remedies: () => ['Ask who runs the registry, or publish to another repository.'],
	},
	'storage-full': {
		title: 'There is no room left',
		remedies: () => [
			'Make room at the registry, then run the plan again: it goes on where it stopped.',
		],
	},
	conflict: {
		title: 'Somebody else was faster',
		remedies: () => ['Look at what is there now, and decide again.'],
	},
	'already-running': {
		title: 'This plan is being run already',
		remedies: () => ['Wait until it is done, or end it where it runs.'],
	},
	'proxy-unreachable': {
		title: 'Espalier is not running',
		remedies: () => [
			'Start it again, with npm start or npx --no espalier in its folder, and open the address it prints.',
		],
	},
	'token-missing': {
		title: 'This page was opened without its key',
		remedies: () => [
			'Open the address that Espalier printed when it started, or run, in its folder: npx --no espalier open LINK, with the link of this page.',
		],
	},
	'token-rejected': {
		title: 'Espalier was restarted since this page was opened',
		remedies: () => [
			'Open the address it printed, or run, in its folder: npx --no espalier open LINK, with the link of this page.',
		],
	},
	'request-invalid': {
		title: 'The request was not understood',
		remedies: () => ['Reload the page: it may be older than the Espalier it talks to.'],
	},
	cancelled: { title: 'Cancelled', remedies: () => [] },
	internal: {
		title: 'A defect in Espalier',
		remedies: () => ['Please report it, with the sentence above.'],
	},
};

/** It is this server that is asked too much, not a registry. */
function isOwnLimit({ code, origin }: Problem): boolean {
	return code === 'rate-limited' && origin === 'proxy';
}

function waitFor({ retryAfterMs = 60_000 }: Problem): string {
	return `Wait ${formatDuration(retryAfterMs)} and try again.`;
}

/** @param where a terminal or a page of this computer by default */
export function explain(problem: Problem, where: ExplainedWhere = {}): Explanation {
	if (isOwnLimit(problem)) {
		const remedies = [waitFor(problem), 'Whoever shares your address counts with you.'];
		return { title: 'Too many requests for this Espalier', why: problem.reason, remedies };
	}
	if (problem.typedLogin) return explainTyped(problem, problem.typedLogin, where);
	const { title, remedies } = explanations[problem.code];
	return { title, why: problem.reason, remedies: remedies(problem, where) };
}
