/** What a file is that somebody brings: a public key or a signature. */
import { readPackets, tags } from './packets.ts';

const armoredKey = /-----BEGIN PGP PUBLIC KEY BLOCK-----/;

/** True for public keys, armored (also below a comment) or not. Everything else is taken for a signature. */
export function isPublicKeyFile(bytes: Uint8Array): boolean {
	const [first = 0] = bytes;
	if ((first & 0x80) === 0) {
		return armoredKey.test(new TextDecoder().decode(bytes.subarray(0, 4_000)));
	}
	const tag = (first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f;
	return tag === tags.publicKey;
}

/** False for what is no OpenPGP at all: such a file says nothing of any release. Text that says it is PGP counts. */
export function isLikeSignature(bytes: Uint8Array): boolean {
	if (/-----BEGIN PGP [A-Z ]+-----/.test(new TextDecoder().decode(bytes.subarray(0, 4_000)))) {
		return true;
	}
	return readPackets(bytes) !== undefined;
}

/** @param name the file's, for people */
export function noSignatureSentence(name: string): string {
	return `${name} is not a signature; nothing was checked.`;
}
