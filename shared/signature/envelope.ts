/** Takes the OpenPGP envelope of a signature apart, without checking it: what it says, and what has to be checked. */
import { Inflate } from 'fflate';
import { joinBytes } from '../archive/join-bytes.ts';
import { signatureLimits } from './limits.ts';
import { readPackets, readVersion3, rsaAlgorithms, tags, type Packet } from './packets.ts';

export type Envelope =
	| {
			readonly ok: true;
			/** The signed message, uncompressed: one-pass signatures, the literal data, signatures. */
			readonly message: Uint8Array;
			/** The literal data: a statement, held by nobody yet. */
			readonly body: Uint8Array;
			/** Why none of its signatures can be checked at all; undefined where one can. */
			readonly unreadable: string | undefined;
	  }
	| { readonly ok: false; readonly reason: string };

function refused(reason: string): Envelope & { readonly ok: false } {
	return { ok: false, reason };
}

const unpackAtOnce = 512;

/** @throws Error for what is no whole deflate stream, or unpacks to more than any signature has */
function inflateAll(bytes: Uint8Array): Uint8Array {
	const parts: Uint8Array[] = [];
	let size = 0;
	const inflate = new Inflate((part) => {
		size += part.length;
		if (size > signatureLimits.unpackedBytes) throw new RangeError('too large');
		parts.push(part);
	});
	for (let at = 0; at < bytes.length; at += unpackAtOnce) {
		inflate.push(bytes.subarray(at, at + unpackAtOnce), at + unpackAtOnce >= bytes.length);
	}
	return joinBytes(parts);
}

/** True where the stream ends before its bytes do: it is whole without the last one. */
function hasTrailingBytes(deflated: Uint8Array): boolean {
	try {
		inflateAll(deflated.subarray(0, -1));
		return true;
	} catch {
		return false;
	}
}

/** The deflate stream of a compressed packet (RFC 9580 §5.6), without the frame that zlib puts around it. */
function deflatedPart(body: Uint8Array): Uint8Array | undefined {
	if (body[0] === 1) return body.subarray(1);
	return body[0] === 2 ? body.subarray(3, -4) : undefined;
}

function decompress(body: Uint8Array): Uint8Array | string {
	if (body[0] === 0) return body.subarray(1);
	const deflated = deflatedPart(body);
	if (!deflated) return 'It is compressed in a way that is not read.';
	try {
		const bytes = inflateAll(deflated);
		return hasTrailingBytes(deflated) ? 'It goes on after its end.' : bytes;
	} catch {
		return 'Its compressed part cannot be unpacked.';
	}
}

/** The text of literal data (RFC 9580 §5.9): after its format, file name and date. */
function literalText(body: Uint8Array): Uint8Array | undefined {
	const start = 2 + (body[1] ?? 0) + 4;
	return start <= body.length ? body.subarray(start) : undefined;
}

/** What else people put where a signed message should be. */
function otherContent(packets: readonly Packet[]): string {
	const found = new Set(packets.map(({ tag }) => tag));
	if (packets.every(({ tag }) => tag === tags.signature)) {
		return 'It is a detached signature, without the statement that it signs.';
	}
	if (tags.encrypted.some((tag) => found.has(tag))) return 'It is encrypted.';
	if (found.has(tags.publicKey)) return 'It is a public key, not a signature.';
	if (found.has(tags.literal) && !found.has(tags.signature)) return 'It is not signed.';
	return 'It is not one signed message.';
}

const readVersions: ReadonlySet<number> = new Set([3, 4, 6]);
/** of bytes, of text: RFC 9580 §5.2.1 */
const documentTypes: ReadonlySet<number> = new Set([0x00, 0x01]);

/** Version 3 went out of use with RFC 4880 and signers still used it in 2022, with RSA keys. */
function unreadableForm({ body }: Packet): string | undefined {
	const [version = 0] = body;
	if (!readVersions.has(version)) {
		return `It is an OpenPGP signature of version ${version}, which is not read.`;
	}
	const older = version === 3 ? readVersion3(body) : undefined;
	if (!older) return undefined;
	const what = 'It is an OpenPGP signature of version 3';
	if (!rsaAlgorithms.has(older.keyAlgorithm)) {
		return `${what}, which is read for RSA keys only; its algorithm is number ${older.keyAlgorithm}.`;
	}
	return documentTypes.has(older.type)
		? undefined
		: `${what} and of type ${older.type}, not of a document.`;
}

/** The only reason, or the first, where no signature is of a form that is read. */
function whyUnreadable(signatures: readonly Packet[]): string | undefined {
	const reasons = signatures.map(unreadableForm);
	return reasons.includes(undefined) ? undefined : reasons[0];
}

function isCutShort({ body }: Packet): boolean {
	return body.length === 0 || (body[0] === 3 && !readVersion3(body));
}

const messageShape = (() => {
	const one = String.fromCharCode(tags.onePass);
	const literal = String.fromCharCode(tags.literal);
	const signature = String.fromCharCode(tags.signature);
	return new RegExp(`^(?:${one}+${literal}${signature}+|${signature}+${literal})$`);
})();

function openMessage(message: Uint8Array): Envelope {
	const packets = readPackets(message);
	if (!packets) return refused('It is not an OpenPGP message.');
	if (!messageShape.test(String.fromCharCode(...packets.map(({ tag }) => tag)))) {
		return refused(otherContent(packets));
	}
	const signatures = packets.filter(({ tag }) => tag === tags.signature);
	if (signatures.length > signatureLimits.signersInMessage) {
		return refused(`It is signed ${signatures.length} times in one message.`);
	}
	const literal = packets.find(({ tag }) => tag === tags.literal);
	const body = literal && literalText(literal.body);
	if (!body) return refused('Its literal data is cut short.');
	if (signatures.some(isCutShort)) return refused('Its signature packet is not whole.');
	return { ok: true, message, body, unreadable: whyUnreadable(signatures) };
}

const textStart = /^\s*-----BEGIN PGP ([A-Z ]+)-----/;

/** Text where bytes are expected: a cluster does not take it either. */
function armoredContent(bytes: Uint8Array): string | undefined {
	const kind = textStart.exec(new TextDecoder().decode(bytes.subarray(0, 200)))?.[1];
	if (kind === undefined) return undefined;
	if (kind === 'SIGNED MESSAGE') return 'It is a clear-signed text.';
	if (kind === 'SIGNATURE') return 'It is a detached signature as text.';
	return `It is a PGP ${kind.toLowerCase()} as text; a signature is read as bytes only.`;
}

/** Takes a signature apart. Nothing of what it says may be believed before it is verified. */
export function openEnvelope(bytes: Uint8Array): Envelope {
	if (bytes.length === 0) return refused('It is empty.');
	if (bytes.length > signatureLimits.signatureBytes) {
		return refused(`It is larger than ${signatureLimits.signatureBytes} bytes.`);
	}
	const asText = armoredContent(bytes);
	if (asText !== undefined) return refused(asText);
	const outer = readPackets(bytes);
	if (!outer) return refused('It is not an OpenPGP message.');
	const [first] = outer;
	if (first?.tag !== tags.compressed) return openMessage(bytes);
	if (outer.length > 1) return refused('It goes on after its end.');
	const message = decompress(first.body);
	return typeof message === 'string' ? refused(message) : openMessage(message);
}
