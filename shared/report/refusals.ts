/**
 * What a refusal of a registry most likely means. Registries answer alike for what is hidden and for what is not
 * there, and each kind of them in its own way.
 */
import { storeRegistry } from '../oci/reference.ts';
import type { Problem, ProblemCode } from '../registry/problem.ts';

type Refusal = Extract<
	ProblemCode,
	'unauthorized' | 'denied' | 'repository-unknown' | 'manifest-unknown'
>;

interface Kind {
	readonly hosts: RegExp;
	/** what each refusal most likely means there, and what to do */
	readonly says: Readonly<Partial<Record<Refusal, readonly string[]>>>;
}

const hubToken =
	'Docker Hub takes personal access tokens as passwords; a token for reading cannot publish.';
const ecrLogin =
	'A login of ECR lasts twelve hours: aws ecr get-login-password prints a new password for the user AWS.';
const createFirst = 'Create the repository there first: pushing does not make it.';
const ghcrToken =
	'Log in with a personal access token as the password: read:packages to read, write:packages to publish, and allowed for the organisation where it has single sign-on.';

/** Most particular first. */
const kinds: readonly Kind[] = [
	{
		hosts: /^docker\.io$/,
		says: {
			unauthorized: [
				'Docker Hub answers so for repositories that do not exist and for private ones alike: check the spelling too.',
				hubToken,
			],
			denied: [
				'On Docker Hub this mostly means that the account is no member of that namespace, or its token is for reading only.',
			],
		},
	},
	{
		hosts: /^(?:quay\.io|.*\.quay\.io|quay\..*)$/,
		says: {
			unauthorized: [
				'Quay answers so for repositories that do not exist and for private ones alike: check the spelling too.',
				'If it is private: a robot account with permission to read this very repository will do.',
			],
			denied: [
				'On Quay this mostly means that the robot account has no permission for this very repository.',
			],
		},
	},
	{
		hosts: /^ghcr\.io$/,
		says: {
			unauthorized: [ghcrToken],
			denied: [
				'GHCR answers so for packages that are private and for names that do not exist: check the spelling too.',
				ghcrToken,
			],
			'repository-unknown': ['GHCR may answer so for private packages as well.', ghcrToken],
			'manifest-unknown': ['GHCR may answer so for private packages as well.'],
		},
	},
	{
		hosts: /^public\.ecr\.aws$/,
		says: {
			denied: [
				'The public ECR answers so for repositories that do not exist: check the spelling.',
				createFirst,
			],
			'repository-unknown': [createFirst],
		},
	},
	{
		hosts: /\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com|amazonaws\.com\.cn|on\.aws)$/,
		says: {
			unauthorized: [ecrLogin],
			denied: [
				'On ECR this mostly means that the login has run out, or that the role may not do this.',
				ecrLogin,
			],
			'repository-unknown': [createFirst],
		},
	},
	{
		hosts: /(?:^|[.-])(?:jfrog\.io|artifactory[^:]*)(?::\d+)?$/,
		says: {
			unauthorized: ['Artifactory takes an API key or identity token as the password.'],
			denied: [
				'Artifactory answers so for repositories that do not exist as well (RTFACT-13797): check the spelling, the name of its own repository in front included.',
			],
		},
	},
	{
		hosts: /^(?:(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev)$/,
		says: {
			unauthorized: [
				'Artifact Registry takes the user oauth2accesstoken with what gcloud auth print-access-token prints.',
			],
			denied: [
				'Artifact Registry answers so for projects and repositories that do not exist and for hidden ones alike: check the spelling, then the role of the account.',
				createFirst,
			],
			'repository-unknown': [createFirst],
		},
	},
	{
		hosts: /\.azurecr\.(?:io|cn|us)$/,
		says: {
			unauthorized: [
				'Azure answers so for repositories that do not exist too; az acr login gives tokens that last three hours.',
			],
		},
	},
	{
		hosts: /(?:^|[.-])harbor(?:[.:-].*)?$/,
		says: {
			unauthorized: [
				'Harbor answers so for private projects and for ones that do not exist alike: check the spelling too.',
			],
			denied: ['On Harbor this mostly means that the account has no role in the project.'],
			'repository-unknown': [
				'Harbor answers so where the project does not exist, or is hidden: projects are made before anything is pushed.',
			],
		},
	},
];

/** What distribution and most others do. */
const others: Kind['says'] = {
	unauthorized: [
		'Many registries answer so for repositories that do not exist: check the spelling too.',
	],
};

function isRefusal(code: ProblemCode): code is Refusal {
	return (
		code === 'unauthorized' ||
		code === 'denied' ||
		code === 'repository-unknown' ||
		code === 'manifest-unknown'
	);
}

/** What the refusal most likely means at this kind of registry and what to do there; nothing where that is not known. */
export function likelyMeaning({ code, registry = '' }: Problem): readonly string[] {
	if (!isRefusal(code)) return [];
	const kind = kinds.find(({ hosts }) => hosts.test(registry));
	return kind?.says[code] ?? others[code] ?? [];
}

const aboutLogin: ReadonlySet<ProblemCode> = new Set([
	'unauthorized',
	'denied',
	'repository-unknown',
	'rate-limited',
	'credentials-unusable',
]);

/** True where another login may lead further. */
export function isAboutLogin({ code, origin, registry }: Problem): boolean {
	if (registry === undefined || registry === storeRegistry || !aboutLogin.has(code)) return false;
	return origin !== 'proxy' || code !== 'rate-limited';
}
