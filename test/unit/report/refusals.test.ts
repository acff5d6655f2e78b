import { describe, expect, it } from 'vitest';
import type { Problem, ProblemCode } from '../../../shared/registry/problem.ts';
import { explain } from '../../../shared/report/explain.ts';
import { isAboutLogin, likelyMeaning } from '../../../shared/report/refusals.ts';

function refused(registry: string | undefined, code: ProblemCode): Problem {
	return { code, origin: 'registry', reason: 'It said no.', ...(registry && { registry }) };
}

describe('what a refusal most likely means', () => {
	it.each<[string, ProblemCode, RegExp]>([
		['docker.io', 'unauthorized', /^Docker Hub answers so for repositories that do not exist/],
		['docker.io', 'denied', /no member of that namespace/],
		['quay.io', 'unauthorized', /^Quay answers so for repositories that do not exist/],
		['quay.example.com:8443', 'unauthorized', /^Quay answers/],
		['ghcr.io', 'denied', /^GHCR answers so for packages that are private/],
		['ghcr.io', 'manifest-unknown', /^GHCR may answer so for private/],
		['public.ecr.aws', 'denied', /public ECR answers so for repositories that do not exist/],
		['123456789012.dkr.ecr.eu-central-1.amazonaws.com', 'denied', /login has run out/],
		['123456789012.dkr.ecr.eu-central-1.amazonaws.com', 'repository-unknown', /^Create the repo/],
		['123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn', 'unauthorized', /twelve hours/],
		['acme.jfrog.io', 'denied', /RTFACT-13797/],
		['artifactory.acme.test:8082', 'denied', /RTFACT-13797/],
		['europe-docker.pkg.dev', 'denied', /^Artifact Registry answers so for projects/],
		['eu.gcr.io', 'repository-unknown', /^Create the repository/],
		['acme.azurecr.io', 'unauthorized', /^Azure answers/],
		['harbor.acme.test', 'unauthorized', /^Harbor answers so for private projects/],
		['harbor.acme.test', 'repository-unknown', /projects are made before/],
		['registry.acme.test', 'unauthorized', /^Many registries answer so/],
		['127.0.0.1:5000', 'unauthorized', /^Many registries answer so/],
	])('at %s, of %s, is said', (registry, code, sentence) => {
		const problem = refused(registry, code);
		expect(likelyMeaning(problem)[0]).toMatch(sentence);
		const { why, remedies } = explain(problem);
		expect(why).toBe('It said no.');
		expect(remedies.filter((remedy) => sentence.test(remedy))).toHaveLength(1);
		expect(new Set(remedies).size).toBe(remedies.length);
	});

	it.each([
		'evil-ghcr.io',
		'ghcr.io.evil.test',
		'quay.io.evil.test',
		'docker.io.evil.test',
		'x.dkr.ecr.y.amazonaws.com.evil.test',
		'evilazurecr.io',
	])('is not taken from another registry for %s', (registry) => {
		const [first] = likelyMeaning(refused(registry, 'unauthorized'));
		if (registry.startsWith('quay.')) expect(first).toMatch(/^Quay/);
		else expect(first).toMatch(/^Many registries/);
	});

	it('is nothing where that is not known, or it is no refusal', () => {
		expect(likelyMeaning(refused('registry.acme.test', 'denied'))).toEqual([]);
		expect(likelyMeaning(refused('quay.io', 'timeout'))).toEqual([]);
		expect(likelyMeaning(refused(undefined, 'unauthorized'))).toHaveLength(1);
	});

	it('is found in time that grows with the name alone', () => {
		const registry = `${'a-'.repeat(5000)}.harbor.`.repeat(3);
		const begun = performance.now();
		likelyMeaning(refused(registry, 'unauthorized'));
		expect(performance.now() - begun).toBeLessThan(500);
	});
});

describe('a login', () => {
	it.each<ProblemCode>(['unauthorized', 'denied', 'repository-unknown', 'rate-limited'])(
		'may help where it is %s',
		(code) => {
			expect(isAboutLogin(refused('quay.io', code))).toBe(true);
		},
	);

	it.each<[string, Problem]>([
		['an image that is not there', refused('quay.io', 'manifest-unknown')],
		['the embedded registry', refused('store', 'repository-unknown')],
		['no registry at all', refused(undefined, 'unauthorized')],
		['limits of this server', { ...refused('quay.io', 'rate-limited'), origin: 'proxy' }],
		['a broken connection', refused('quay.io', 'connection-lost')],
	])('does not help with %s', (_, problem) => {
		expect(isAboutLogin(problem)).toBe(false);
	});
});
