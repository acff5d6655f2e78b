import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../../shared/registry/challenge.ts';

describe('parseChallenges', () => {
	it.each([
		['Basic realm="x"', [{ scheme: 'basic', realm: 'x' }]],
		['basic', [{ scheme: 'basic', realm: '' }]],
		[
			'Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"',
			[
				{
					scheme: 'bearer',
					realm: 'https://a/t',
					service: 's',
					scope: 'repository:a/b:pull,push',
				},
			],
		],
		[
			'Negotiate, BEARER realm = https://a , Basic realm="a, b"',
			[
				{ scheme: 'bearer', realm: 'https://a' },
				{ scheme: 'basic', realm: 'a, b' },
			],
		],
		[
			'Bearer realm="a\\"b",error="insufficient_scope"',
			[{ scheme: 'bearer', realm: 'a"b', error: 'insufficient_scope' }],
		],
		['Bearer service="s"', []],
		['Digest realm="x", nonce="y"', []],
		['', []],
		['="x"', []],
		['Bearer realm="unclosed', []],
	])('reads %s', (header, expected) => {
		expect(parseChallenges(header)).toEqual(expected);
	});

	it('never throws', () => {
		const pieces = fc.constantFrom('Bearer', 'realm', '=', '"', '\\', ',', ' ', 'x', '\u0000', 'é');
		const header = fc.array(pieces, { maxLength: 200 }).map((list) => list.join(''));
		fc.assert(fc.property(fc.oneof(header, fc.string()), (text) => void parseChallenges(text)));
	});

	it.each(['"', '\\', 'a="', 'a="\\', 'a ', 'a=', ',', ' ', 'a="b",', '\t\n'])(
		'takes time in proportion to a header of many %j',
		(piece) => {
			expect(steps(piece.repeat(20_000))).toBeLessThan(2_000);
		},
	);
});

/** Milliseconds; generous, as only quadratic time (minutes) must fail. */
function steps(header: string): number {
	const before = performance.now();
	parseChallenges(`Bearer ${header}`);
	return performance.now() - before;
}
