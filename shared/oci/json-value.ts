/** JSON of strangers as a value that may be walked: nothing genuine is nested deep, and deep nesting ends programs. */

const deepest = 100;

function isContainer(value: unknown): value is object {
	return typeof value === 'object' && value !== null;
}

/** Level by level, without recursion. */
function isTooDeep(value: unknown): boolean {
	let level = isContainer(value) ? [value] : [];
	for (let depth = 0; level.length > 0; depth += 1) {
		if (depth === deepest) return true;
		const below: object[] = [];
		for (const container of level) {
			for (const member of Object.values(container)) if (isContainer(member)) below.push(member);
		}
		level = below;
	}
	return false;
}

/** `why` is half a sentence: `it is not JSON`. */
export type JsonReading =
	{ readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string };

/** `JSON.parse`, for text of strangers. Never throws. */
export function readJson(text: string): JsonReading {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return { ok: false, why: 'it is not JSON' };
	}
	return isTooDeep(value)
		? { ok: false, why: `it is JSON nested deeper than ${deepest} levels` }
		: { ok: true, value };
}

/** Written out, as what counts as a format character differs from one Unicode version to the next. */
const steering = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/**
 * `JSON.stringify` of the same value, in which nothing steers a terminal or turns the reading direction: what would
 * is escaped. The same text on every machine.
 */
export function printJson(value: unknown, indent?: string): string {
	return JSON.stringify(value, null, indent).replace(
		steering,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}
