/** OpenPGP packets (RFC 9580 §4): the framing alone. */
import { joinBytes } from '../archive/join-bytes.ts';

export interface Packet {
	readonly tag: number;
	readonly body: Uint8Array;
}

/** RFC 9580 §5 */
export const tags = {
	signature: 2,
	onePass: 4,
	publicKey: 6,
	compressed: 8,
	literal: 11,
	encrypted: [1, 3, 9, 18, 20],
} as const;

interface Length {
	/** how many octets say it */
	readonly octets: number;
	readonly bytes: number;
	/** more parts follow */
	readonly isPartial?: boolean;
}

function numberAt(bytes: Uint8Array, at: number, octets: number): number | undefined {
	if (at + octets > bytes.length) return undefined;
	return bytes.subarray(at, at + octets).reduce((sum, octet) => sum * 256 + octet, 0);
}

/** RFC 9580 §4.2.1 */
function newLength(bytes: Uint8Array, at: number): Length | undefined {
	const first = bytes[at];
	if (first === undefined) return undefined;
	if (first < 192) return { octets: 1, bytes: first };
	if (first < 224) {
		const second = bytes[at + 1];
		if (second === undefined) return undefined;
		return { octets: 2, bytes: (first - 192) * 256 + second + 192 };
	}
	if (first < 255) return { octets: 1, bytes: 2 ** (first & 0x1f), isPartial: true };
	const length = numberAt(bytes, at + 1, 4);
	return length === undefined ? undefined : { octets: 5, bytes: length };
}

/** RFC 9580 §4.2.2; the last type means all that is left */
function oldLength(bytes: Uint8Array, at: number, type: number): Length | undefined {
	if (type === 3) return { octets: 0, bytes: bytes.length - at };
	const octets = 2 ** type;
	const length = numberAt(bytes, at, octets);
	return length === undefined ? undefined : { octets, bytes: length };
}

interface ReadPacket extends Packet {
	readonly end: number;
}

function readPacket(bytes: Uint8Array, start: number): ReadPacket | undefined {
	const header = bytes[start] ?? 0;
	if ((header & 0x80) === 0) return undefined;
	const isNew = (header & 0x40) !== 0;
	const tag = isNew ? header & 0x3f : (header >> 2) & 0x0f;
	const parts: Uint8Array[] = [];
	let at = start + 1;
	for (;;) {
		const length = isNew ? newLength(bytes, at) : oldLength(bytes, at, header & 0x03);
		if (!length) return undefined;
		at += length.octets;
		if (at + length.bytes > bytes.length) return undefined;
		parts.push(bytes.subarray(at, at + length.bytes));
		at += length.bytes;
		if (!length.isPartial) return { tag, body: joinBytes(parts), end: at };
	}
}

const mostPackets = 64;

/** All packets; undefined where the bytes are not packets from the first to the last of them. */
export function readPackets(bytes: Uint8Array): readonly Packet[] | undefined {
	const packets: Packet[] = [];
	for (let at = 0; at < bytes.length;) {
		const packet = readPacket(bytes, at);
		if (!packet || packets.length === mostPackets) return undefined;
		packets.push(packet);
		at = packet.end;
	}
	return packets;
}

/** A signature packet of version 3 (RFC 4880 §5.2.2), as it stands there: nothing of it is verified. */
export interface Version3Signature {
	readonly type: number;
	/** in milliseconds since 1970 */
	readonly created: number;
	readonly keyId: Uint8Array;
	readonly keyAlgorithm: number;
	readonly hashAlgorithm: number;
	/** the part of the packet that is signed: type and creation time */
	readonly hashed: Uint8Array;
	/** of the hash, to tell early that it is another one */
	readonly left16Bits: Uint8Array;
	/** the signature's numbers: one where it is by an RSA key */
	readonly numbers: readonly Uint8Array[];
}

/** Multiprecision integers (RFC 9580 §3.2) up to the end; undefined where the last one is cut short. */
function readNumbers(bytes: Uint8Array): readonly Uint8Array[] | undefined {
	const numbers: Uint8Array[] = [];
	for (let at = 0; at < bytes.length;) {
		const bits = numberAt(bytes, at, 2);
		const end = at + 2 + Math.ceil((bits ?? 0) / 8);
		if (bits === undefined || end > bytes.length) return undefined;
		numbers.push(bytes.subarray(at + 2, end));
		at = end;
	}
	return numbers;
}

/** RFC 9580 §9.1 */
export const rsaAlgorithms: ReadonlySet<number> = new Set([1, 2, 3]);

const hashedOctets = 5;
const version3HeadOctets = 19;

/** The body of a signature packet that says version 3; undefined where it is not whole. */
export function readVersion3(body: Uint8Array): Version3Signature | undefined {
	const [version, hashedLength, type = 0] = body;
	if (version !== 3 || hashedLength !== hashedOctets) return undefined;
	const numbers = readNumbers(body.subarray(version3HeadOctets));
	const [keyAlgorithm = 0, hashAlgorithm = 0] = body.subarray(15);
	if (!numbers || numbers.length !== (rsaAlgorithms.has(keyAlgorithm) ? 1 : 2)) return undefined;
	return {
		type,
		created: (numberAt(body, 3, 4) ?? 0) * 1000,
		keyId: body.subarray(7, 15),
		keyAlgorithm,
		hashAlgorithm,
		hashed: body.subarray(2, 2 + hashedOctets),
		left16Bits: body.subarray(17, version3HeadOctets),
		numbers,
	};
}
