/** What a registry can do, as facts with evidence: what of several holds, and what is known of a kind of registry. */
import * as z from 'zod';
import { storeRegistry, type Repository } from '../oci/reference.ts';

/** Every question that a fact answers. */
export const capabilityNames = [
	/** takes OCI indexes */
	'oci-index',
	/** takes Docker manifest lists */
	'docker-list',
	/** takes indexes some of whose children are not there */
	'sparse',
	/** takes a blob over from another of its repositories */
	'mount',
	/** answers the referrers API */
	'referrers',
	/** removes tags */
	'tag-deletion',
	/** keeps tags where they are once they are set */
	'immutable-tags',
] as const;
export type CapabilityName = (typeof capabilityNames)[number];

/**
 * `observed`: somebody wrote there and saw. `stated`: the registry says so itself. `kind`: registries of this kind
 * are said to; nothing is ever refused for that alone.
 */
const capabilityBases = ['observed', 'stated', 'kind'] as const;

/** The last moment that a date can be of (ECMA-262, “Time Values”). */
const latestTime = 8.64e15;

/** One answer about one registry, or about one of its repositories alone. */
export const capabilityFactSchema = z.strictObject({
	registry: z.string().max(300),
	/** absent where the answer is the same for the whole registry */
	repository: z.string().max(300).optional(),
	about: z.enum(capabilityNames),
	answer: z.enum(['yes', 'no', 'unknown']),
	basis: z.enum(capabilityBases),
	/** a sentence that says what was seen, or why it could not be */
	evidence: z.string().max(2000),
	/** in milliseconds since 1970 */
	checkedAt: z.number().nonnegative().max(latestTime),
});
export type CapabilityFact = z.infer<typeof capabilityFactSchema>;

function subjectOf({ registry, repository = '', about }: CapabilityFact): string {
	return `${registry} ${repository} ${about}`;
}

/** The smaller, the stronger. Not to know is weaker than any knowledge. */
function weakness({ answer, basis }: CapabilityFact): number {
	return answer === 'unknown' ? capabilityBases.length : capabilityBases.indexOf(basis);
}

function isBetter(fact: CapabilityFact, than: CapabilityFact): boolean {
	const difference = weakness(than) - weakness(fact);
	return difference === 0 ? fact.checkedAt >= than.checkedAt : difference > 0;
}

/** One fact for each question and place: of several the strongest, and of those the newest. */
export function mergeFacts(
	...lists: readonly (readonly CapabilityFact[])[]
): readonly CapabilityFact[] {
	const best = new Map<string, CapabilityFact>();
	for (const fact of lists.flat()) {
		const known = best.get(subjectOf(fact));
		if (!known || isBetter(fact, known)) best.set(subjectOf(fact), fact);
	}
	return [...best.values()];
}

/** The best fact about a repository: one about it alone goes before one about all of its registry. */
export function factAbout(
	facts: readonly CapabilityFact[],
	{ registry, repository }: Repository,
	about: CapabilityName,
): CapabilityFact | undefined {
	const own = facts.filter((fact) => fact.registry === registry && fact.about === about);
	const [fact] = mergeFacts(
		own.filter((each) => each.repository === repository && each.answer !== 'unknown'),
	);
	return fact ?? mergeFacts(own.filter((each) => each.repository === undefined))[0];
}

/** The fact for which a write is refused before it is tried: somebody saw that it is not taken, or the registry says so. */
export function refusingFact(
	facts: readonly CapabilityFact[],
	place: Repository,
	about: CapabilityName,
): CapabilityFact | undefined {
	const fact = factAbout(facts, place, about);
	return fact?.answer === 'no' && fact.basis !== 'kind' ? fact : undefined;
}

type Believed = Readonly<Partial<Record<CapabilityName, 'yes' | 'no'>>>;

interface KindOfRegistry {
	/** as people call it */
	readonly name: string;
	readonly host: RegExp;
	readonly believed: Believed;
}

const lists = { 'oci-index': 'yes', 'docker-list': 'yes' } as const;

