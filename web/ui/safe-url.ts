/** D9: a link out of a stranger's document: http and https only, else undefined. */
export function safeUrl(value: unknown): string | undefined {
	if (typeof value !== 'string' || !URL.canParse(value)) return undefined;
	const { protocol, href } = new URL(value);
	return protocol === 'https:' || protocol === 'http:' ? href : undefined;
}
