import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
	looksLikeMirrors,
	mostMirrorCharacters,
	parseMirrorFile,
} from '../../../shared/registry/mirror-file.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import { fixture, fixturesMissing } from '../../support/fixtures.ts';

const idms = `apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata:
  name: release
spec:
  imageDigestMirrors:
  - source: quay.io/openshift-release-dev/ocp-release
    mirrors:
    - mirror.local:5000/openshift/release-images
    - Second.local/release
    mirrorSourcePolicy: NeverContactSource
  - source: quay.io/openshift-release-dev/ocp-v4.0-art-dev
    mirrors: [mirror.local:5000/openshift/release]
`;

function read(text: string) {
	return parseMirrorFile(text, 'file');
}

function reasonOf(text: string): string {
	try {
		read(text);
	} catch (error) {
		expect(error).toBeInstanceOf(ProblemError);
		const { problem } = error as ProblemError;
		expect(problem.code).toBe('mirrors-invalid');
		return problem.reason;
	}
	throw new Error('it was read');
}

describe('a file of mirrors', () => {
	it('may be an ImageDigestMirrorSet', () => {
		expect(read(idms)).toEqual({
			name: 'file',
			notes: [],
			rules: [
				{
					source: 'quay.io/openshift-release-dev/ocp-release',
					location: 'quay.io/openshift-release-dev/ocp-release',
					mirrors: [
						{ location: 'mirror.local:5000/openshift/release-images', pulls: 'digest' },
						{ location: 'second.local/release', pulls: 'digest' },
					],
					contactsSource: false,
				},
				{
					source: 'quay.io/openshift-release-dev/ocp-v4.0-art-dev',
					location: 'quay.io/openshift-release-dev/ocp-v4.0-art-dev',
					mirrors: [{ location: 'mirror.local:5000/openshift/release', pulls: 'digest' }],
					contactsSource: true,
				},
			],
		});
	});

	it('may have several documents; what is none of them is named, and where it is', () => {
		const { rules, notes } = read(`---
apiVersion: config.openshift.io/v1
kind: ImageTagMirrorSet
spec:
  imageTagMirrors:
  - source: quay.io/a
    mirrors: [m.local/a]
---
---
apiVersion: operators.coreos.com/v1alpha1
kind: CatalogSource
metadata: {name: cs}
---
apiVersion: operator.openshift.io/v1alpha1
kind: ImageContentSourcePolicy
spec:
  repositoryDigestMirrors:
  - source: quay.io/a
    mirrors: [m.local/a, n.local/a]
    somethingNew: 1
`);
		expect(rules).toEqual([
			{
				source: 'quay.io/a',
				location: 'quay.io/a',
				mirrors: [
					{ location: 'm.local/a', pulls: 'all' },
					{ location: 'n.local/a', pulls: 'digest' },
				],
				contactsSource: true,
			},
		]);
		expect(notes).toEqual([
			'Line 10: a CatalogSource says nothing of mirrors that is known here, and is not followed.',
			'Line 18: “somethingNew” is not known and not followed.',
		]);
	});

	it('may be the List that oc prints, as YAML or JSON', () => {
		const item = {
			apiVersion: 'config.openshift.io/v1',
			kind: 'ImageDigestMirrorSet',
			spec: { imageDigestMirrors: [{ source: '*.example.com', mirrors: ['m.local'] }] },
		};
		const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item] }, null, 2);
		expect(read(list).rules).toMatchObject([{ source: '*.example.com' }]);
	});

	it('may be a registries.conf; what is not followed is named', () => {
		const { rules, notes } = read(`
unqualified-search-registries = ["docker.io"]
short-name-mode = "enforcing"

[[registry]]
prefix = "quay.io/team"
location = "inside.local/quay"
insecure = true
[[registry.mirror]]
location = "m.local:5000/team"
insecure = true
[[registry.mirror]]
location = "t.local"
pull-from-mirror = "tag-only"

[[registry]]
location = "docker.io"
blocked = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "hub.local"

[[registry]]
prefix = "*.example.com"
[[registry.mirror]]
location = "m.local/example"
pull-from-mirror = "digest-only"
`);
		expect(rules).toEqual([
			{
				source: 'quay.io/team',
				location: 'inside.local/quay',
				mirrors: [
					{ location: 'm.local:5000/team', pulls: 'all' },
					{ location: 't.local', pulls: 'tag' },
				],
				contactsSource: true,
			},
			{
				source: 'docker.io',
				location: 'docker.io',
				mirrors: [{ location: 'hub.local', pulls: 'digest' }],
				contactsSource: false,
			},
			{
				source: '*.example.com',
				location: '*.example.com',
				mirrors: [{ location: 'm.local/example', pulls: 'digest' }],
				contactsSource: true,
			},
		]);
		expect(notes).toEqual([
			'unqualified-search-registries is not followed: references name their registry.',
			'registries.conf: “short-name-mode” is not known and not followed.',
			'The [[registry]] “quay.io/team”: insecure = true is not followed for inside.local/quay: certificates are always checked, and a registry without TLS is named by --plain-http inside.local.',
			'The [[registry]] “quay.io/team”: insecure = true is not followed for m.local:5000/team: certificates are always checked, and a registry without TLS is named by --plain-http m.local:5000.',
		]);
	});

	it.each<[string, string, string]>([
		['nothing', ' \n', 'The file is empty.'],
		['YAML that is none, with its line', 'apiVersion: v1\nkind: [a\nspec: b', ', line 3.'],
		['TOML that is none, with its line', '[[registry]]\nlocation = quay.io\n', 'line 2, column'],
		[
			'resources without mirrors, with their kinds',
			'apiVersion: v1\nkind: ConfigMap\n',
			'a ConfigMap says nothing of mirrors',
		],
		['text', 'hello', 'a resource cannot be read'],
		[
			'a kind of another version',
			'apiVersion: config.openshift.io/v9\nkind: ImageDigestMirrorSet\n',
			'Line 1: ImageDigestMirrorSet of “config.openshift.io/v9” is not known',
		],
		[
			'a mirror that is no place, with its line',
			idms.replace(
				'mirrors: [mirror.local:5000/openshift/release]',
				'mirrors: ["https://m.local/x"]',
			),
			'Line 12: “https://m.local/x” as mirror is neither a registry nor a path in one',
		],
		[
			'a source with a tag',
			idms.replace('ocp-release\n', 'ocp-release:4.20\n'),
			'Line 7: “quay.io/openshift-release-dev/ocp-release:4.20” as source is neither',
		],
		[
			'a policy that is none',
			idms.replace('NeverContactSource', 'Sometimes'),
			'Line 7: an entry of imageDigestMirrors cannot be read: mirrorSourcePolicy',
		],
		[
			'entries that are no list',
			'apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nspec: {imageDigestMirrors: x}',
			'imageDigestMirrors cannot be read',
		],
		[
			'sets without entries',
			'apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nspec: {}',
			'empty',
		],
		[
			'a registries.conf of version 1',
			'[registries.search]\nregistries = ["a"]\n',
			'version 1; version 2 has [[registry]]',
		],
		['a registries.conf without registries', 'short-name-mode = "x"\n', 'no [[registry]]'],
		['a registry without a name', '[[registry]]\nblocked = true\n', 'neither prefix nor location'],
		[
			'a wildcard with a location',
			'[[registry]]\nprefix = "*.a.io"\nlocation = "b.io"\n',
			'cannot have a location',
		],
		[
			'a wildcard in the middle',
			'[[registry]]\nprefix = "quay.*/a"\n',
			'“quay.*/a” as prefix is neither',
		],
		[
			'two ways to say digests only',
			'[[registry]]\nlocation = "a.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "b.io"\npull-from-mirror = "all"\n',
			'exclude each other',
		],
		[
			'aliases without end',
			`a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nkind: x`,
			'YAML that is not read',
		],
		['more than any has', `#${' '.repeat(mostMirrorCharacters)}`, 'no file of mirrors has more'],
	])('is refused where it is %s', (_, text, expected) => {
		expect(reasonOf(text)).toContain(expected);
	});

	it.skipIf(fixturesMissing)('may be a genuine one, with one source twice', () => {
		const genuine = fixture('openshift/oc/test/testdata/oc_cli/idmsFile64921.yaml');
		const { rules, notes } = read(readFileSync(genuine, 'utf8'));
		expect(notes).toEqual([]);
		expect(rules.map(({ source, mirrors }) => [source, mirrors.length])).toEqual([
			['quay.io/openshift-release-dev/ocp-v4.0-art-dev', 2],
			['registry.ci.openshift.org/ocp/release', 1],
		]);
	});

	it('is told from plans and receipts by its beginning', () => {
		expect(looksLikeMirrors(idms)).toBe(true);
		expect(looksLikeMirrors('[[registry]]\nlocation = "a.io"')).toBe(true);
		expect(looksLikeMirrors('{"apiVersion": "v1", "kind": "List", "items": []}')).toBe(true);
		expect(looksLikeMirrors('{\n"schema": "espalier/plan/v1",\n"a": "x = y"}')).toBe(false);
		expect(looksLikeMirrors('{"schema": "espalier/receipt/v1"}')).toBe(false);
		expect(looksLikeMirrors('hello')).toBe(false);
	});
});
