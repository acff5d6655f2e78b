import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editJson, type JsonEdit, type JsonPath } from '../../../shared/oci/json-text.ts';
import { printJson, readJson } from '../../../shared/oci/json-value.ts';
import {
	bytesOf,
	damagedBytes,
	damagedJson,
	hostileText,
	runs,
} from '../../support/arbitraries.ts';
import { expectLinear } from './growth.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The same value with blanks wherever they may be. */
function spelt(value: Json, next: () => number): string {
	const blank = () => ['', '', ' ', '\n\t', '\r\n  '][next() % 5] ?? '';
	const spell = (each: Json): string => {
		if (typeof each === 'string') return JSON.stringify(each);
		if (typeof each !== 'object' || each === null) return JSON.stringify(each);
		if (Array.isArray(each)) {
			return `[${blank()}${each.map((item) => spell(item) + blank()).join(`,${blank()}`)}]`;
		}
		const members = Object.entries(each).map(
			([key, item]) => `${JSON.stringify(key)}${blank()}:${blank()}${spell(item)}${blank()}`,
		);
		return `{${blank()}${members.join(`,${blank()}`)}}`;
	};
	return blank() + spell(value) + blank();
}

const key = fc.oneof(fc.constantFrom('a', 'b', '__proto__', 'size', 'digest'), hostileText);
const value = fc.letrec<{ value: Json }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 4 },
		fc.oneof(fc.integer(), hostileText, fc.boolean(), fc.constant(null)),
		fc.array(tie('value'), { maxLength: 4 }),
		fc.dictionary(key, tie('value'), { maxKeys: 4 }),
	),
})).value;

const document = fc
	.tuple(value, fc.array(fc.nat(), { minLength: 1, maxLength: 20 }))
	.map(([each, choices]) => {
		let at = 0;
		return spelt(each, () => choices[(at += 1) % choices.length] ?? 0);
	});

/** Every place in a value, with what is there. */
function placesIn(each: unknown, path: JsonPath = []): { path: JsonPath; found: unknown }[] {
	const here = { path, found: each };
	if (typeof each !== 'object' || each === null) return [here];
	const members = Array.isArray(each) ? [...each.entries()] : Object.entries(each);
	return [
		here,
		...members.flatMap(([step, member]) => placesIn(member, [...path, step as string])),
	];
}

function numbered(path: JsonPath, root: unknown): JsonPath {
	let each = root;
	return path.map((step) => {
		const isArray = Array.isArray(each);
		each = (each as Record<string, unknown>)[step as string];
		return isArray ? Number(step) : step;
	});
}

