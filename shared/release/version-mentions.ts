/** Where a payload names its version besides the places that are made for it. */

/** One place; a line may hold several. */
export interface VersionMention {
	/** without the payload's folder */
	readonly file: string;
	/** 1 for the first */
	readonly line: number;
	/** the line as it was, or the part of it around the place, without blanks at its ends */
	readonly text: string;
	/** false where it stays as it is */
	readonly rewritten: boolean;
}

/** Characters from `from` up to, not including, `to`. */
export interface Span {
	readonly from: number;
	readonly to: number;
}

const longestText = 200;
const textBefore = 80;

/** What may follow a version without being a part of it: neither `4.12.01` nor `4.12.0-rc.8`, but `4.12.0.` and `4.12.0_x`. */
const continuation = /[0-9A-Za-z]|[-+.][0-9A-Za-z]/y;

function continues(text: string, at: number): boolean {
	continuation.lastIndex = at;
	return continuation.test(text);
}

/** Of `14.12.0` and `1.4.12.0` it would only be an end; `v4.12.0` and `release-4.12.0` name it. */
function isWhole(text: string, { from, to }: Span): boolean {
	return !/[0-9.]/.test(text.charAt(from - 1)) && !continues(text, to);
}

/**
 * The places where `version` stands whole.
 * @param text one character for each byte
 * @param except what is not looked into, in order
 */
export function findVersion(
	text: string,
	version: string,
	except: readonly Span[] = [],
): readonly Span[] {
	const found: Span[] = [];
	let next = 0;
	for (let from = text.indexOf(version); from >= 0; from = text.indexOf(version, from + 1)) {
		const span = { from, to: from + version.length };
		while ((except[next]?.to ?? Infinity) <= from) next += 1;
		const isInside = (except[next]?.from ?? Infinity) < span.to;
		if (!isInside && isWhole(text, span)) found.push(span);
	}
	return found;
}

/** The places for people, with their lines. `bytes` and `text` are the same, byte for character. */
export function toMentions(
	bytes: Uint8Array,
	text: string,
	spans: readonly Span[],
): readonly Pick<VersionMention, 'line' | 'text'>[] {
	const decoder = new TextDecoder('utf-8');
	const endOfLine = (start: number) => {
		const newline = text.indexOf('\n', start);
		return newline < 0 ? text.length : newline;
	};
	let line = 1;
	let lineStart = 0;
	// Looked for once a line: a file may be one long line that names the version everywhere.
	let lineEnd = endOfLine(0);
	return spans.map(({ from }) => {
		for (; lineEnd < from; lineEnd = endOfLine(lineStart)) {
			line += 1;
			lineStart = lineEnd + 1;
		}
		const isLong = lineEnd - lineStart > longestText;
		const start = isLong ? Math.max(lineStart, from - textBefore) : lineStart;
		const shown = bytes.subarray(start, Math.min(lineEnd, start + longestText));
		return { line, text: decoder.decode(shown).trim() };
	});
}
