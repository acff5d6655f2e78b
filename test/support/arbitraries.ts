/**
 * What fuzz tests are fed with: valid things of every kind, valid things damaged, and text made to hurt. The seed of a
 * failure is printed by fast-check; `ESPALIER_SEED` sets it, and `ESPALIER_LONG=1` multiplies the runs by twenty.
 */
import fc from 'fast-check';
import { vi } from 'vitest';
import { hashOf } from './fake-registries.ts';
import type { Digest } from '../../shared/oci/digest.ts';
import { ProblemError } from '../../shared/registry/problem.ts';

const seed = process.env['ESPALIER_SEED'];
const isLong = process.env['ESPALIER_LONG'] === '1';
if (isLong) vi.setConfig({ testTimeout: 600_000 });

export function runs(numRuns: number): { numRuns: number; seed?: number } {
	return {
		numRuns: isLong ? numRuns * 20 : numRuns,
		...(seed !== undefined && { seed: Number(seed) }),
	};
}

/** What has hurt programs before: terminals, readers from right to left, prototypes, paths, headers, markup, numbers. */
const pieces = [
	'\u001b[31m',
	'\u001b]0;title\u0007',
	'\u009b2J',
	'\u202e',
	'\u2066',
	'\u200b',
	'\ufeff',
	'\ud800',
	'\udc00',
	'\0',
	'\r\n',
	'\n',
	'\t',
	'\u2028',
	'__proto__',
	'constructor',
	'prototype',
	'hasOwnProperty',
	'../',
	'..%2f',
	'//',
	'\\',
	'"',
	"'",
	'`',
	'$(id)',
	'<img src=x onerror=alert(1)>',
	'javascript:',
	'http://169.254.169.254/',
	'user:pass@',
	'sha256:',
	'@',
	':',
	'=',
	',',
	';',
	' ',
	'%',
	'*',
	'1e309',
	'-0',
	'9007199254740993',
	'0x10',
	'٣',
	'ａ',
	'ı',
	'K',
] as const;

export const piece = fc.constantFrom(...pieces);

/** Text of strangers: any code units, well-known pieces, and the same again and again. */
export const hostileText = fc.oneof(
	fc.string({ unit: 'binary', maxLength: 60 }),
	fc
		.array(fc.oneof(piece, fc.string({ maxLength: 8 })), { maxLength: 12 })
		.map((all) => all.join('')),
	fc.tuple(piece, fc.nat(200)).map(([text, count]) => text.repeat(count)),
);

export const digest = fc.oneof(
	fc.uint8Array({ maxLength: 4 }).map((bytes) => hashOf('sha256', bytes)),
	fc.uint8Array({ maxLength: 4 }).map((bytes) => hashOf('sha512', bytes)),
) satisfies fc.Arbitrary<Digest>;

export const registry = fc.oneof(
	fc.constantFrom('quay.io', 'docker.io', 'localhost', 'localhost:5000', 'store', '[::1]:5000'),
	fc.constantFrom('127.0.0.1:80', 'A.example', 'xn--bcher-kva.example', 'a-b.c-d.test:65535'),
	fc
		.tuple(fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,8}){1,3}$/), fc.nat(65535))
		.map(([host, port]) => (port === 0 ? host : `${host}:${port}`)),
);

export const repositoryName = fc
	.array(fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/), {
		minLength: 1,
		maxLength: 4,
	})
	.map((parts) => parts.join('/'));

export const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);

/** As people write it; of Docker Hub in full. */
export const referenceText = fc
	.record({
		registry,
		repository: repositoryName,
		tag: fc.option(tag, { nil: '' }),
		digest: fc.option(digest, { nil: '' }),
	})
	.map(
		({ tag: name, digest: by, ...where }) =>
			`${where.registry}/${where.repository}${name && `:${name}`}${by && `@${by}`}`,
	);

/** A valid text with some of it cut out, doubled, or replaced. */
export function damagedText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
	const change = fc.record({ at: fc.nat(), length: fc.nat(6), by: fc.oneof(piece, fc.string()) });
	return fc.tuple(text, fc.array(change, { minLength: 1, maxLength: 4 })).map(([whole, changes]) =>
		changes.reduce((rest, { at, length, by }) => {
			const from = at % (rest.length + 1);
			return rest.slice(0, from) + by + rest.slice(from + length);
		}, whole),
	);
}

