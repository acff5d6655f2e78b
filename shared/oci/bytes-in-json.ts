/** Exact bytes inside JSON: as text where they are UTF-8, which survives byte for byte (also a BOM), else as base64. */

export type JsonBytes = { readonly text: string } | { readonly base64: string };

const atOnce = 0x8000;

/** RFC 4648 §4 */
function toBase64(bytes: Uint8Array): string {
	let binary = '';
	for (let at = 0; at < bytes.length; at += atOnce) {
		binary += String.fromCharCode(...bytes.subarray(at, at + atOnce));
	}
	return btoa(binary);
}

export function toJsonBytes(bytes: Uint8Array): JsonBytes {
	try {
		return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
	} catch {
		return { base64: toBase64(bytes) };
	}
}

/** The text decides where both are there. Undefined for text that is not base64. */
export function fromJsonBytes({
	text,
	base64 = '',
}: {
	readonly text?: string | undefined;
	readonly base64?: string | undefined;
}): Uint8Array | undefined {
	if (text !== undefined) return new TextEncoder().encode(text);
	try {
		return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
	} catch {
		return undefined;
	}
}
