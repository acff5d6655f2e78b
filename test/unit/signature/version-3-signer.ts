/** Signatures of version 3, as signers made them before RFC 4880: openpgp.js makes none. */
import { createHash, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import type { PrivateKey, Subkey } from 'openpgp';
import { joinBytes } from '../../../shared/archive/join-bytes.ts';

type KeyPacket = (PrivateKey | Subkey)['keyPacket'];
type RsaNumbers = Record<'n' | 'e' | 'd' | 'p' | 'q' | 'u', Uint8Array>;

function big(bytes: Uint8Array): bigint {
	return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

function base64url(number: Uint8Array | bigint): string {
	if (typeof number !== 'bigint') return Buffer.from(number).toString('base64url');
	const hex = number.toString(16);
	return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}

/** The same key for node:crypto. OpenPGP’s `u` is p⁻¹ mod q, so p and q change places. */
function nodeKey(packet: KeyPacket): KeyObject {
	const { privateParams } = packet as KeyPacket & { privateParams: object };
	const { n, e, d, p, q, u } = { ...packet.publicParams, ...privateParams } as RsaNumbers;
	const numbers = { n, e, d, p: q, q: p, dp: big(d) % (big(q) - 1n), dq: big(d) % (big(p) - 1n) };
	const jwk = Object.entries({ ...numbers, qi: u }).map(([name, it]) => [name, base64url(it)]);
	return createPrivateKey({
		key: { kty: 'RSA', ...(Object.fromEntries(jwk) as Record<string, string>) },
		format: 'jwk',
	});
}

/** RFC 9580 §9.5 */
const hashNumbers = { md5: 1, sha1: 2, ripemd160: 3, sha256: 8, sha384: 9, sha512: 10, sha224: 11 };
export type HashName = keyof typeof hashNumbers;

function octets(value: number, count: number): Uint8Array {
	return Uint8Array.from({ length: count }, (_, at) => (value >>> (8 * (count - 1 - at))) & 0xff);
}

/** RFC 9580 §4.2.1, with a length of five octets */
export function packet(tag: number, body: Uint8Array): Uint8Array {
	return joinBytes([Uint8Array.of(0xc0 | tag, 0xff), octets(body.length, 4), body]);
}

/** RFC 9580 §3.2 */
export function multiprecision(bytes: Uint8Array): Uint8Array {
	const start = bytes.findIndex((octet) => octet !== 0);
	const digits = bytes.subarray(start);
	return joinBytes([octets(digits.length * 8 - Math.clz32(digits[0] ?? 0) + 24, 2), digits]);
}

export interface Version3Options {
	readonly hash?: HashName;
	readonly type?: number;
	readonly created?: Date;
	/** what is told of the key; its own algorithm otherwise */
	readonly keyAlgorithm?: number;
	/** in place of the signature’s own numbers */
	readonly numbers?: Uint8Array;
}

export const signedAt = new Date('2025-02-01T00:00:00Z');

/** The body of a signature packet over `text`. */
export function version3Body(
	text: string,
	key: KeyPacket,
	{ hash = 'sha256', type = 0, created = signedAt, ...told }: Version3Options = {},
): Uint8Array {
	const hashed = joinBytes([Uint8Array.of(type), octets(created.getTime() / 1000, 4)]);
	const data = joinBytes([new TextEncoder().encode(text), hashed]);
	const left = createHash(hash).update(data).digest().subarray(0, 2);
	const number = told.numbers ?? multiprecision(sign(hash, data, nodeKey(key)));
	return joinBytes([
		Uint8Array.of(3, 5),
		hashed,
		Buffer.from(key.getKeyID().toHex(), 'hex'),
		Uint8Array.of(told.keyAlgorithm ?? key.algorithm, hashNumbers[hash]),
		left,
		number,
	]);
}

function literal(text: string): Uint8Array {
	const head = Uint8Array.of('b'.charCodeAt(0), 0, 0, 0, 0, 0);
	return packet(11, joinBytes([head, new TextEncoder().encode(text)]));
}

/** RFC 9580 §5.4, version 3: the last two octets of the head of a signature, its key, and that it is the last one */
function onePass(body: Uint8Array): Uint8Array {
	const [type = 0, hash = 0, keyAlgorithm = 0] = [body[2], body[16], body[15]];
	const head = Uint8Array.of(3, type, hash, keyAlgorithm);
	return packet(4, joinBytes([head, body.subarray(7, 15), Uint8Array.of(1)]));
}

/** Announced and behind what is signed, as GnuPG writes it. */
export function onePassMessage(text: string, body: Uint8Array): Uint8Array {
	return joinBytes([onePass(body), literal(text), packet(2, body)]);
}

/** Before what is signed, as PGP wrote it. */
export function oldMessage(text: string, body: Uint8Array): Uint8Array {
	return joinBytes([packet(2, body), literal(text)]);
}
