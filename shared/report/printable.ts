/** A stranger's text, fit to be shown: nothing in it moves a cursor, turns the reading direction, or fills the screen. */

const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const longestShown = 2_000;

/** The same for files: tabs and line breaks stay, and nothing is cut. */
export function printableLines(text: string): string {
	return text.replace(invisible, (character) =>
		/[\t\r\n]/.test(character) ? character : '\uFFFD',
	);
}

/** D22: control and format characters (also bidirectional ones) and halves of pairs become visible; what is very long is cut. */
export function printable(text: string, longest = longestShown): string {
	const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
	return cut.replace(invisible, '\uFFFD');
}
