/** Version 3 signatures (RFC 4880 §5.2.2) for openpgp.js, which reads none: only what is hashed differs. */
import { SignaturePacket, type LiteralDataPacket } from 'openpgp';
import { joinBytes } from '../archive/join-bytes.ts';
import type { Version3Signature } from './packets.ts';

/**
 * An RSA signature of version 3. Everything else of a check is the library's: the hash, RSA itself, weak hashes and
 * keys, and whether the key could sign at that time.
 */
export class Version3Packet extends SignaturePacket {
	/** How the library holds the number of an RSA signature. */
	readonly params: { readonly s: Uint8Array };
	declare readonly toSign: (type: number, data: LiteralDataPacket) => Uint8Array;

	constructor(signature: Version3Signature) {
		super();
		const { type, keyAlgorithm, hashAlgorithm, numbers } = signature;
		this.params = { s: numbers[0] ?? new Uint8Array() };
		this.version = 3;
		// Any number may stand there; the library refuses those that it does not know.
		Object.assign(this, { signatureType: type, publicKeyAlgorithm: keyAlgorithm, hashAlgorithm });
		this.created = new Date(signature.created);
		this.issuerKeyID.bytes = String.fromCharCode(...signature.keyId);
		this.signatureData = signature.hashed;
		this.signedHashValue = signature.left16Bits;
	}

	/** Called by the library's `verify`. Nothing follows the hashed part, as it does from version 4 on. */
	toHash(type: number, data: LiteralDataPacket): Uint8Array {
		return joinBytes([this.toSign(type, data), this.signatureData ?? new Uint8Array()]);
	}
}
