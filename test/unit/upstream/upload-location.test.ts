import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import { completionUrl, uploadUrl } from '../../../proxy/upstream/upload-location.ts';
import { tokenScope, widerScope } from '../../../shared/registry/access.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { sha256 } from '../../support/push.ts';

const secure = endpointOf('registry.test', []);
const withPort = endpointOf('registry.test:8443', []);
const plain = endpointOf('127.0.0.1:5000', []);

function urlOf(location: string, endpoint = secure): string {
	const asked = new URL('/v2/a/b/blobs/uploads/', endpoint.origin);
	try {
		return uploadUrl(location, asked, endpoint).href;
	} catch (error) {
		return problemOf(error).code;
	}
}

describe('where an upload goes', () => {
	it.each([
		['https://registry.test/x?y=1#z', secure, 'https://registry.test/x?y=1'],
		['https://registry.test:443/x', secure, 'https://registry.test/x'],
		['registry.test/v2/x', secure, 'https://registry.test/v2/x'],
		['registry.test:8443/v2/x', withPort, 'https://registry.test:8443/v2/x'],
		['127.0.0.1:5000/v2/x', plain, 'http://127.0.0.1:5000/v2/x'],
		['box:5000/v2/x', plain, 'http://box:5000/v2/x'],
		['5f1c-uuid?_state=a', secure, 'https://registry.test/v2/a/b/blobs/uploads/5f1c-uuid?_state=a'],
		['//store.test/x', secure, 'https://store.test/x'],
		['https://store.test/x', secure, 'https://store.test/x'],
	])('is, for the Location %s', (location, endpoint, expected) => {
		expect(urlOf(location, endpoint)).toBe(expected);
	});

	it.each([
		['http://registry.test/x?y', secure, 'https://registry.test/x?y'],
		['http://registry.test/x', withPort, 'https://registry.test:8443/x'],
		['http://registry.test:8443/x', withPort, 'https://registry.test:8443/x'],
	])(
		'stays with TLS where the registry itself forgot about it: %s',
		(location, endpoint, expected) => {
			expect(urlOf(location, endpoint)).toBe(expected);
		},
	);

	it.each([
		['http://store.test/x', 'redirect-refused'],
		['http://registry.test:80', 'https://registry.test/'],
		['http://registry.test:8080/x', 'redirect-refused'],
		['http://registry.test.evil.test/x', 'redirect-refused'],
		['https://me@registry.test/x', 'redirect-refused'],
		['javascript:alert(1)', 'redirect-refused'],
		['http://', 'malformed'],
		['', 'malformed'],
	])('is nowhere else: %s', (location, expected) => {
		expect(urlOf(location)).toBe(expected);
	});

	it('keeps the query of the registry as it is, and adds the digest', () => {
		const digest = sha256(new Uint8Array());
		const upload = new URL('https://registry.test/x?_state=a%2Fb%3D%3D&y=+');
		expect(completionUrl(upload, digest).href).toBe(
			`https://registry.test/x?_state=a%2Fb%3D%3D&y=+&digest=${encodeURIComponent(digest)}`,
		);
	});
});

describe('the scope of a token', () => {
	it.each([
		['', { action: 'pull' }, 'registry:catalog:*'],
		['a/b', { action: 'pull' }, 'repository:a/b:pull'],
		['a/b', { action: 'push' }, 'repository:a/b:pull,push'],
		['a/b', { action: 'delete' }, 'repository:a/b:pull,push,delete'],
		['a/b', { action: 'push', mountFrom: 'c' }, 'repository:a/b:pull,push repository:c:pull'],
	] as const)('for %j and %j', (repository, access, expected) => {
		expect(tokenScope(repository, access)).toBe(expected);
	});

	it.each([
		[{ action: 'push' }, 'repository:a/b:*', 'repository:a/b:*'],
		[{ action: 'push', mountFrom: 'c' }, 'repository:a/b:push repository:c:pull', undefined],
		[{ action: 'pull' }, 'repository:a/b:pull,push', ''],
		[{ action: 'push' }, 'repository:a/bc:push', ''],
		[{ action: 'push' }, 'repository:a/b:push registry:catalog:*', ''],
		[{ action: 'push', mountFrom: 'c' }, 'repository:c:push', ''],
		[{ action: 'push' }, '', ''],
	] as const)('may be widened for %j to %j, or not', (access, asked, expected) => {
		const scope = widerScope('a/b', access, asked);
		expect(scope ?? '').toBe(expected ?? asked);
	});
});
