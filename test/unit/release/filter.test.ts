import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assessCoverage, statuses, type Coverage } from '../../../shared/release/coverage.ts';
import {
	applyFilter,
	filteredStatuses,
	matchesGlob,
	parseFilter,
	toggleStatus,
} from '../../../shared/release/filter.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';

/** aws: arm64 is a placeholder; cli: arm64 is missing; etcd and pod are built. */
async function coverageOfFour(): Promise<Coverage> {
	const maker = new ReleaseMaker();
	const pods = maker.addBuilt('pod');
	maker.add('aws-driver', [entryOf(maker.image('aws', linux('amd64'))), entryOf(pods[1]!)]);
	maker.add('cli', [entryOf(maker.image('cli', linux('amd64')))]);
	maker.addBuilt('etcd');
	await maker.finish();
	return assessCoverage(await maker.read());
}
const four = await coverageOfFour();

function shown(text: string): string {
	const parsed = parseFilter(text);
	if (!parsed.ok) return parsed.reason;
	return applyFilter(parsed.filter, four.components)
		.map(({ component }) => component.name)
		.join(' ');
}

describe('a filter', () => {
	it.each([
		['', 'pod aws-driver cli etcd'],
		['   ', 'pod aws-driver cli etcd'],
		['c', 'cli etcd'],
		['ETCD', 'etcd'],
		['c d', 'etcd'],
		['"aws-driver"', 'aws-driver'],
		['pod,cli', 'pod cli'],
		['-c', 'pod aws-driver'],
		['name:cli', 'cli'],
		['name:c', ''],
		['name:*c*', 'cli etcd'],
		['name:aws-*,etcd', 'aws-driver etcd'],
		['-name:*d*', 'cli'],
		['status:placeholder', 'aws-driver'],
		['status:placeholder,missing', 'aws-driver cli'],
		['status:built', 'pod aws-driver cli etcd'],
		['-status:built', 'aws-driver cli'],
		['status:built arch:arm64', 'pod etcd'],
		['arch:linux/arm64 -status:built', 'aws-driver cli'],
		['arch:aarch64 status:missing', 'cli'],
		['arch:s390x', ''],
		['-arch:arm64 status:missing', ''],
		['status:missing name:cli', 'cli'],
		['status:missing etcd', ''],
		['STATUS:missing', 'cli'],
		['digest:sha256:', 'pod aws-driver cli etcd'],
	])('%j shows %j', (text, names) => {
		expect(shown(text)).toBe(names);
	});

	it('finds a component by the digest of its index or of a child', () => {
		const cli = four.components.find(({ component }) => component.name === 'cli')!;
		const digests = [cli.root.kind === 'read' ? cli.root.digest : '', cli.images[0]!.digest];
		expect(digests.map((digest) => shown(`digest:${digest.slice(0, 30)}`))).toEqual(['cli', 'cli']);
	});

	it.each([
		['status:okay', 0, 11, /“okay” is not a status\. There are broken, /],
		['etcd status:built,gone x', 5, 22, /“gone” is not a status/],
		['size:1', 0, 6, /“size:” is not known here/],
		['etcd -colour:red', 5, 16, /“colour:” is not known here/],
		['name:,', 0, 6, /Something is missing after “name:,”/],
		['arch:a/b/c/d', 0, 12, /“a\/b\/c\/d” is not a platform/],
		['status:""', 0, 9, /“” is not a status/],
	])('%j is refused, with the place of what was not understood', (text, from, to, reason) => {
		expect(parseFilter(text)).toEqual({
			ok: false,
			from,
			to,
			reason: expect.stringMatching(reason) as string,
		});
	});

	const pieces = fc.constantFrom(
		...[
			'status:',
			'built',
			'missing',
			'name:',
			'arch:',
			'arm64',
			',',
			' ',
			'-',
			'"',
			'*',
			':',
			'é',
		],
	);
	const text = fc.oneof(
		fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join('')),
		fc.string({ unit: 'binary', maxLength: 60 }),
	);

	it('is read or refused within its text, and never throws', () => {
		fc.assert(
			fc.property(text, (query) => {
				const parsed = parseFilter(query);
				if (parsed.ok) applyFilter(parsed.filter, four.components);
				else {
					expect(parsed.from).toBeLessThan(parsed.to);
					expect(parsed.to).toBeLessThanOrEqual(query.length);
				}
			}),
		);
	});

	it.each(['a', '-', '"', ':', '*', ' ', 'name:', 'a,', '-a:"'])(
		'takes time in proportion to a text of many %j',
		(piece) => {
			const before = performance.now();
			const parsed = parseFilter(piece.repeat(20_000));
			if (parsed.ok) applyFilter(parsed.filter, four.components);
			expect(performance.now() - before).toBeLessThan(2_000);
		},
	);
});

describe('switching a status', () => {
	const status = fc.constantFrom(...statuses);

	it.each([
		['', 'missing', 'status:missing'],
		['etcd', 'missing', 'etcd status:missing'],
		['status:missing etcd', 'broken', 'etcd status:broken,missing'],
		['status:broken,missing etcd', 'broken', 'etcd status:missing'],
		['status:missing', 'missing', ''],
		['-status:built', 'missing', '-status:built status:missing'],
		['status:missing status:broken', 'missing', 'status:broken'],
	] as const)('in %j: %s gives %j', (before, toggled, after) => {
		expect(toggleStatus(before, toggled)).toBe(after);
	});

	it('twice shows the same rows again', () => {
		const words = fc.constantFrom('etcd', 'name:a*', '-cli', 'arch:arm64', 'status:missing,built');
		const query = fc.array(words, { maxLength: 5 }).map((parts) => parts.join(' '));
		fc.assert(
			fc.property(query, status, (before, toggled) => {
				const once = toggleStatus(before, toggled);
				expect(filteredStatuses(once).has(toggled)).toBe(!filteredStatuses(before).has(toggled));
				const twice = toggleStatus(once, toggled);
				expect(filteredStatuses(twice)).toEqual(filteredStatuses(before));
			}),
		);
	});
});

describe('a glob', () => {
	const glob = fc.stringMatching(/^[ab*]{0,8}$/);
	const name = fc.stringMatching(/^[ab]{0,10}$/);

	/** Character by character, exponential. */
	function oracle(pattern: string, word: string): boolean {
		if (pattern === '') return word === '';
		if (pattern.startsWith('*')) {
			return oracle(pattern.slice(1), word) || (word !== '' && oracle(pattern, word.slice(1)));
		}
		return word.startsWith(pattern.charAt(0)) && oracle(pattern.slice(1), word.slice(1));
	}

	it('matches as its definition says', () => {
		fc.assert(
			fc.property(glob, name, (pattern, word) => {
				expect(matchesGlob(pattern, word)).toBe(oracle(pattern, word));
			}),
			{ numRuns: 2_000 },
		);
	});

	it('takes characters that mean something elsewhere for themselves', () => {
		expect(matchesGlob('a.b', 'axb')).toBe(false);
		expect(matchesGlob('[a]*', '[a](b)')).toBe(true);
	});
});
