/** Where a page of a static host may look for its proxy: on the reader's own computer, and nowhere else. */

/** Names that browsers take for this computer before they look anything up. A policy for a page cannot name `[::1]`. */
const address = /^(?:http:\/\/)?(127\.0\.0\.1|localhost)(?::(\d{1,5}))?\/?$/i;

/**
 * The origin of a proxy, such as `http://127.0.0.1:4763`, from an address as people write it.
 * @returns undefined where it is not an address of this computer, or more than that
 */
export function parseProxyAddress(text: string): string | undefined {
	const [, host, port] = address.exec(text.trim()) ?? [];
	if (host === undefined || Number(port ?? 80) > 65_535) return undefined;
	return new URL(`http://${host}:${port ?? 80}`).origin;
}
