import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEntry } from '../../../shared/link/entry.ts';
import { formatRoute, parseRoute } from '../../../shared/link/route.ts';
import { shellWord } from '../../../shared/link/prune-command.ts';
import { isDigest, isDigestSyntax } from '../../../shared/oci/digest.ts';
import { comparePlatforms, parsePlatform, platformKey } from '../../../shared/oci/platform.ts';
import {
	formatReference,
	isRegistry,
	isRepositoryName,
	isTag,
	parseReference,
	parseRepository,
	storeRegistry,
} from '../../../shared/oci/reference.ts';
import { tagFor } from '../../../shared/release/component-tag.ts';
import { matchesGlob, parseFilter, toggleStatus } from '../../../shared/release/filter.ts';
import { parseSort } from '../../../shared/release/order.ts';
import { printable, printableLines } from '../../../shared/report/printable.ts';
import {
	damagedText,
	digest,
	expectTyped,
	hostileText,
	piece,
	referenceText,
	runs,
} from '../../support/arbitraries.ts';
import { expectLinear } from './growth.ts';

const anyReference = fc.oneof(referenceText, damagedText(referenceText), hostileText);

describe('a reference', () => {
	it('means the same when it is printed and read again, whatever was typed', () => {
		fc.assert(
			fc.property(anyReference, (text) => {
				const parsed = parseReference(text);
				if (!parsed.ok) return;
				const printed = formatReference(parsed.reference);
				expect(parseReference(printed)).toEqual(parsed);
			}),
			runs(2000),
		);
	});

	it('that is taken has nothing but valid parts, and a registry that a URL leads to', () => {
		fc.assert(
			fc.property(anyReference, (text) => {
				const parsed = parseReference(text);
				if (!parsed.ok) return;
				const { registry, repository, tag, digest: by } = parsed.reference;
				expect(registry === storeRegistry || isRegistry(registry)).toBe(true);
				expect(isRepositoryName(repository)).toBe(true);
				expect(tag === undefined || isTag(tag)).toBe(true);
				expect(by === undefined || isDigest(by)).toBe(true);
				const { host, username, pathname } = new URL(`https://${registry}/v2/${repository}/`);
				expect([registry.toLowerCase(), registry.toLowerCase().replace(/:443$/, '')]).toContain(
					host,
				);
				expect([username, pathname]).toEqual(['', `/v2/${repository}/`]);
			}),
			runs(2000),
		);
	});

	it.each([
		['Docker.io/nginx', 'docker.io/library/nginx'],
		['INDEX.docker.io/nginx', 'docker.io/library/nginx'],
		['Team/app', 'Team/app'],
	])('%s is %s', (text, printed) => {
		const parsed = parseReference(text);
		expect(parsed.ok && formatReference(parsed.reference)).toBe(printed);
	});

	it.each([
		'2130706433:5000/a/b',
		'0x7f.1/a/b',
		'127.1:5000/a/b',
		'0177.0.0.1/a',
		'256.256.256.256/a/b',
		'1.2.3.4.5/a/b',
		'[::::]/a/b',
		'localhost:00080/a',
		'localhost:0/a',
		'localhost:65536/a',
		`${'a.'.repeat(140)}test/a`,
		'xn--a.test/a',
	])('is refused where its host is not what it looks like: %s', (text) => {
		expect(parseReference(text).ok).toBe(false);
	});

	it('is refused in full only by a repository that is written in full', () => {
		fc.assert(
			fc.property(anyReference, (text) => {
				const repository = parseRepository(text);
				if (repository) expect(`${repository.registry}/${repository.repository}`).toBe(text);
			}),
			runs(500),
		);
	});

	it.each([
		['labels', (n: number) => `${'a-'.repeat(n)}!/x`],
		['dots', (n: number) => `${'a.'.repeat(n)}!/x`],
		['parts', (n: number) => `quay.io/${'a__'.repeat(n)}!`],
		['dashes', (n: number) => `quay.io/a${'-'.repeat(n)}`],
		['slashes', (n: number) => `quay.io/${'a/'.repeat(n)}`],
		['blanks', (n: number) => `docker pull${' '.repeat(n)}\n`],
		['colons', (n: number) => `quay.io/a${':a'.repeat(n)}`],
		['signs', (n: number) => `quay.io/a${'@sha256:'.repeat(n)}`],
	])('is read in linear time with very many %s', (_, make) => {
		expectLinear(make, parseReference, 20_000);
	});
});

