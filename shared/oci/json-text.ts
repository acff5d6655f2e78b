/** Edits JSON as text: what is not touched stays byte for byte as it was. */

/** Object keys and positions in arrays, from the outermost value inwards. */
export type JsonPath = readonly (string | number)[];

export type JsonEdit =
	/** Puts another string or number in the place of one of the same kind. */
	| { readonly path: JsonPath; readonly value: string | number }
	/** Removes elements of an array, by position. */
	| { readonly path: JsonPath; readonly remove: ReadonlySet<number> }
	/** Changes nothing, but is refused where an object has one of these keys twice. They need not be there. */
	| { readonly path: JsonPath; readonly once: readonly string[] };

export type EditedJson =
	| { readonly ok: true; readonly bytes: Uint8Array }
	/** Half a sentence, without subject: `is not JSON`. */
	| { readonly ok: false; readonly reason: string };

/** The edits at and below one value. */
interface EditTree {
	readonly below: Map<string | number, EditTree>;
	value?: string | number;
	remove?: ReadonlySet<number>;
	once?: readonly string[];
}

interface Splice {
	readonly from: number;
	readonly to: number;
	readonly text: string;
}

class Refusal extends Error {}

function treeOf(edits: readonly JsonEdit[]): EditTree {
	const root: EditTree = { below: new Map() };
	for (const edit of edits) {
		let tree = root;
		for (const step of edit.path) {
			const next = tree.below.get(step) ?? { below: new Map() };
			tree.below.set(step, next);
			tree = next;
		}
		if ('value' in edit) tree.value = edit.value;
		else if ('remove' in edit) tree.remove = edit.remove;
		else tree.once = edit.once;
	}
	return root;
}

/** Some readers take keys without regard to case, U+017F and U+212A included (Go's encoding/json). */
function folded(key: string): string {
	return key.toUpperCase().toLowerCase();
}

