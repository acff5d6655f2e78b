import { describe, expect, it } from 'vitest';
import { formatRepository, type Repository } from '../../../shared/oci/reference.ts';
import {
	copySources,
	joinNamedMirrors,
	mirrorFileNames,
	joinRules,
	readingPlaces,
	readPlace,
	type AskedBy,
	type Mirror,
	type MirrorRule,
} from '../../../shared/registry/mirror-rules.ts';

function rule(
	source: string,
	mirrors: readonly (string | Mirror)[],
	more: Partial<MirrorRule> = {},
): MirrorRule {
	return {
		source,
		location: source,
		mirrors: mirrors.map((mirror) =>
			typeof mirror === 'string' ? { location: mirror, pulls: 'all' } : mirror,
		),
		contactsSource: true,
		...more,
	};
}

function at(name: string): Repository {
	const [registry = '', ...path] = name.split('/');
	return { registry, repository: path.join('/') };
}

function places(rules: readonly MirrorRule[], name: string, by: AskedBy = 'digest') {
	return readingPlaces({ rules }, at(name), { by }).map(formatRepository);
}

const digestsOnly: Mirror = { location: 'mirror.local/d', pulls: 'digest' };
const tagsOnly: Mirror = { location: 'mirror.local/t', pulls: 'tag' };

describe('where something is read', () => {
	it.each<
		[string, { rules: readonly MirrorRule[]; asked: string; by?: AskedBy }, readonly string[]]
	>([
		[
			'is the place itself without a rule',
			{ rules: [], asked: 'quay.io/a/b', by: 'tag' },
			['quay.io/a/b'],
		],
		[
			'is the mirrors in their order, and then the source',
			{ rules: [rule('quay.io/a', ['m1.local/x', 'm2.local'])], asked: 'quay.io/a/b' },
			['m1.local/x/b', 'm2.local/b', 'quay.io/a/b'],
		],
		[
			'keeps the part of the path behind the source',
			{ rules: [rule('quay.io', ['m.local:5000/quay'])], asked: 'quay.io/a/b/c' },
			['m.local:5000/quay/a/b/c', 'quay.io/a/b/c'],
		],
		[
			'matches a repository as a whole',
			{ rules: [rule('quay.io/a/b', ['m.local/x'])], asked: 'quay.io/a/b' },
			['m.local/x', 'quay.io/a/b'],
		],
		[
			'does not end in the middle of a part of the path',
			{ rules: [rule('quay.io/ocp', ['m.local/x'])], asked: 'quay.io/ocp-release/y' },
			['quay.io/ocp-release/y'],
		],
		[
			'does not take a registry on another port for the same one',
			{ rules: [rule('quay.io', ['m.local'])], asked: 'quay.io:5000/a' },
			['quay.io:5000/a'],
		],
		[
			'is that of the longest source alone',
			{
				rules: [
					rule('quay.io', ['all.local']),
					rule('quay.io/a/b', ['b.local/x']),
					rule('quay.io/a', []),
				],
				asked: 'quay.io/a/b/c',
			},
			['b.local/x/c', 'quay.io/a/b/c'],
		],
		[
			'is asked by digest only where the mirror is for digests',
			{ rules: [rule('quay.io/a', [digestsOnly, tagsOnly])], asked: 'quay.io/a/b' },
			['mirror.local/d/b', 'quay.io/a/b'],
		],
		[
			'is asked by tag only where the mirror is for tags',
			{ rules: [rule('quay.io/a', [digestsOnly, tagsOnly])], asked: 'quay.io/a/b', by: 'tag' },
			['mirror.local/t/b', 'quay.io/a/b'],
		],
		[
			'is the mirrors alone where the source is not to be contacted',
			{
				rules: [rule('quay.io/a', ['m.local/x'], { contactsSource: false })],
				asked: 'quay.io/a/b',
			},
			['m.local/x/b'],
		],
		[
			'is nowhere where nothing stands in for what is not to be contacted',
			{
				rules: [rule('quay.io/a', [digestsOnly], { contactsSource: false })],
				asked: 'quay.io/a/b',
				by: 'tag',
			},
			[],
		],
		[
			'is never a mirror that is itself not to be contacted',
			{
				rules: [
					rule('quay.io/a', ['m.local/x', 'n.local/y']),
					rule('m.local', [], { contactsSource: false }),
				],
				asked: 'quay.io/a/b',
			},
			['n.local/y/b', 'quay.io/a/b'],
		],
		[
			'is every host below a domain with a wildcard, whatever its depth',
			{ rules: [rule('*.example.com', ['m.local/x'])], asked: 'a.b.example.com/c' },
			['m.local/x/c', 'a.b.example.com/c'],
		],
		[
			'is not the domain itself with a wildcard',
			{ rules: [rule('*.example.com', ['m.local/x'])], asked: 'example.com/c' },
			['example.com/c'],
		],
		[
			'prefers a name to a wildcard of the same length',
			{
				rules: [rule('*.example.com', ['wild.local']), rule('a.example.com', ['named.local'])],
				asked: 'a.example.com/c',
			},
			['named.local/c', 'a.example.com/c'],
		],
		[
			'is elsewhere than named where the rule gives the source a location',
			{
				rules: [rule('quay.io/a', ['m.local/x'], { location: 'inside.local/q' })],
				asked: 'quay.io/a/b',
			},
			['m.local/x/b', 'inside.local/q/b'],
		],
		[
			'leaves out what would be a registry without a repository',
			{ rules: [rule('quay.io/a/b', ['m.local', 'n.local/x'])], asked: 'quay.io/a/b' },
			['n.local/x', 'quay.io/a/b'],
		],
		[
			'is asked once where two names lead to it',
			{ rules: [rule('quay.io/a', ['quay.io/a', 'm.local/a', 'm.local/a'])], asked: 'quay.io/a/b' },
			['quay.io/a/b', 'm.local/a/b'],
		],
	])('%s', (_, { rules, asked, by }, expected) => {
		expect(places(rules, asked, by)).toEqual(expected);
	});

	it('is eight places at most, the source among them', () => {
		const many = Array.from({ length: 40 }, (_, number) => `m${number}.local`);
		const found = places([rule('quay.io', many)], 'quay.io/a');
		expect(found).toHaveLength(8);
		expect(found.at(-1)).toBe('quay.io/a');
	});

	it('is the mirror for tags too, for what hangs below a tag that was answered there', () => {
		const rules = { rules: [rule('quay.io/a', [tagsOnly])] };
		const found = readingPlaces(rules, at('quay.io/a/b'), {
			by: 'digest',
			answeredTag: ({ registry }) => registry === 'mirror.local',
		});
		expect(found.map(formatRepository)).toEqual(['mirror.local/t/b', 'quay.io/a/b']);
	});
});