describe('a digest', () => {
	it('that can be verified is also one by its grammar, and nothing close to it is taken', () => {
		fc.assert(
			fc.property(fc.oneof(digest, damagedText(digest), hostileText), (text) => {
				if (!isDigest(text)) return;
				expect(isDigestSyntax(text)).toBe(true);
				expect(text).toMatch(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
			}),
			runs(1000),
		);
	});
});

const name = fc.oneof(hostileText, piece, fc.constantFrom('linux', 'amd64', 'arm', 'v8', '8', ''));

describe('a platform', () => {
	it('of anybody has a name, and means the same when it is normalised again', () => {
		const platform = fc.record(
			{ os: name, architecture: name, variant: name, 'os.version': name },
			{ requiredKeys: ['os', 'architecture'] },
		);
		fc.assert(
			fc.property(platform, (each) => {
				const key = platformKey(each);
				expect(typeof key).toBe('string');
				expect(comparePlatforms(key, key)).toBe(0);
				const parsed = parsePlatform(key);
				if (parsed !== undefined && !/[()]/.test(key)) expect(parsePlatform(parsed)).toBe(parsed);
			}),
			runs(1000),
		);
	});

	it.each(['constructor', '__proto__', 'toString', 'valueOf'])(
		'may be called %s like what every object has',
		(architecture) => {
			const variant = 'constructor';
			expect(platformKey({ os: 'linux', architecture, variant })).toBe(
				`linux/${architecture.toLowerCase()}/constructor`,
			);
			expect(platformKey({ os: 'linux', architecture: 'amd64', variant })).toBe(
				'linux/amd64/constructor',
			);
		},
	);
});

describe('what stands in a link', () => {
	const link = fc.oneof(
		fc
			.array(
				fc.tuple(
					fc.constantFrom('ref', 'q', 'cols', 'sort', 'prune', 'keep', 'toggle', 'to', 'tags', 'x'),
					fc.oneof(hostileText, fc.constantFrom('placeholders', 'linux/amd64', 'a@amd64', '1')),
				),
				{ maxLength: 6 },
			)
			.map((pairs) => `#/release?ref=quay.io/a/b&${new URLSearchParams(pairs).toString()}`),
		hostileText.map((text) => `#/${text}`),
		damagedText(fc.constant('#/plan?ref=quay.io/a/b:1&prune=platforms&keep=linux/arm64&self=1')),
	);

	it('is understood or left out with a sentence, and is stable from then on', () => {
		fc.assert(
			fc.property(link, (fragment) => {
				const { route } = parseRoute(fragment);
				const printed = formatRoute(route);
				expect(formatRoute(parseRoute(printed).route)).toBe(printed);
			}),
			runs(1000),
		);
	});

	it('leads nowhere but into the page', () => {
		fc.assert(
			fc.property(hostileText, (to) => {
				const entry = parseEntry(`#t=x&to=${encodeURIComponent(to.replace(/\p{Cs}/gu, ''))}`);
				expect(entry?.to.startsWith('#/')).toBe(true);
			}),
			runs(500),
		);
	});

	it('is one word for a shell', () => {
		fc.assert(
			fc.property(hostileText, (text) => {
				expect(shellWord(text)).toMatch(/^(?:[\w./:@%+,=-]|'[^']*'|\\')+$/);
			}),
			runs(1000),
		);
	});
});

describe('what somebody types', () => {
	it('as a filter is understood or refused with its place', () => {
		const text = damagedText(fc.constant('name:aws-* status:placeholder,broken -arch:s390x "a b"'));
		fc.assert(
			fc.property(fc.oneof(text, hostileText), (each) => {
				const parsed = parseFilter(each);
				if (!parsed.ok) expect(parsed.to).toBeGreaterThan(parsed.from);
				expect(toggleStatus(each, 'broken')).toBeTypeOf('string');
				parseSort(each);
			}),
			runs(1000),
		);
	});

	it('as a template makes tags or is refused', () => {
		const template = fc.oneof(damagedText(fc.constant('{version}-{component}')), hostileText);
		fc.assert(
			fc.property(template, hostileText, (each, version) => {
				const made = expectTyped(() => tagFor(each, { version, component: 'etcd' }));
				if (typeof made === 'string') expect(isTag(made)).toBe(true);
			}),
			runs(500),
		);
	});

	it.each([
		['quotes', (n: number) => '"'.repeat(n)],
		['letters', (n: number) => 'a'.repeat(n)],
		['colons', (n: number) => 'name:'.repeat(n)],
		['dashes', (n: number) => '-'.repeat(n)],
	])('as a filter is read in linear time with very many %s', (_, make) => {
		expectLinear(make, (text) => parseFilter(text), 20_000);
	});

	it('as a glob is matched in linear time', () => {
		expectLinear(
			(n) => ({ glob: `${'a*'.repeat(n)}b`, text: 'a'.repeat(n) }),
			({ glob, text }) => matchesGlob(glob, text),
			20_000,
		);
	});
});

describe("a stranger's text", () => {
	it('steers no terminal and turns no reading direction once it is shown', () => {
		fc.assert(
			fc.property(hostileText, (text) => {
				expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
				expect(printableLines(text)).not.toMatch(/[^\P{Cc}\t\r\n]|[\p{Cf}\p{Zl}\p{Zp}]/u);
				expect(printable(text)).not.toMatch(/\p{Cs}/u);
			}),
			runs(1000),
		);
	});
});
