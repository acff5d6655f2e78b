import { describe, expect, it } from 'vitest';
import { BoundedMap } from '../../../proxy/upstream/bounded-map.ts';

describe('a bounded map', () => {
	it('forgets what was set longest ago, and counts what is set again as new', () => {
		const map = new BoundedMap<string, number>(2);
		map.set('a', 1);
		map.set('b', 2);
		map.set('a', 3);
		map.set('c', 4);
		expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([3, undefined, 4, 2]);
	});

	it('forgets what it is told to, and stays within its bound for any number of keys', () => {
		const map = new BoundedMap<number, number>(100);
		for (let key = 0; key < 10_000; key += 1) map.set(key, key);
		expect(map.size).toBe(100);
		map.deleteWhere((value) => value % 2 === 0);
		map.delete(9_999);
		expect([map.size, map.get(9_998), map.get(9_999), map.get(9_997)]).toEqual([
			49,
			undefined,
			undefined,
			9_997,
		]);
	});
});
