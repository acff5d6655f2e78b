import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatEntry, parseEntry } from '../../../shared/link/entry.ts';
import { formatRoute } from '../../../shared/link/route.ts';

const token = 'Ab9-_'.repeat(8);

describe('an entry link', () => {
	it('carries the token alone where it leads home', () => {
		expect(formatEntry({ token, to: '#/' })).toBe(`#t=${token}`);
		expect(parseEntry(`#t=${token}`)).toEqual({ token, to: '#/' });
	});

	it('leads to the very view that it was made for', () => {
		fc.assert(
			fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (q) => {
				const to = formatRoute({ view: 'release', params: { ref: 'a/b:1', q } });
				expect(parseEntry(formatEntry({ token, to }))).toEqual({ token, to });
			}),
		);
	});

	it('says where the user named what it leads to', () => {
		const entry = { code: token, to: '#/release?ref=r.test/a:1', isNamed: true } as const;
		expect(formatEntry(entry)).toBe(`#c=${token}&named=1&to=%23%2Frelease%3Fref%3Dr.test%2Fa%3A1`);
		expect(parseEntry(formatEntry(entry))).toEqual(entry);
		expect(parseEntry(`#t=${token}&named=yes&to=%23%2Fx`)).not.toHaveProperty('isNamed');
	});

	it.each(['', '#', '#/', '#/release?ref=a&t=x', '#to=/x&t=x', 't=x', '#T=x'])(
		'is not %j',
		(fragment) => {
			expect(parseEntry(fragment)).toBeUndefined();
		},
	);

	it.each(['https://evil.test/', '//evil.test', '/x', '#x', 'javascript:alert(1)', ''])(
		'never leads out of the page, to %j',
		(to) => {
			expect(parseEntry(`#t=${token}&to=${encodeURIComponent(to)}`)).toEqual({ token, to: '#/' });
		},
	);
});
