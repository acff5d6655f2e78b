/** What a file is that somebody brings: a public key or a signature. */
import { tags } from './packets.ts';

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