describe('from where something is copied', () => {
	const rules = { rules: [rule('quay.io/a', ['m.local/x', tagsOnly])] };
	const from = (sources: readonly string[], to: string) =>
		copySources(rules, sources.map(at), at(to)).map(formatRepository);

	it('is the mirrors before the source, those for tags behind it', () => {
		expect(from(['quay.io/a/b', 'other.io/c'], 'target.io/t')).toEqual([
			'm.local/x/b',
			'quay.io/a/b',
			'mirror.local/t/b',
			'other.io/c',
		]);
	});

	it('is left as it is where the target itself is named, which is no place to copy from', () => {
		expect(from(['quay.io/a/b'], 'quay.io/a/b')).toEqual(['quay.io/a/b']);
	});

	it('is not the target, where that is a mirror of the source', () => {
		expect(from(['quay.io/a/b'], 'm.local/x/b')).toEqual(['quay.io/a/b', 'mirror.local/t/b']);
	});
});

describe('rules of several sets', () => {
	it('are one where they are for one source, and forbidding the source decides', () => {
		const joined = joinRules([
			rule('quay.io/a', [digestsOnly]),
			rule('quay.io/b', []),
			rule('quay.io/a', [{ location: 'mirror.local/d', pulls: 'tag' }, tagsOnly], {
				contactsSource: false,
			}),
		]);
		expect(joined).toEqual([
			rule('quay.io/a', [{ location: 'mirror.local/d', pulls: 'all' }, tagsOnly], {
				contactsSource: false,
			}),
			rule('quay.io/b', []),
		]);
	});

	it('have the names of all their files', () => {
		const one = { name: 'idms.yaml', rules: [rule('quay.io/a', ['m.local'])], notes: ['One.'] };
		const other = { name: 'itms.yaml', rules: [rule('quay.io/a', ['n.local'])], notes: [] };
		expect(joinNamedMirrors([])).toBeUndefined();
		expect(joinNamedMirrors([one, other])).toEqual({
			name: 'idms.yaml/itms.yaml',
			rules: [rule('quay.io/a', ['m.local', 'n.local'])],
			notes: ['One.'],
		});
	});
});

it('rules of several files name each of them, whatever is in the names', () => {
	const files = ['4.20+hotfix.yaml', 'site.yaml'].map((name) => ({ name, rules: [], notes: [] }));
	expect(files.map(mirrorFileNames)).toEqual([['4.20+hotfix.yaml'], ['site.yaml']]);
	const joined = joinNamedMirrors(files);
	expect(joined && mirrorFileNames(joined)).toEqual(['4.20+hotfix.yaml', 'site.yaml']);
});

describe('a place', () => {
	it.each([
		['quay.io', 'quay.io'],
		['Quay.IO/a/b', 'quay.io/a/b'],
		['m.local:5000/x/', 'm.local:5000/x'],
		['store/x', 'store/x'],
		['https://quay.io/a', undefined],
		['quay.io/a:tag', undefined],
		['quay.io/A', undefined],
		['', undefined],
		['m.local:99999', undefined],
	])('%j is read as %j', (text, expected) => {
		expect(readPlace(text)).toBe(expected);
	});
});
