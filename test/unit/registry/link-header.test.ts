import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextLink } from '../../../shared/registry/link-header.ts';

describe('nextLink', () => {
	it.each([
		['</v2/a/tags/list?last=x&n=1>; rel="next"', '/v2/a/tags/list?last=x&n=1'],
		['</a>; rel=next', '/a'],
		['</p>; rel="prev", </n>; title="x"; rel="next"', '/n'],
		['<https://evil.test/a>; REL="NEXT"', 'https://evil.test/a'],
		['</a>; rel="prev"', undefined],
		['</a>', undefined],
		['/a; rel="next"', undefined],
		['', undefined],
	])('reads %s', (header, expected) => {
		expect(nextLink(header)).toBe(expected);
	});

	it('never throws', () => {
		const pieces = fc.constantFrom(
			'<',
			'>',
			';',
			'rel',
			'=',
			'"',
			'next',
			',',
			' ',
			'/a',
			'\u0000',
		);
		const header = fc.array(pieces, { maxLength: 200 }).map((list) => list.join(''));
		fc.assert(fc.property(fc.oneof(header, fc.string()), (text) => void nextLink(text)));
	});

	it.each(['<', '>', '<>', '<>;', ' ', '; ', '<>; rel', '<>; rel =', '<a'])(
		'takes time in proportion to a header of many %j',
		(piece) => {
			const before = performance.now();
			nextLink(`<${piece.repeat(20_000)}`);
			expect(performance.now() - before).toBeLessThan(2_000);
		},
	);
});
