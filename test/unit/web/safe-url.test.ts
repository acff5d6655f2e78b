import { describe, expect, it } from 'vitest';
import { safeUrl } from '../../../web/ui/safe-url.ts';

describe('a link out of a document', () => {
	it.each([
		['https://github.com/openshift/etcd', 'https://github.com/openshift/etcd'],
		['http://example.com', 'http://example.com/'],
		['HTTPS://EXAMPLE.COM/A', 'https://example.com/A'],
	])('leads to %s', (value, url) => {
		expect(safeUrl(value)).toBe(url);
	});

	it.each([
		'javascript:alert(1)',
		'JAVASCRIPT:alert(1)',
		' \u0001javascript:alert(1)',
		'java\nscript:alert(1)',
		'data:text/html,<script>alert(1)</script>',
		'blob:https://example.com/x',
		'file:///etc/passwd',
		'vbscript:x',
		'//example.com',
		'/relative',
		'github.com/openshift',
		'',
		undefined,
		null,
		7,
		{ href: 'https://example.com' },
	])('is none where it is %j', (value) => {
		expect(safeUrl(value)).toBeUndefined();
	});
});
