import { describe, expect, it } from 'vitest';
import { formatEntry, parseEntry } from '../../../shared/link/entry.ts';
import { parseProxyAddress } from '../../../shared/link/proxy-address.ts';

const elsewhere = [
	'',
	'http://',
	'4763',
	'https://127.0.0.1:4763',
	'http://127.0.0.2:4763',
	'http://127.0.0.1.evil.test:4763',
	'http://127.0.0.1@evil.test',
	'http://evil.test#127.0.0.1',
	'http://localhost.evil.test',
	'http://user@localhost:4763',
	'http://localhost:65536',
	'http://localhost:123456',
	'http://localhost:4763/path',
	'http://localhost:4763/?query',
	'http://[::1]:4763',
	'http://0.0.0.0:4763',
	'javascript:localhost',
];

describe('the address of a proxy', () => {
	it.each([
		['http://127.0.0.1:4763', 'http://127.0.0.1:4763'],
		['http://localhost:4763/', 'http://localhost:4763'],
		[' LOCALHOST:4763 ', 'http://localhost:4763'],
		['127.0.0.1', 'http://127.0.0.1'],
		['http://localhost:80', 'http://localhost'],
	])('%j', (text, origin) => {
		expect(parseProxyAddress(text)).toBe(origin);
	});

	it.each(elsewhere)('is always of this computer, not %j', (text) => {
		expect(parseProxyAddress(text)).toBeUndefined();
	});

	it('goes along in an entry link', () => {
		const entry = { token: 'T', proxy: 'http://127.0.0.1:4763', to: '#/release?ref=a' };
		const fragment = formatEntry(entry);
		expect(fragment).toBe('#t=T&proxy=http://127.0.0.1:4763&to=%23%2Frelease%3Fref%3Da');
		expect(parseEntry(fragment)).toEqual(entry);
		expect(parseEntry('#c=C&proxy=http://localhost:1')).toEqual({
			code: 'C',
			proxy: 'http://localhost:1',
			to: '#/',
		});
	});

	it.each(elsewhere)('is left out of an entry link that names %j', (text) => {
		expect(parseEntry(`#t=T&proxy=${encodeURIComponent(text)}`)).toEqual({ token: 'T', to: '#/' });
	});
});
