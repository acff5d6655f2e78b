import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
	groupByLogins,
	loginsFor,
	mostHeaderCharacters,
	parseLogins,
	printLogins,
} from '../../../shared/api/logins.ts';
import type { KeyedLogin } from '../../../shared/login/login.ts';
import { problemOf } from '../../../shared/registry/problem.ts';

function login(entry: string, password = 'pass'): KeyedLogin {
	return { entry, login: { kind: 'password', username: 'me', password } };
}

function refusal(text: string): string {
	try {
		parseLogins(text);
	} catch (error) {
		const { code, reason } = problemOf(error);
		return `${code}: ${reason}`;
	}
	return expect.fail('it was taken');
}

function packed(value: unknown): string {
	return Buffer.from(JSON.stringify(value)).toString('base64url');
}

describe('logins on their way to the proxy', () => {
	it('arrive as they were typed', () => {
		const logins: KeyedLogin[] = [
			login('quay.io/team', 'p:ä"\\€'),
			{ entry: 'ghcr.io', login: { kind: 'identity-token', token: 'refresh' } },
			{ entry: 'r.example:5000', login: { kind: 'registry-token', token: 'bearer' } },
		];
		expect(parseLogins(printLogins(logins))).toEqual(logins);
	});

	it('fit into a header, whatever is typed', () => {
		const text = fc
			.string({ unit: 'grapheme', maxLength: 40 })
			.filter((one) => !/\p{Cc}/u.test(one));
		fc.assert(
			fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (pairs) => {
				const logins = pairs.map(([username, password]): KeyedLogin => ({
					entry: 'quay.io',
					login: { kind: 'password', username, password },
				}));
				const header = printLogins(logins);
				expect(header).toMatch(/^[\w-]*$/);
				expect(parseLogins(header)).toEqual(logins);
			}),
		);
	});

	it.each([
		['no base64', '%%%'],
		['no JSON', Buffer.from('{').toString('base64url')],
		['no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('base64url')],
		['no list', packed({})],
		['a login of an unknown kind', packed([{ entry: 'quay.io', login: { kind: 'magic' } }])],
		['a field too many', packed([{ ...login('quay.io'), more: 1 }])],
		['a line break in a password', packed([login('quay.io', 'a\r\nx: y')])],
		[
			'a space in a bearer token',
			packed([{ entry: 'q', login: { kind: 'registry-token', token: 'a b' } }]),
		],
		['more than a header holds', 'A'.repeat(mostHeaderCharacters + 1)],
		['far too many', packed(Array.from({ length: 101 }, (_, at) => login(`r${at}`, '')))],
	])('are refused with %s, and not quoted', (_, text) => {
		expect(refusal(text)).toBe(
			'request-invalid: The logins that came with the request cannot be read.',
		);
	});

	it('that are too many for a header are said to be, without a secret', () => {
		const logins = Array.from({ length: 20 }, (_, at) => login(`r${at}`, 'secret'.repeat(100)));
		expect(() => printLogins(logins)).toThrow(/20 logins .* do not fit/);
		expect(() => printLogins(logins)).not.toThrow(/secret/);
	});
});

describe('which logins go along', () => {
	const logins = [login('quay.io'), login('quay.io/team'), login('ghcr.io'), login('docker.io')];
	const entriesFor = (...names: string[]) =>
		loginsFor(
			logins,
			names.map((name) => {
				const [registry = '', ...path] = name.split('/');
				return { registry, repository: path.join('/') };
			}),
		).map(({ entry }) => entry);

	it('are those of the repositories that are asked for, and no others', () => {
		expect(entriesFor('quay.io/other/image')).toEqual(['quay.io']);
		expect(entriesFor('quay.io/team/image', 'ghcr.io/a/b')).toEqual(['quay.io/team', 'ghcr.io']);
		expect(entriesFor('registry.example/a')).toEqual([]);
		expect(entriesFor()).toEqual([]);
	});

	it('are those of the closest namespace', () => {
		expect(entriesFor('quay.io/team')).toEqual(['quay.io/team']);
		expect(entriesFor('quay.io/teams')).toEqual(['quay.io']);
	});

	it('are found under any of the names of Docker Hub', () => {
		expect(entriesFor('index.docker.io/library/alpine')).toEqual(['docker.io']);
	});
});

describe('requests whose logins do not fit into one header', () => {
	const large = (entry: string) => login(entry, 'p'.repeat(4000));
	const repository = (registry: string, name = 'a/b') => ({ registry, repository: name });
	const names = (groups: readonly (readonly { registry: string }[])[]) =>
		groups.map((group) => group.map(({ registry }) => registry));

	it('stay together where they do fit, in their order', () => {
		const requests = ['a.test', 'b.test', 'a.test'].map((name) => repository(name));
		const logins = [login('a.test'), login('b.test')];
		expect(groupByLogins(requests, (one) => [one], logins)).toEqual([requests]);
		expect(groupByLogins(requests, (one) => [one], [])).toEqual([requests]);
		expect(groupByLogins([], (one) => [one], logins)).toEqual([[]]);
	});

	it('are parted by login, and none is lost', () => {
		const hosts = ['a.test', 'b.test', 'c.test', 'none.test', 'a.test', 'c.test', 'd.test'];
		const logins = ['a.test', 'b.test', 'c.test', 'd.test'].map(large);
		const groups = groupByLogins(
			hosts.map((name) => repository(name)),
			(one) => [one],
			logins,
		);
		expect(names(groups)).toEqual([
			['a.test', 'b.test', 'none.test', 'a.test'],
			['c.test', 'c.test', 'd.test'],
		]);
		for (const group of groups) {
			expect(() => printLogins(loginsFor(logins, group))).not.toThrow();
		}
	});

	it('are parted too where there are more logins than one request may bring', () => {
		const hosts = Array.from({ length: 150 }, (_, at) => `r${at}.test`);
		const requests = hosts.map((name) => repository(name));
		const logins = hosts.map((name) => login(name, ''));
		const groups = groupByLogins(requests, (one) => [one], logins);
		expect(groups.flat()).toEqual(requests);
		for (const group of groups) {
			expect(parseLogins(printLogins(loginsFor(logins, group)))).toHaveLength(group.length);
		}
	});

	it('are left alone where a single one needs too much, and that one is refused', () => {
		const places = ['a.test', 'b.test', 'c.test', 'd.test'].map((name) => repository(name));
		const logins = places.map(({ registry }) => large(registry));
		const groups = groupByLogins([places, places.slice(0, 1)], (one) => one, logins);
		expect(groups.map((group) => group.length)).toEqual([1, 1]);
		expect(() => printLogins(loginsFor(logins, places))).toThrow(/do not fit/);
	});
});