/** By host name. None of these was seen to take an index whose children are not there. */
const kinds: readonly KindOfRegistry[] = [
	{
		name: 'Docker Hub',
		host: /^(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)$/,
		believed: { ...lists, mount: 'yes', sparse: 'no', 'tag-deletion': 'no' },
	},
	{
		name: 'the GitHub container registry',
		host: /^(?:ghcr\.io|docker\.pkg\.github\.com)$/,
		believed: { ...lists, mount: 'yes', sparse: 'no', 'tag-deletion': 'no' },
	},
	{
		name: 'Amazon ECR',
		host: /^(?:public\.ecr\.aws|\d+\.dkr\.ecr\.[\w-]+\.amazonaws\.com(?:\.cn)?)$/,
		believed: { ...lists, sparse: 'no' },
	},
	{
		name: 'Google Artifact Registry',
		host: /^(?:[\w.-]+\.pkg\.dev|(?:[\w-]+\.)?gcr\.io)$/,
		believed: { ...lists, mount: 'yes', sparse: 'no' },
	},
	{
		name: 'the Azure container registry',
		host: /^[\w-]+\.azurecr\.io$/,
		believed: { ...lists, mount: 'yes', referrers: 'yes', sparse: 'no' },
	},
	{
		name: 'Quay',
		host: /^quay\.io$/,
		believed: { ...lists, mount: 'yes', sparse: 'no', 'tag-deletion': 'yes' },
	},
];

/** What registries of this kind are known for; empty where the name says nothing. */
export function factsOfKind(registry: string, checkedAt: number): readonly CapabilityFact[] {
	const kind = kinds.find(({ host }) => host.test(registry));
	if (!kind) return [];
	const evidence = `${registry} is ${kind.name}, which is known for it; it was not tried here.`;
	return capabilityNames.flatMap((about) => {
		const answer = kind.believed[about];
		return answer ? [{ registry, about, answer, basis: 'kind' as const, evidence, checkedAt }] : [];
	});
}

/** What the answer to `GET /v2/` says of the registry. @param headers with names in lower case */
export function factsOfHeaders(
	registry: string,
	headers: Readonly<Record<string, string | undefined>>,
	checkedAt: number,
): readonly CapabilityFact[] {
	// Quay since January 2026, endpoints/v2/__init__.py.
	const sparse = headers['x-sparse-manifest-support']?.trim().toLowerCase();
	if (sparse === 'true' || sparse === 'false') {
		const answer = sparse === 'true' ? 'yes' : 'no';
		const evidence = `${registry} answers GET /v2/ with X-Sparse-Manifest-Support: ${sparse}.`;
		return [{ registry, about: 'sparse', answer, basis: 'stated', evidence, checkedAt }];
	}
	if (headers['docker-distribution-api-version'] === undefined) return [];
	const evidence = `${registry} speaks the Docker registry protocol; what does so takes no sparse index unless it is set up for it.`;
	return [{ registry, about: 'sparse', answer: 'no', basis: 'kind', evidence, checkedAt }];
}

/** What the embedded registry does, as its own code has it. */
export function factsOfStore(checkedAt: number): readonly CapabilityFact[] {
	const answers: readonly (readonly [CapabilityName, 'yes' | 'no', string])[] = [
		['oci-index', 'yes', 'The embedded registry takes OCI indexes.'],
		['docker-list', 'yes', 'The embedded registry takes Docker manifest lists.'],
		[
			'sparse',
			'no',
			'The embedded registry keeps OCI layouts whole: an index is taken once all of its children are there.',
		],
		['mount', 'yes', 'The embedded registry links blobs between its repositories.'],
		['referrers', 'yes', 'The embedded registry answers the referrers API.'],
		['tag-deletion', 'yes', 'The embedded registry removes tags.'],
		['immutable-tags', 'no', 'The embedded registry lets tags move.'],
	];
	return answers.map(([about, answer, evidence]) => {
		return { registry: storeRegistry, about, answer, basis: 'stated', evidence, checkedAt };
	});
}
