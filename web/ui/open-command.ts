/** What to type to open this page with the key of the own Espalier. */

/** All that a shell could take for more than text is written as a URL writes it. */
function quiet(text: string): string {
	return text.replace(
		/[^\w.:/%~-]/g,
		(char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
	);
}

/**
 * @param page where it lies; whoever made the link chose its path
 * @param route written anew from what was understood
 */
export function openCommand(
	{ origin, pathname }: { readonly origin: string; readonly pathname: string },
	route: string,
): string {
	const site = quiet(origin);
	return `npx --no espalier open --allow-origin ${site} "${site}${quiet(pathname)}${route}"`;
}
