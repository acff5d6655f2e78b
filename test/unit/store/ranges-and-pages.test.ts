import { describe, expect, it } from 'vitest';
import { chunkRange, requestedRange } from '../../../proxy/store/byte-range.ts';
import { pageOf } from '../../../proxy/store/paging.ts';

describe('requestedRange', () => {
	it.each([
		['bytes=0-0', { start: 0, end: 1 }],
		['bytes=2-5', { start: 2, end: 6 }],
		['bytes=2-', { start: 2, end: 10 }],
		['bytes=2-99', { start: 2, end: 10 }],
		['bytes=-3', { start: 7, end: 10 }],
		['bytes=-99', { start: 0, end: 10 }],
		['Bytes=0-1', { start: 0, end: 2 }],
		['bytes=10-', 'unsatisfiable'],
		['bytes=10-12', 'unsatisfiable'],
		['bytes=-0', 'unsatisfiable'],
		['bytes=5-2', undefined],
		['bytes=-', undefined],
		['bytes=0-1,4-5', undefined],
		['items=0-1', undefined],
		['bytes=a-b', undefined],
		[null, undefined],
	])('reads %j of ten bytes as %j', (header, range) => {
		expect(requestedRange(header, 10)).toEqual(range);
	});

	it('satisfies nothing of an empty blob', () => {
		expect(requestedRange('bytes=0-', 0)).toBe('unsatisfiable');
		expect(requestedRange('bytes=-1', 0)).toBe('unsatisfiable');
	});
});

describe('chunkRange', () => {
	it.each([
		['0-9', { start: 0, end: 10 }],
		['bytes 5-5/*', { start: 5, end: 6 }],
		['5-9/10', { start: 5, end: 10 }],
		['9-5', undefined],
		['5-', undefined],
		['-5', undefined],
		['0-99999999999999999', undefined],
		['', undefined],
	])('reads %j as %j', (header, range) => expect(chunkRange(header)).toEqual(range));
});

describe('pageOf', () => {
	const all = ['a', 'b', 'c', 'd'];
	const page = (query: string) => pageOf(all, new URL(`http://store/v2/x/tags/list${query}`));

	it.each([
		['', all, undefined],
		['?n=4', all, undefined],
		['?n=9', all, undefined],
		['?n=0', [], undefined],
		['?n=2', ['a', 'b'], '</v2/x/tags/list?n=2&last=b>; rel="next"'],
		['?n=2&last=b', ['c', 'd'], undefined],
		['?last=bb', ['c', 'd'], undefined],
		['?n=1&last=0', ['a'], '</v2/x/tags/list?n=1&last=a>; rel="next"'],
		['?n=1&last=zz', [], undefined],
	])('gives for %j the items %j', (query, items, link) => {
		expect(page(query)).toEqual({ items, link });
	});

	it.each(['?n=', '?n=-1', '?n=1.5', '?n=many', '?n=99999999999'])('refuses %j', (query) => {
		expect(() => page(query)).toThrow(/not a number/);
	});
});
