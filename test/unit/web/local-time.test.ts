import { expect, it } from 'vitest';
import { localTime } from '../../../web/ui/local-time.ts';

it('has a time for machines and one for people', () => {
	const time = localTime('2026-02-03T04:05:06.000Z');
	expect(time?.iso).toBe('2026-02-03T04:05:06.000Z');
	expect(time?.text).toMatch(/2026/);
	expect(localTime(Date.UTC(2026, 1, 3, 4, 5, 6))).toEqual(time);
});

it.each(['', 'yesterday', Number.NaN])('is nothing for %o', (text) => {
	expect(localTime(text)).toBeUndefined();
});
