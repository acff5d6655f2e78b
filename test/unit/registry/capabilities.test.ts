import { describe, expect, it } from 'vitest';
import {
	capabilityFactSchema,
	factAbout,
	factsOfHeaders,
	factsOfKind,
	factsOfStore,
	mergeFacts,
	refusingFact,
	type CapabilityFact,
} from '../../../shared/registry/capabilities.ts';
import { capabilityLines, capabilityText } from '../../../shared/report/capability-words.ts';

const place = { registry: 'registry.test', repository: 'acme/parts' };

function fact(changes: Partial<CapabilityFact> = {}): CapabilityFact {
	return {
		registry: 'registry.test',
		about: 'sparse',
		answer: 'no',
		basis: 'stated',
		evidence: 'It says so.',
		checkedAt: 100,
		...changes,
	};
}

it.each([8.64e15 + 1, 1e300, -1, Number.NaN])('a fact of the moment %d is none', (checkedAt) => {
	expect(capabilityFactSchema.safeParse(fact({ checkedAt })).success).toBe(false);
	expect(capabilityFactSchema.safeParse(fact({ checkedAt: 8.64e15 })).success).toBe(true);
});

describe('of several facts on one thing', () => {
	const observed = fact({ basis: 'observed', answer: 'yes' });

	it.each<[string, CapabilityFact, CapabilityFact]>([
		['what was seen before what is said, however old', observed, fact({ checkedAt: 900 })],
		[
			'what is said before what is known of the kind',
			fact(),
			fact({ basis: 'kind', checkedAt: 9 }),
		],
		['the newer of two that are as good', fact({ checkedAt: 101, answer: 'yes' }), fact()],
		['any knowledge before none', fact({ basis: 'kind' }), fact({ answer: 'unknown' })],
	])('%s', (_, better, worse) => {
		expect(mergeFacts([better], [worse])).toEqual([better]);
		expect(mergeFacts([worse], [better])).toEqual([better]);
	});

	it('those on other questions, registries and repositories stay beside it', () => {
		const facts = [
			fact(),
			fact({ about: 'mount' }),
			fact({ registry: 'other.test' }),
			fact({ repository: 'acme/parts' }),
		];
		expect(mergeFacts(facts)).toEqual(facts);
	});
});

describe('a repository', () => {
	it('is known by itself before it is known by its registry', () => {
		const own = fact({ repository: 'acme/parts', answer: 'yes' });
		const facts = [own, fact({ repository: 'acme/other' }), fact()];
		expect(factAbout(facts, place, 'sparse')).toBe(own);
		expect(factAbout(facts, { ...place, repository: 'acme/new' }, 'sparse')).toEqual(fact());
		expect(factAbout(facts, place, 'mount')).toBeUndefined();
	});

	it('is refused only for what was seen or is said there', () => {
		expect(refusingFact([fact()], place, 'sparse')).toEqual(fact());
		expect(refusingFact([fact({ basis: 'kind' })], place, 'sparse')).toBeUndefined();
		expect(refusingFact([fact({ answer: 'unknown' })], place, 'sparse')).toBeUndefined();
		expect(refusingFact([fact({ answer: 'yes' })], place, 'sparse')).toBeUndefined();
		expect(refusingFact([], place, 'sparse')).toBeUndefined();
	});
});

describe('what the answer to GET /v2/ says', () => {
	it.each([
		['true', 'yes'],
		['false', 'no'],
		[' False', 'no'],
	])('X-Sparse-Manifest-Support: %s means %s', (header, answer) => {
		const [found] = factsOfHeaders('quay.test', { 'x-sparse-manifest-support': header }, 5);
		expect(found).toMatchObject({ about: 'sparse', answer, basis: 'stated', checkedAt: 5 });
	});

	it.each([{}, { 'x-sparse-manifest-support': 'maybe' }])('%j says nothing', (headers) => {
		expect(factsOfHeaders('quay.test', headers, 5)).toEqual([]);
	});

	it('the version header of the Docker protocol makes a sparse index unlikely, and forbids none', () => {
		const headers = { 'docker-distribution-api-version': 'registry/2.0' };
		const facts = factsOfHeaders('registry.test', headers, 5);
		expect(facts).toMatchObject([{ answer: 'no', basis: 'kind' }]);
		expect(refusingFact(facts, place, 'sparse')).toBeUndefined();
	});
});

it.each([
	'ghcr.io',
	'docker.io',
	'123456789012.dkr.ecr.eu-west-1.amazonaws.com',
	'europe-docker.pkg.dev',
	'quay.io',
])('%s is known by its name, and nothing is refused for that', (registry) => {
	const facts = factsOfKind(registry, 5);
	expect(factAbout(facts, { registry, repository: 'a' }, 'oci-index')?.answer).toBe('yes');
	for (const each of facts) {
		expect(capabilityFactSchema.parse(each)).toEqual(each);
		expect(each.basis).toBe('kind');
	}
});

it.each(['registry.test', 'ghcr.io.evil.test', 'notquay.io', 'localhost:5000'])(
	'%s is not known by its name',
	(registry) => {
		expect(factsOfKind(registry, 5)).toEqual([]);
	},
);

it('the embedded registry answers every question about itself, and takes no sparse index', () => {
	const facts = factsOfStore(5);
	expect(facts).toHaveLength(7);
	expect(refusingFact(facts, { registry: 'store', repository: 'a' }, 'sparse')).toMatchObject({
		basis: 'stated',
	});
});

describe('in words', () => {
	it('what nobody knows is found at the first index push, before any tag', () => {
		const lines = capabilityLines([], place);
		expect(lines).toHaveLength(7);
		expect(lines.find(({ about }) => about === 'sparse')).toEqual({
			about: 'sparse',
			what: 'sparse indexes',
			answer: 'not known',
			evidence: 'Found at the first index push, before any tag.',
			checkedAt: undefined,
		});
	});

	it('every answer has its evidence and its day, and what is believed is called so', () => {
		const facts = [fact(), fact({ about: 'mount', answer: 'yes', basis: 'kind' })];
		const text = capabilityText(facts, [place, place]).join('\n');
		expect(text).toContain('sparse indexes: no. It says so. (1970-01-01)');
		expect(text).toContain('mounting blobs: probably.');
		expect(text.match(/What registry\.test/g)).toHaveLength(1);
	});
});
