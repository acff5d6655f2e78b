/** Base64 (RFC 4648 §4) of bytes of any length, with what every platform has. */

const atOnce = 0x8000;

export function toBase64(bytes: Uint8Array): string {
	let binary = '';
	for (let at = 0; at < bytes.length; at += atOnce) {
		binary += String.fromCharCode(...bytes.subarray(at, at + atOnce));
	}
	return btoa(binary);
}

/** Undefined for text that is not base64. */
export function fromBase64(text: string): Uint8Array | undefined {
	try {
		return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
	} catch {
		return undefined;
	}
}
