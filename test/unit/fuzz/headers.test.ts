import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkRange, requestedRange } from '../../../proxy/store/byte-range.ts';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import { uploadUrl } from '../../../proxy/upstream/upload-location.ts';
import { bareMediaType, layerCompression } from '../../../shared/oci/media-type.ts';
import { tokenScope, widerScope } from '../../../shared/registry/access.ts';
import { parseChallenges } from '../../../shared/registry/challenge.ts';
import {
	manifestRequest,
	problemFrom,
	retryAfterMs,
} from '../../../shared/registry/distribution.ts';
import { nextLink } from '../../../shared/registry/link-header.ts';
import { problemSchema } from '../../../shared/registry/problem.ts';
import { damagedText, expectTyped, hostileText, runs } from '../../support/arbitraries.ts';
import { expectLinear } from './growth.ts';

const day = 24 * 60 * 60 * 1000;

describe('WWW-Authenticate', () => {
	const challenge = fc.constant(
		'Basic realm="a", Bearer realm="https://auth.test/token",service="quay.io",scope="repository:a/b:pull,push" error="x\\"y"',
	);

	it('of anybody gives challenges with a realm to go to, and never throws', () => {
		fc.assert(
			fc.property(fc.oneof(damagedText(challenge), hostileText), (header) => {
				for (const each of parseChallenges(header)) {
					expect(['basic', 'bearer']).toContain(each.scheme);
					if (each.scheme === 'bearer') expect(each.realm).not.toBe('');
				}
			}),
			runs(1000),
		);
	});

	it('gives back what was quoted in it', () => {
		// A line break cannot be in a header.
		const value = hostileText.filter((text) => text !== '' && !/[\r\n\u2028\u2029]/.test(text));
		fc.assert(
			fc.property(value, (realm) => {
				const quoted = realm.replace(/["\\]/g, String.raw`\$&`);
				expect(parseChallenges(`Bearer realm="${quoted}"`)).toEqual([{ scheme: 'bearer', realm }]);
			}),
			runs(1000),
		);
	});

	it.each([
		['quotes', (n: number) => `Bearer realm=${'"'.repeat(n)}`],
		['open strings', (n: number) => `Bearer ${'a="'.repeat(n)}`],
		['backslashes', (n: number) => `Bearer realm="${'\\'.repeat(n)}`],
		['blanks', (n: number) => `Bearer${' '.repeat(n)}=`],
		['commas', (n: number) => `Bearer ${', '.repeat(n)}`],
		['schemes', (n: number) => 'Bearer '.repeat(n)],
		['parameters', (n: number) => `Bearer ${'a=b,'.repeat(n)}`],
	])('is read in linear time with very many %s', (_, make) => {
		expectLinear(make, parseChallenges, 20_000);
	});

	it('widens a scope for nothing but the repositories that are written to', () => {
		const asked = fc.oneof(
			damagedText(fc.constant('repository:a/b:pull,push repository:c/d:pull')),
			hostileText,
		);
		fc.assert(
			fc.property(asked, (scope) => {
				const wider = widerScope('a/b', { action: 'push', mountFrom: 'c/d' }, scope);
				if (wider === undefined) return;
				expect(wider).toMatch(/^(?:(?:repository:a\/b:[a-z*,]+|repository:c\/d:pull)(?: |$))+$/);
			}),
			runs(1000),
		);
		expect(tokenScope('a/b', { action: 'pull' })).toBe('repository:a/b:pull');
	});
});

describe('Link', () => {
	const link = fc.constant('</v2/a/tags/list?last=b&n=2>; rel="next", <https://x.test/>; rel=prev');

	it('of anybody leads to one target or to none', () => {
		fc.assert(
			fc.property(fc.oneof(damagedText(link), hostileText), (header) => {
				const target = nextLink(header);
				if (target !== undefined) expect(header).toContain(`<${target}>`);
			}),
			runs(1000),
		);
	});

	it.each([
		['openings', (n: number) => '<'.repeat(n)],
		['targets', (n: number) => '<a>'.repeat(n)],
		['parameters', (n: number) => `<a>${'; rel'.repeat(n)}`],
		['blanks', (n: number) => `<a>;${' '.repeat(n)}rel${' '.repeat(n)}`],
		['semicolons', (n: number) => `<a>${';'.repeat(n)}`],
	])('is read in linear time with very many %s', (_, make) => {
		expectLinear(make, nextLink, 20_000);
	});
});

describe('Location', () => {
	const endpoint = endpointOf('registry.test', []);
	const asked = new URL('https://registry.test/v2/a/blobs/uploads/');
	const location = fc.oneof(
		damagedText(fc.constant('https://registry.test/v2/a/blobs/uploads/1?_state=x')),
		damagedText(fc.constant('registry.test:443/v2/a')),
		hostileText,
	);

	it('of anybody is an address with TLS and without a login, or is refused', () => {
		fc.assert(
			fc.property(location, (text) => {
				const url = expectTyped(() => uploadUrl(text, asked, endpoint));
				if (!(url instanceof URL)) return;
				expect([url.protocol, url.username, url.password, url.hash]).toEqual([
					'https:',
					'',
					'',
					'',
				]);
			}),
			runs(1000),
		);
	});

	it.each([
		['dots', (n: number) => 'a.'.repeat(n)],
		['dashes', (n: number) => `${'a-'.repeat(n)}:`],
		['colons', (n: number) => `[${':'.repeat(n)}`],
	])('is read in linear time with very many %s', (_, make) => {
		expectLinear(make, (text) => expectTyped(() => uploadUrl(text, asked, endpoint)), 20_000);
	});
});

describe('Retry-After', () => {
	it('of anybody is a time of a day at most', () => {
		const header = fc.oneof(
			fc.bigInt().map(String),
			damagedText(fc.constant('Wed, 21 Oct 2026 07:28:00 GMT')),
			fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
			hostileText,
		);
		fc.assert(
			fc.property(header, fc.nat(), (text, now) => {
				const ms = retryAfterMs(text, now);
				if (ms === undefined) return;
				expect(ms).toBeGreaterThanOrEqual(0);
				expect(ms).toBeLessThanOrEqual(day);
			}),
			runs(1000),
		);
	});

	it('is read in linear time', () => {
		expectLinear(
			(n) => `${' '.repeat(n)}1${' '.repeat(n)}x`,
			(text) => retryAfterMs(text, 0),
			20_000,
		);
	});
});

describe('Range and Content-Range', () => {
	it('of anybody are inside of what there is, or are none', () => {
		const range = fc.oneof(
			fc.tuple(fc.bigInt(), fc.bigInt()).map(([from, to]) => `bytes=${from}-${to}`),
			fc.tuple(fc.nat(100), fc.nat(100)).map(([from, to]) => `${from}-${to}`),
			damagedText(fc.constant('bytes=0-9')),
			hostileText,
		);
		fc.assert(
			fc.property(range, fc.nat(50), (header, sizeBytes) => {
				const chunk = chunkRange(header);
				if (chunk) {
					expect(chunk.start).toBeGreaterThanOrEqual(0);
					expect(chunk.end).toBeGreaterThan(chunk.start);
					expect(Number.isSafeInteger(chunk.end)).toBe(true);
				}
				const asked = requestedRange(header, sizeBytes);
				if (typeof asked !== 'object') return;
				expect(asked.start).toBeGreaterThanOrEqual(0);
				expect(asked.end).toBeLessThanOrEqual(sizeBytes);
				expect(asked.start).toBeLessThan(asked.end);
			}),
			runs(1000),
		);
	});
});

describe('a refusal', () => {
	const request = manifestRequest({ registry: 'quay.io', repository: 'a/b', tag: '1' });
	const write = { ...request, method: 'PUT' as const, access: { action: 'push' as const } };
	const body = fc.oneof(
		damagedText(
			fc.constant(
				'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no","detail":{"Tag":"1"}},{"code":"DENIED"}]}',
			),
		),
		fc.jsonValue().map((errors) => JSON.stringify({ errors })),
		fc.constantFrom(
			'{"errors":[null]}',
			'{"errors":{"length":1}}',
			'{"errors":"ab"}',
			'null',
			'[]',
		),
		fc
			.nat(4000)
			.map(
				(depth) => `{"errors":[{"code":"A","detail":${'['.repeat(depth)}${']'.repeat(depth)}}]}`,
			),
		hostileText,
	);

	it('of anybody becomes a problem that says nothing of a login and steers no terminal', () => {
		const secret = 'dG9wLXNlY3JldA';
		fc.assert(
			fc.property(
				body,
				hostileText,
				fc.integer({ min: 400, max: 599 }),
				fc.constantFrom(request, write),
				(text, header, status, asked) => {
					const headers = { 'x-request-id': `${header}${secret}`, 'retry-after': header };
					const answer = { status, headers, body: text.replace('no', secret), secrets: [secret] };
					const problem = problemFrom(asked, 'quay.io', answer, 0);
					expect(problemSchema.safeParse(problem).success).toBe(true);
					const shown = [problem.reason, problem.upstreamCode, problem.requestId].join(' ');
					expect(shown).not.toContain(secret);
					expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
				},
			),
			runs(1000),
		);
	});

	it.each([
		['logins', (n: number) => 'Basic '.repeat(n)],
		['blanks', (n: number) => `Bearer${' '.repeat(n)}`],
		['controls', (n: number) => '\u0001a'.repeat(n)],
	])('is read in linear time with very many %s', (_, make) => {
		const read = (message: string) => {
			const answer = { status: 404, headers: {}, body: JSON.stringify({ errors: [{ message }] }) };
			return problemFrom(request, 'quay.io', answer, 0);
		};
		expectLinear(make, read, 10_000);
	});
});

describe('Content-Type', () => {
	it('of anybody is a bare type', () => {
		fc.assert(
			fc.property(hostileText, (header) => {
				expect(bareMediaType(header)).not.toContain(';');
				layerCompression(header);
			}),
			runs(500),
		);
	});
});