/** Bytes that were whole, with some of them changed, put in, left out, or all behind a place missing. */
export function damagedBytes(whole: Uint8Array): fc.Arbitrary<Uint8Array> {
	const change = fc.record({
		kind: fc.constantFrom('set' as const, 'insert' as const, 'remove' as const, 'cut' as const),
		at: fc.nat(),
		bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
	});
	return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) =>
		changes.reduce<Uint8Array>((rest, { kind, at, bytes }) => {
			const from = at % (rest.length + 1);
			if (kind === 'cut') return rest.slice(0, from);
			const skipped = kind === 'insert' ? 0 : bytes.length;
			const added = kind === 'remove' ? [] : [...bytes];
			return Uint8Array.from([...rest.slice(0, from), ...added, ...rest.slice(from + skipped)]);
		}, whole),
	);
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** As text, since some of it no value can hold. */
const hostileJson = fc.oneof(
	fc.constantFrom('null', 'true', '[]', '{}', '""', '0', '-1', '1.5', '1e400', '9007199254740993'),
	fc.constantFrom('-9007199254740993', '1e-400', '"\\ud800"', '{"__proto__":{"polluted":true}}'),
	fc.constantFrom(
		'{"constructor":{"prototype":{"polluted":true}}}',
		'{"a":1,"a":2}',
		'{"A":1,"a":2}',
	),
	fc.integer({ min: 1, max: 3000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
	fc.integer({ min: 1, max: 3000 }).map((depth) => '{"a":'.repeat(depth) + '0' + '}'.repeat(depth)),
	hostileText.map((text) => JSON.stringify(text)),
	fc.jsonValue().map((value) => JSON.stringify(value)),
);

function printed(value: Json, places: ReadonlyMap<number, string>, count = { now: -1 }): string {
	count.now += 1;
	const other = places.get(count.now);
	if (typeof value !== 'object' || value === null) return other ?? JSON.stringify(value);
	const isArray = Array.isArray(value);
	const members = Object.entries(value).map(([key, member]) => {
		const text = printed(member, places, count);
		return isArray ? text : `${JSON.stringify(key)}:${text}`;
	});
	// In place of the whole, or as a second member of the same name beside the first.
	if (other !== undefined && count.now % 2 === 0) return other;
	const more =
		other === undefined || isArray
			? []
			: [`${JSON.stringify(Object.keys(value)[0] ?? '')}:${other}`];
	return isArray ? `[${members.join(',')}]` : `{${[...members, ...more].join(',')}}`;
}

function valuesIn(value: Json): number {
	if (typeof value !== 'object' || value === null) return 1;
	return Object.values(value).reduce<number>((sum, member) => sum + valuesIn(member), 1);
}

/** JSON text of a valid value, with some of its values replaced by worse ones, and some keys written twice. */
export function damagedJson(value: unknown): fc.Arbitrary<string> {
	const whole = JSON.parse(JSON.stringify(value)) as Json;
	const last = valuesIn(whole) - 1;
	return fc
		.array(fc.tuple(fc.nat(last), hostileJson), { minLength: 1, maxLength: 3 })
		.map((places) => printed(whole, new Map(places)));
}

/** What came of something that may refuse: a value, or the one kind of error that is allowed. */
export function expectTyped<T>(action: () => T): T | ProblemError {
	try {
		return action();
	} catch (error) {
		if (error instanceof ProblemError) return error;
		throw error;
	}
}

export async function expectTypedLater<T>(action: () => Promise<T>): Promise<T | ProblemError> {
	try {
		return await action();
	} catch (error) {
		if (error instanceof ProblemError) return error;
		throw error;
	}
}

/** Everything that hands out its members to all objects. */
export function isPolluted(): boolean {
	return 'polluted' in {} || 'polluted' in [] || 'polluted' in (() => undefined);
}

export function bytesOf(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}