const blank = /[ \t\n\r]*/y;
const scalar = /[^ \t\n\r,\]}]+/y;
const bracketOrString = /["[\]{}]/g;

function endOf(pattern: RegExp, text: string, at: number): number {
	pattern.lastIndex = at;
	pattern.exec(text);
	return pattern.lastIndex;
}

/** The end of a string. A pattern would overflow the stack on a very long one with escapes. */
function endOfString(text: string, from: number): number {
	for (let at = text.indexOf('"', from + 1); ; at = text.indexOf('"', at + 1)) {
		let backslashes = 0;
		while (text[at - 1 - backslashes] === '\\') backslashes += 1;
		if (backslashes % 2 === 0) return at + 1;
	}
}

/** Without recursion: strangers may nest as deep as their bytes allow. */
function endOfValue(text: string, from: number): number {
	const first = text[from];
	if (first === '"') return endOfString(text, from);
	if (first !== '{' && first !== '[') return endOf(scalar, text, from);
	let depth = 0;
	let at = from;
	do {
		bracketOrString.lastIndex = at;
		const match = bracketOrString.exec(text);
		const [found] = match ?? [];
		at = match ? match.index : text.length;
		if (found === '"') {
			at = endOfString(text, at);
			continue;
		}
		depth += found === '{' || found === '[' ? 1 : -1;
		at += 1;
	} while (depth > 0);
	return at;
}

/** Goes through a text that `JSON.parse` took, along the paths of the edits, and notes what to change. */
class Surgeon {
	readonly #text: string;
	readonly splices: Splice[] = [];

	constructor(text: string) {
		this.#text = text;
	}

	/** Returns where the value ends. */
	visit(from: number, tree: EditTree, path: string): number {
		const first = this.#text[from];
		const { value, remove, once, below } = tree;
		if (value !== undefined) return this.#replace(from, value, path);
		if (!remove && !once && below.size === 0) return endOfValue(this.#text, from);
		if (first === '{' && !remove) return this.#visitObject(from, tree, path);
		if (first === '[' && !once) return this.#visitArray(from, tree, path);
		throw new Refusal(`holds something else than expected at ${path || 'its top'}`);
	}

	#skip(at: number): number {
		return endOf(blank, this.#text, at);
	}

	#replace(from: number, value: string | number, path: string): number {
		const to = endOfValue(this.#text, from);
		const written = this.#text.slice(from, to);
		const isContainer = written.startsWith('{') || written.startsWith('[');
		const found: unknown = isContainer ? undefined : JSON.parse(written);
		if (typeof found !== typeof value) throw new Refusal(`has no ${typeof value} at ${path}`);
		if (found !== value) this.splices.push({ from, to, text: JSON.stringify(value) });
		return to;
	}

	#visitObject(from: number, tree: EditTree, path: string): number {
		const { members, end } = this.#membersOf(from);
		const wanted = [...tree.below.keys(), ...(tree.once ?? [])];
		this.#refuseRepeated(members, wanted, path);
		for (const { key, at } of members) {
			const below = tree.below.get(key);
			if (below) this.visit(at, below, path ? `${path}.${key}` : key);
			tree.below.delete(key);
		}
		this.#refuseMissing(tree, path);
		return end;
	}

	#refuseRepeated(
		members: readonly { key: string }[],
		wanted: readonly (string | number)[],
		path: string,
	): void {
		const keys = new Set(wanted.map((key) => folded(String(key))));
		const seen = new Set<string>();
		for (const { key } of members) {
			const name = folded(key);
			if (keys.has(name) && seen.has(name)) {
				throw new Refusal(`has ${JSON.stringify(key)} twice${path && ` at ${path}`}`);
			}
			seen.add(name);
		}
	}

	/** Each key, and where its value begins. */
	#membersOf(from: number): { members: readonly { key: string; at: number }[]; end: number } {
		const members: { key: string; at: number }[] = [];
		let at = this.#skip(from + 1);
		while (this.#text[at] !== '}') {
			const keyEnd = endOfString(this.#text, at);
			const key = String(JSON.parse(this.#text.slice(at, keyEnd)));
			const valueAt = this.#skip(this.#skip(keyEnd) + 1);
			members.push({ key, at: valueAt });
			at = this.#skip(endOfValue(this.#text, valueAt));
			if (this.#text[at] === ',') at = this.#skip(at + 1);
		}
		return { members, end: at + 1 };
	}

	#refuseMissing({ below }: EditTree, path: string): void {
		for (const key of below.keys()) {
			throw new Refusal(`has nothing at ${path ? `${path}.${key}` : key}`);
		}
	}

	#visitArray(from: number, tree: EditTree, path: string): number {
		const spans: { from: number; to: number }[] = [];
		const { remove = new Set<number>() } = tree;
		let at = this.#skip(from + 1);
		while (this.#text[at] !== ']') {
			const position = spans.length;
			const below = tree.below.get(position);
			const before = this.splices.length;
			const to = below ? this.visit(at, below, `${path}.${position}`) : endOfValue(this.#text, at);
			if (remove.has(position)) this.splices.length = before;
			tree.below.delete(position);
			spans.push({ from: at, to });
			at = this.#skip(to);
			if (this.#text[at] === ',') at = this.#skip(at + 1);
		}
		this.#refuseMissing(tree, path);
		this.#removeElements(spans, remove, path);
		return at + 1;
	}

	/** With the comma and the blanks that led to it; the first ones, with those that follow. */
	#removeElements(
		spans: readonly { from: number; to: number }[],
		remove: ReadonlySet<number>,
		path: string,
	): void {
		for (const position of remove) {
			if (!spans[position]) throw new Refusal(`has nothing at ${path}.${position}`);
		}
		const firstKept = spans.findIndex((_, position) => !remove.has(position));
		for (const [position, { from, to }] of spans.entries()) {
			if (!remove.has(position)) continue;
			const before = spans[position - 1];
			const after = spans[position + 1];
			const isLeading = firstKept < 0 || position < firstKept;
			if (isLeading) this.splices.push({ from, to: after?.from ?? to, text: '' });
			else this.splices.push({ from: before?.to ?? from, to, text: '' });
		}
	}
}

function applySplices(text: string, splices: readonly Splice[]): string {
	const parts: string[] = [];
	let at = 0;
	for (const splice of splices.toSorted((a, b) => a.from - b.from)) {
		parts.push(text.slice(at, splice.from), splice.text);
		at = splice.to;
	}
	return parts.join('') + text.slice(at);
}

function readText(bytes: Uint8Array): string {
	let text: string;
	try {
		text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
	} catch {
		throw new Refusal('is not UTF-8');
	}
	if (text.startsWith('\uFEFF')) throw new Refusal('begins with a byte order mark');
	try {
		JSON.parse(text);
	} catch {
		throw new Refusal('is not JSON');
	}
	return text;
}

/**
 * Carries out edits. Every path must be there, and be there once: where a key on it is repeated
 * the text could be read in two ways, and is refused. An edit below a removed element must be possible, but changes
 * nothing.
 * Where nothing changes, the result is the very same array.
 */
export function editJson(bytes: Uint8Array, edits: readonly JsonEdit[]): EditedJson {
	try {
		const text = readText(bytes);
		const surgeon = new Surgeon(text);
		surgeon.visit(endOf(blank, text, 0), treeOf(edits), '');
		if (surgeon.splices.length === 0) return { ok: true, bytes };
		return { ok: true, bytes: new TextEncoder().encode(applySplices(text, surgeon.splices)) };
	} catch (error) {
		if (error instanceof Refusal) return { ok: false, reason: error.message };
		throw error;
	}
}
