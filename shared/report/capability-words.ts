/** What registries can do, in words: one line for each question, with the evidence and its day. */
import { formatRepository, type Repository } from '../oci/reference.ts';
import {
	capabilityNames,
	factAbout,
	type CapabilityFact,
	type CapabilityName,
} from '../registry/capabilities.ts';

const capabilityWords: Readonly<Record<CapabilityName, string>> = {
	'oci-index': 'OCI indexes',
	'docker-list': 'Docker manifest lists',
	sparse: 'sparse indexes',
	mount: 'mounting blobs',
	referrers: 'the referrers API',
	'tag-deletion': 'removing tags',
	'immutable-tags': 'immutable tags',
};

const untried: Partial<Readonly<Record<CapabilityName, string>>> = {
	'oci-index': 'Found at the first index push, before any tag.',
	'docker-list': 'Found at the first index push, before any tag.',
	sparse: 'Found at the first index push, before any tag.',
	mount: 'Found at the first blob; where nothing can be mounted, it is copied.',
	'tag-deletion': 'Found when a tag is to be removed.',
	'immutable-tags': 'Found when the first tag moves.',
};

const answers = {
	observed: { yes: 'yes', no: 'no', unknown: 'not known' },
	stated: { yes: 'yes', no: 'no', unknown: 'not known' },
	kind: { yes: 'probably', no: 'probably not', unknown: 'not known' },
} as const;

export interface CapabilityLine {
	readonly about: CapabilityName;
	readonly what: string;
	readonly answer: string;
	/** a sentence */
	readonly evidence: string;
	/** in milliseconds since 1970; undefined where nobody has looked yet */
	readonly checkedAt: number | undefined;
}

/** One line for each question about a repository, also where nothing is known; in a fixed order. */
export function capabilityLines(
	facts: readonly CapabilityFact[],
	repository: Repository,
): readonly CapabilityLine[] {
	return capabilityNames.map((about): CapabilityLine => {
		const fact = factAbout(facts, repository, about);
		const what = capabilityWords[about];
		if (!fact) {
			const evidence = untried[about] ?? 'It was not asked.';
			return { about, what, answer: 'not known', evidence, checkedAt: undefined };
		}
		const { answer, basis, evidence, checkedAt } = fact;
		const later = answer === 'unknown' ? untried[about] : undefined;
		return {
			about,
			what,
			answer: answers[basis][answer],
			evidence: later ? `${evidence} ${later}` : evidence,
			checkedAt,
		};
	});
}

/** Lines of text for several repositories, each under its name. */
export function capabilityText(
	facts: readonly CapabilityFact[],
	repositories: readonly Repository[],
): readonly string[] {
	const byName = new Map(repositories.map((each) => [formatRepository(each), each]));
	return [...byName].flatMap(([name, repository]) => [
		`What ${name} takes`,
		...capabilityLines(facts, repository).map(({ what, answer, evidence, checkedAt }) => {
			const day =
				checkedAt === undefined ? '' : ` (${new Date(checkedAt).toISOString().slice(0, 10)})`;
			return `  ${what}: ${answer}. ${evidence}${day}`;
		}),
	]);
}
