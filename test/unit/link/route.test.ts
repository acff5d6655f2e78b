import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
	factColumns,
	formatRoute,
	parseRoute,
	type Column,
	type Route,
} from '../../../shared/link/route.ts';
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { sortKeys } from '../../../shared/release/order.ts';

const arm64 = parsePlatform('linux/arm64')!;
const ref = 'quay.io/openshift-release-dev/ocp-release:4.20.0-multi';

describe('a link', () => {
	it.each<[Route, string]>([
		[{ view: 'home' }, '#/'],
		[{ view: 'release', params: { ref } }, `#/release?ref=${ref}`],
		[
			{
				view: 'release',
				params: {
					component: 'etcd',
					sort: { by: 'size', descending: true },
					cols: [arm64, 'built'],
					q: 'name:a* status:missing,broken',
					ref: `quay.io/a/b@sha256:${'a'.repeat(64)}`,
				},
			},
			`#/release?ref=quay.io/a/b@sha256:${'a'.repeat(64)}&q=name:a*+status:missing,broken&cols=linux/arm64,built&sort=-size&component=etcd`,
		],
		[
			{ view: 'release', params: { ref, mirrors: 'idms.yaml', component: 'etcd' } },
			`#/release?ref=${ref}&component=etcd&mirrors=idms.yaml`,
		],
	])('is readable, with its parameters in one order: %j', (route, link) => {
		expect(formatRoute(route)).toBe(link);
		expect(parseRoute(link)).toEqual({ route, notices: [] });
	});

	const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 });
	const column = fc.oneof(
		fc.constantFrom<Column>(...factColumns),
		fc
			.constantFrom('linux/amd64', 'linux/arm/v7', 'windows(10.0.17763)/amd64', 'darwin/arm64')
			.map((name): Column => parsePlatform(name)!),
	);
	const params = fc.record(
		{
			ref: text,
			q: text,
			cols: fc.array(column, { minLength: 1, maxLength: 5 }),
			sort: fc.record({ by: fc.constantFrom(...sortKeys), descending: fc.boolean() }),
			component: text,
			rest: fc.array(
				fc.tuple(
					text.map((key) => `x${key}`),
					text,
				),
				{ minLength: 1, maxLength: 3 },
			),
		},
		{ requiredKeys: ['ref'] },
	);

	it('opens the very view that it was made from', () => {
		fc.assert(
			fc.property(params, (given) => {
				const route: Route = { view: 'release', params: given };
				expect(parseRoute(formatRoute(route))).toEqual({ route, notices: [] });
			}),
		);
	});

	it('never fails to open something', () => {
		const pieces = fc.constantFrom('#', '/', 'release', '?', '&', '=', 'ref', 'q', '%', '%zz', 'x');
		const fragment = fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join(''));
		fc.assert(
			fc.property(fc.oneof(fragment, fc.string()), (given) => {
				expect(['home', 'release']).toContain(parseRoute(given).route.view);
			}),
		);
	});

	it.each(['', '#', '#/', '/', '#/?x=1'])('that says nothing, %j, leads home', (fragment) => {
		expect(parseRoute(fragment)).toEqual({ route: { view: 'home' }, notices: [] });
	});

	it('to an unknown view leads home and says so', () => {
		expect(parseRoute('#/compare?a=1')).toEqual({
			route: { view: 'home' },
			notices: ['There is no view “compare”.'],
		});
	});

	it.each(['#/release', '#/release?ref=', '#/release?q=etcd'])(
		'without a reference, %j, leads home and says so',
		(fragment) => {
			expect(parseRoute(fragment)).toEqual({
				route: { view: 'home' },
				notices: ['The link names no reference (“ref”).'],
			});
		},
	);

	it('opens without what is wrong in it, and names each such part', () => {
		expect(parseRoute('#/release?ref=a/b&cols=linux/arm64,a/b/c/d&sort=up&q=x')).toEqual({
			route: { view: 'release', params: { ref: 'a/b', q: 'x' } },
			notices: [
				'“cols=linux/arm64,a/b/c/d” in the link was not understood and is left out.',
				'“sort=up” in the link was not understood and is left out.',
			],
		});
	});

	it('treats an empty parameter as none', () => {
		expect(parseRoute('#/release?ref=a/b&q=&sort=')).toEqual({
			route: { view: 'release', params: { ref: 'a/b' } },
			notices: [],
		});
	});

	it('keeps parameters that it does not know, behind those that it knows', () => {
		const { route, notices } = parseRoute('#/release?policy=p1&ref=a/b&policy=p2&__proto__=x&q=e');
		expect(notices).toEqual([]);
		expect(formatRoute(route)).toBe('#/release?ref=a/b&q=e&policy=p1&policy=p2&__proto__=x');
	});

	it('has names of one meaning for a platform that is written in several ways', () => {
		expect(parseRoute('#/release?ref=a/b&cols=aarch64')).toMatchObject({
			route: { params: { cols: ['linux/arm64'] } },
		});
	});
});
