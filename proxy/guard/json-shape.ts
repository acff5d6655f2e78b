/** D6: what JSON.parse lets pass and an API should not. Looks at the text once, before it is parsed. */

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** The place of the quote that ends the string; the length of the text where none does. */
function endOfString(text: string, start: number): number {
	let at = start + 1;
	while (at < text.length) {
		const code = text.charCodeAt(at);
		if (code === quote) return at;
		at += code === backslash ? 2 : 1;
	}
	return text.length;
}

function isFollowedByColon(text: string, end: number): boolean {
	let at = end + 1;
	while (at < text.length && text.charCodeAt(at) <= 0x20) at += 1;
	return text.charCodeAt(at) === colon;
}

/** A key as JSON.parse would read it: `"\u0061"` is `a`. */
function readKey(literal: string): string {
	try {
		const key: unknown = JSON.parse(literal);
		return typeof key === 'string' ? key : literal;
	} catch {
		return literal;
	}
}

function judgeKey(literal: string, seen: Set<string>): string | undefined {
	const key = literal.includes('\\') ? readKey(literal) : literal.slice(1, -1);
	if (key === '__proto__') return 'The body has a key “__proto__”.';
	if (seen.has(key)) return `The body has the key “${key.slice(0, 100)}” twice.`;
	seen.add(key);
	return undefined;
}

/**
 * Why this text is not taken: nested deeper than allowed, a key twice in one object, or `__proto__`.
 * Undefined where it is fine, or no JSON at all: that is for JSON.parse to say. Takes linear time.
 */
export function judgeJsonShape(text: string, deepest: number): string | undefined {
	/** one entry an open container: the keys so far for an object, null for an array */
	const open: (Set<string> | null)[] = [];
	for (let at = 0; at < text.length; at += 1) {
		const code = text.charCodeAt(at);
		if (code === quote) {
			const end = endOfString(text, at);
			const keys = open.at(-1);
			if (keys && isFollowedByColon(text, end)) {
				const reason = judgeKey(text.slice(at, end + 1), keys);
				if (reason !== undefined) return reason;
			}
			at = end;
		} else if (code === openBrace || code === openBracket) {
			open.push(code === openBrace ? new Set() : null);
			if (open.length > deepest) return `The body is nested deeper than ${deepest} levels.`;
		} else if (code === closeBrace || code === closeBracket) {
			open.pop();
		}
	}
	return undefined;
}
