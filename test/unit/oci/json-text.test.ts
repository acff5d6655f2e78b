import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editJson, type JsonEdit, type JsonPath } from '../../../shared/oci/json-text.ts';

const utf8 = new TextEncoder();

function edit(text: string, ...edits: JsonEdit[]): string {
	const edited = editJson(utf8.encode(text), edits);
	return edited.ok ? new TextDecoder().decode(edited.bytes) : `refused: it ${edited.reason}`;
}

function without(...positions: number[]): JsonEdit {
	return { path: ['m'], remove: new Set(positions) };
}

describe('editing JSON as text', () => {
	it.each<[string, string, JsonEdit, string]>([
		[
			'replaces a string where it is',
			'{ "a" : {"b":["x" , "y"]} }',
			{ path: ['a', 'b', 1], value: 'z"' },
			'{ "a" : {"b":["x" , "z\\""]} }',
		],
		[
			'replaces a number, however it is written',
			'{"a":1.0e2,"b":1}\n',
			{ path: ['a'], value: 7 },
			'{"a":7,"b":1}\n',
		],
		[
			'leaves a value that is already right as it is written',
			'{"a":1.0e2,"b":"\\u0078"}',
			{ path: ['a'], value: 100 },
			'{"a":1.0e2,"b":"\\u0078"}',
		],
		[
			'finds a key that is written with escapes',
			'{"\\u0061":1}',
			{ path: ['a'], value: 2 },
			'{"\\u0061":2}',
		],
		[
			'is not misled by brackets and quotes in strings',
			'{"s":"]}\\\\\\",{[","a":1}',
			{ path: ['a'], value: 2 },
			'{"s":"]}\\\\\\",{[","a":2}',
		],
		['removes the first element', '{"m": [1, 2,\t3]}', without(0), '{"m": [2,\t3]}'],
		['removes one in the middle', '{"m": [1, 2,\t3]}', without(1), '{"m": [1,\t3]}'],
		['removes the last', '{"m": [1, 2,\t3 ]}', without(2), '{"m": [1, 2 ]}'],
		['removes several at once', '{"m":[1,2,3,4,5]}', without(0, 1, 3), '{"m":[3,5]}'],
		['removes all', '{"m":[ 1, 2 ]}', without(0, 1), '{"m":[  ]}'],
		[
			'keeps the lines of those that stay',
			'{\n  "m": [\n    {"a":1},\n    {"a":2},\n    {"a":3}\n  ]\n}',
			without(1),
			'{\n  "m": [\n    {"a":1},\n    {"a":3}\n  ]\n}',
		],
	])('%s', (_, text, change, expected) => {
		expect(edit(text, change)).toBe(expected);
	});

	it('replaces and removes in one go', () => {
		const edits: JsonEdit[] = [
			{ path: ['m', 2, 'd'], value: 'new' },
			{ path: ['m', 0, 'd'], value: 'ignored with its element' },
			without(0),
		];
		expect(edit('{"m":[{"d":"a"},{"d":"b"},{"d":"c"}]}', ...edits)).toBe(
			'{"m":[{"d":"b"},{"d":"new"}]}',
		);
	});

	it('gives back the very same bytes where nothing changes', () => {
		const bytes = utf8.encode('{"a" : [1, "x"]}\n');
		const edits: JsonEdit[] = [
			{ path: ['a', 1], value: 'x' },
			{ path: ['a'], remove: new Set() },
		];
		for (const each of [[], edits]) {
			const edited = editJson(bytes, each);
			expect(edited.ok && edited.bytes).toBe(bytes);
		}
	});

	it.each<[string, string | Uint8Array, JsonEdit, string]>([
		[
			'a key that is there twice',
			'{"a":1,"b":0,"a":1}',
			{ path: ['a'], value: 2 },
			'has "a" twice',
		],
		[
			'a key repeated with escapes',
			'{"a":1,"\\u0061":1}',
			{ path: ['a'], value: 2 },
			'has "a" twice',
		],
		[
			'keys that some readers take for one',
			'{"A":1,"a":1}',
			{ path: ['a'], value: 2 },
			'has "a" twice',
		],
		[
			'a key repeated further in',
			'{"a":{"b":1,"b":2}}',
			{ path: ['a', 'b'], value: 2 },
			'has "b" twice at a',
		],
		['a path that is not there', '{"a":{}}', { path: ['a', 'b'], value: 2 }, 'has nothing at a.b'],
		['a position that is not there', '{"m":[1]}', without(1), 'has nothing at m.1'],
		['a value of another kind', '{"a":"1"}', { path: ['a'], value: 2 }, 'has no number at a'],
		[
			'an object where a value is meant',
			'{"a":{}}',
			{ path: ['a'], value: 2 },
			'has no number at a',
		],
		[
			'a removal from what is no array',
			'{"m":{}}',
			without(0),
			'holds something else than expected at m',
		],
		['what is no JSON', '{"a":1,}', { path: ['a'], value: 2 }, 'is not JSON'],
		[
			'a byte order mark',
			'\uFEFF{"a":1}',
			{ path: ['a'], value: 2 },
			'begins with a byte order mark',
		],
		[
			'what is no UTF-8',
			new Uint8Array([0x22, 0xff, 0x22]),
			{ path: [], value: 'x' },
			'is not UTF-8',
		],
	])('refuses %s', (_, input, change, reason) => {
		const bytes = typeof input === 'string' ? utf8.encode(input) : input;
		expect(editJson(bytes, [change])).toEqual({ ok: false, reason });
	});

	it('does not mind a repeated key beside its path', () => {
		expect(edit('{"x":1,"x":2,"a":1}', { path: ['a'], value: 2 })).toBe('{"x":1,"x":2,"a":2}');
	});

	it.each<[string, string, JsonEdit, string]>([
		[
			'beside what is edited',
			'{"d":1,"p":1,"p":2}',
			{ path: [], once: ['p', 'q'] },
			'has "p" twice',
		],
		['in another case', '{"p":1,"P":2}', { path: [], once: ['p'] }, 'has "P" twice'],
		[
			'with letters that some readers take for an s and a k',
			'{"sk":1,"\u017F\u212A":2}',
			{ path: [], once: ['sk'] },
			'has "\u017F\u212A" twice',
		],
		[
			'in an element',
			'{"m":[{},{"p":1,"p":2}]}',
			{ path: ['m', 1], once: ['p'] },
			'has "p" twice at m.1',
		],
		[
			'in what is no object',
			'{"m":[1]}',
			{ path: ['m'], once: ['p'] },
			'holds something else than expected at m',
		],
	])('refuses a key %s that must not be repeated', (_, text, check, reason) => {
		expect(editJson(utf8.encode(text), [check])).toEqual({ ok: false, reason });
	});

	it('looks for repeated keys in removed elements too', () => {
		const check: JsonEdit = { path: ['m', 0], once: ['p'] };
		expect(edit('{"m":[{"p":1,"p":2},{}]}', check, without(0))).toBe(
			'refused: it has "p" twice at m.0',
		);
		expect(edit('{"m":[{"p":1,"x":1,"x":2},{}]}', check, without(0))).toBe('{"m":[{}]}');
	});

	it('is not brought down by deep nesting or long strings', () => {
		const deep = `{"x":${'['.repeat(4000)}${']'.repeat(4000)},"s":"${'\\\\'.repeat(500_000)}","a":1}`;
		expect(edit(deep, { path: ['a'], value: 2 })).toBe(deep.replace('"a":1', '"a":2'));
	});

	it('changes what it should and nothing else, for any document', () => {
		fc.assert(
			fc.property(
				fc.jsonValue({ maxDepth: 4 }),
				fc.constantFrom(undefined, 1, '\t'),
				fc.nat(),
				fc.oneof(fc.integer(), fc.string({ unit: 'grapheme' })),
				(value, indent, pick, replacement) => {
					const text = JSON.stringify(value, undefined, indent);
					const places = placesIn(JSON.parse(text), []);
					const place = places[pick % Math.max(places.length, 1)];
					if (!place) return;
					const change: JsonEdit =
						place.kind === 'array'
							? { path: place.path, remove: new Set([pick % place.length]) }
							: { path: place.path, value: place.kind === 'number' ? pick : String(replacement) };
					const edited = edit(text, change);
					const expected = changed(JSON.parse(text), change);
					expect(JSON.parse(edited)).toEqual(expected);
					expect(isOneSplice(text, edited, place.written)).toBe(true);
				},
			),
			{ numRuns: 500 },
		);
	});
});

