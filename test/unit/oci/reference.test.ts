import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatReference, parseReference } from '../../../shared/oci/reference.ts';

const sha = `sha256:${'a'.repeat(64)}`;

describe('parseReference', () => {
	it.each([
		['alpine', 'docker.io/library/alpine'],
		['docker.io/alpine:3', 'docker.io/library/alpine:3'],
		['index.docker.io/acme/app', 'docker.io/acme/app'],
		['acme/app:1', 'docker.io/acme/app:1'],
		[
			'quay.io/openshift-release-dev/ocp-release:4.20.0-multi',
			'quay.io/openshift-release-dev/ocp-release:4.20.0-multi',
		],
		['localhost:5000/a/b', 'localhost:5000/a/b'],
		['[::1]:5000/a', '[::1]:5000/a'],
		['QUAY.io/a/b', 'quay.io/a/b'],
		['store/demo/release:1', 'store/demo/release:1'],
		[`  docker://quay.io/a/b:t@${sha} `, `quay.io/a/b:t@${sha}`],
	])('reads %s', (text, expected) => {
		const parsed = parseReference(text);
		expect(parsed.ok && formatReference(parsed.reference)).toBe(expected);
	});

	it.each([
		['', /nothing here/],
		['https://quay.io/a/b', /web address/],
		['quay.io/a/b:-t', /not a tag/],
		['quay.io/a/b@sha256:abc', /not a digest/],
		[`quay.io/a/b@sha256:${'A'.repeat(64)}`, /cannot|can be verified/],
		[`quay.io/a/b@blake3:${'a'.repeat(64)}`, /can be verified/],
		['quay.io/../etc', /not a repository/],
		['quay.io/a//b', /not a repository/],
		['quay.io/a%2fb', /not a repository/],
		['quay.io/a\r\nb', /not a repository/],
		['quay.io:99999/a', /not a registry/],
		['user:pass@quay.io/a', /not a digest/],
	])('refuses %j', (text, reason) => {
		const parsed = parseReference(text);
		expect(parsed.ok ? formatReference(parsed.reference) : parsed.reason).toMatch(reason);
	});

	it('gives back what it prints', () => {
		const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,4})?$/);
		const arbitrary = fc.record({
			registry: fc.constantFrom('quay.io', 'localhost:5000', 'docker.io', 'store'),
			parts: fc.array(part, { minLength: 2, maxLength: 4 }),
			tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined }),
		});
		fc.assert(
			fc.property(arbitrary, ({ registry, parts, tag }) => {
				const text = `${registry}/${parts.join('/')}${tag ? `:${tag}` : ''}`;
				const parsed = parseReference(text);
				expect(parsed.ok && formatReference(parsed.reference)).toBe(text);
			}),
		);
	});

	it('never throws and stays fast, whatever it is given', () => {
		fc.assert(fc.property(fc.string({ maxLength: 5000 }), (text) => void parseReference(text)));
		expect(parseReference(`quay.io/${'a-'.repeat(20_000)}!`).ok).toBe(false);
	});
});