describe('an edit of JSON', () => {
	it('puts a value in its place and leaves every other byte as it was', () => {
		fc.assert(
			fc.property(
				document,
				fc.nat(),
				fc.oneof(hostileText, fc.integer()),
				(text, choice, wanted) => {
					const root: unknown = JSON.parse(text);
					const places = placesIn(root).filter(({ found }) => typeof found === typeof wanted);
					const place = places[choice % Math.max(places.length, 1)];
					if (!place) return;
					const bytes = bytesOf(text);
					const path = numbered(place.path, root);
					const edited = editJson(bytes, [{ path, value: wanted }]);
					// Two keys that differ in case alone are refused: some readers take them for one.
					if (!edited.ok) return;
					const after = new TextDecoder('utf-8', { ignoreBOM: true }).decode(edited.bytes);
					const well = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
					// What is the same at both ends is all but the two spellings of one value.
					const old = JSON.stringify(place.found);
					const made = JSON.stringify(wanted);
					let from = 0;
					while (from < well.length && well[from] === after[from]) from += 1;
					let end = 0;
					while (end < well.length - from && well.at(-1 - end) === after.at(-1 - end)) end += 1;
					expect(well.length - from - end).toBeLessThanOrEqual(old.length + 5);
					expect(after.length - from - end).toBeLessThanOrEqual(made.length);
				},
			),
			runs(800),
		);
	});

	it('takes elements out of an array and leaves those that stay, in their spelling', () => {
		const list = fc.array(document, { minLength: 1, maxLength: 6 });
		fc.assert(
			fc.property(list, fc.array(fc.nat(5), { maxLength: 4 }), (items, some) => {
				const remove = new Set(some.filter((at) => at < items.length));
				const bytes = bytesOf(`{"x":1, "list": [${items.join(',')}] ,"y":2}`);
				const edited = editJson(bytes, [{ path: ['list'], remove }]);
				expect(edited.ok).toBe(true);
				if (!edited.ok) return;
				if (remove.size === 0) expect(edited.bytes).toBe(bytes);
				const after = new TextDecoder('utf-8', { ignoreBOM: true }).decode(edited.bytes);
				const kept = items.filter((_, at) => !remove.has(at));
				const whole = JSON.parse(
					`[${kept.map((each) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(each))).join(',')}]`,
				) as unknown;
				expect(JSON.parse(after)).toEqual({ x: 1, list: whole, y: 2 });
				expect(after.startsWith('{"x":1, "list": [')).toBe(true);
				expect(after.endsWith('] ,"y":2}')).toBe(true);
			}),
			runs(800),
		);
	});

	const index = {
		manifests: [
			{ digest: 'sha256:a', size: 1, platform: { os: 'linux' } },
			{ digest: 'sha256:b', size: 2 },
		],
		annotations: { a: 'b' },
	};
	const edits: readonly JsonEdit[] = [
		{ path: ['manifests'], remove: new Set([0]) },
		{ path: ['manifests', 1, 'digest'], value: 'sha256:c' },
		{ path: ['manifests', 1, 'size'], value: 3 },
		{ path: ['manifests', 0], once: ['digest', 'size'] },
		{ path: ['annotations'], once: ['a'] },
	];

	it('of what is damaged gives JSON that says what was asked for, or a reason', () => {
		const damaged = fc.oneof(
			damagedJson(index).map(bytesOf),
			damagedBytes(bytesOf(JSON.stringify(index, null, 2))),
		);
		fc.assert(
			fc.property(damaged, (bytes) => {
				const edited = editJson(bytes, edits);
				if (!edited.ok) {
					expect(edited.reason).toMatch(/^(?:is|has|holds|begins)/);
					return;
				}
				const { manifests } = JSON.parse(new TextDecoder().decode(edited.bytes)) as typeof index;
				expect(manifests[0]).toMatchObject({ digest: 'sha256:c', size: 3 });
			}),
			runs(1500),
		);
	});

	it.each<[string, (n: number) => string]>([
		['nested brackets', (n) => `${'['.repeat(n)}${']'.repeat(n)}`],
		['backslashes', (n) => JSON.stringify('\\'.repeat(n))],
		['quotes', (n) => JSON.stringify('"'.repeat(n))],
		['blanks', (n) => `[${' '.repeat(n)}]`],
		[
			'keys',
			(n) =>
				JSON.stringify(
					Object.fromEntries(Array.from({ length: n / 10 }, (_, at) => [`k${at}`, 0])),
				),
		],
		['digits', (n) => '1'.repeat(n)],
	])('passes over very many %s in linear time', (_, make) => {
		expectLinear(
			(n) => bytesOf(`{"skipped":${make(n)},"a":"b"}`),
			(bytes) => editJson(bytes, [{ path: ['a'], value: 'c' }]),
			30_000,
		);
	});
});

describe('JSON of strangers', () => {
	it('is a value or a half sentence, never an error', () => {
		const deep = fc.nat(5000).map((depth) => '['.repeat(depth) + ']'.repeat(depth));
		fc.assert(
			fc.property(fc.oneof(deep, hostileText, document), (text) => {
				const read = readJson(text);
				if (read.ok) expect(JSON.stringify(read.value)).toBeTypeOf('string');
				else expect(read.why).toMatch(/^it is /);
			}),
			runs(500),
		);
	});

	it('is printed as the same value, with nothing in it that steers a terminal', () => {
		fc.assert(
			fc.property(
				fc.oneof(value, hostileText),
				fc.constantFrom(undefined, '\t'),
				(each, indent) => {
					const text = printJson(each, indent);
					expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(each)));
					expect(text).not.toMatch(
						/[^\P{Cc}\n\t]|[\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Cs}/u,
					);
				},
			),
			runs(500),
		);
	});

	it('is measured in linear time', () => {
		expectLinear((n) => `[${'{"a":[0]},'.repeat(n)}0]`, readJson, 10_000);
		expectLinear((n) => `${'['.repeat(n)}${']'.repeat(n)}`, readJson, 30_000);
	});
});