type Place = { path: JsonPath; written: number } & (
	{ kind: 'array'; length: number } | { kind: 'string' | 'number' }
);

/** Everything that can be edited. */
function placesIn(value: unknown, path: JsonPath): Place[] {
	const written = JSON.stringify(value, undefined, '\t').length + 200;
	if (typeof value === 'string') return [{ path, kind: 'string', written }];
	if (typeof value === 'number') return [{ path, kind: 'number', written }];
	if (Array.isArray(value)) {
		const below = value.flatMap((each, at) => placesIn(each, [...path, at]));
		return value.length > 0
			? [{ path, kind: 'array', length: value.length, written }, ...below]
			: [];
	}
	if (typeof value !== 'object' || value === null) return [];
	const keys = Object.keys(value).map((key) => key.toUpperCase().toLowerCase());
	if (new Set(keys).size < keys.length) return [];
	return Object.entries(value).flatMap(([key, each]) => placesIn(each, [...path, key]));
}

/** The same edit, made on the value. */
function changed(value: unknown, change: JsonEdit): unknown {
	const [step, ...rest] = change.path;
	if (step === undefined) {
		if ('value' in change) return change.value;
		const remove = 'remove' in change ? change.remove : new Set();
		return (value as unknown[]).filter((_, at) => !remove.has(at));
	}
	const copy = structuredClone(value) as Record<string | number, unknown>;
	Object.defineProperty(copy, step, {
		value: changed(copy[step], { ...change, path: rest }),
		enumerable: true,
		configurable: true,
		writable: true,
	});
	return copy;
}

/** True where only one stretch differs, no longer than what was to be edited. */
function isOneSplice(before: string, after: string, most: number): boolean {
	let head = 0;
	while (head < before.length && before[head] === after[head]) head += 1;
	let tail = 0;
	while (
		tail < Math.min(before.length, after.length) - head &&
		before.at(-1 - tail) === after.at(-1 - tail)
	) {
		tail += 1;
	}
	return before.length - head - tail <= most;
}
