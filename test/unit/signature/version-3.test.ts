import fc from 'fast-check';
import { generateKey, revokeKey, type PrivateKey } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { isDigest, type Digest } from '../../../shared/oci/digest.ts';
import { openEnvelope } from '../../../shared/signature/envelope.ts';
import { judgeSignatures } from '../../../shared/signature/judge.ts';
import { verifySigned } from '../../../shared/signature/openpgp.ts';
import { readVersion3 } from '../../../shared/signature/packets.ts';
import { readStatement } from '../../../shared/signature/statement.ts';
import type { SignatureVerdict } from '../../../shared/signature/verdict.ts';
import { fixturesMissing, skippedWithoutFixtures } from '../../support/fixtures.ts';
import {
	genuineVersion3,
	makeSigner,
	redHatFingerprint,
	redHatKeys,
	statement,
} from './genuine.ts';
import {
	multiprecision,
	oldMessage,
	onePassMessage,
	signedAt,
	version3Body,
	type HashName,
	type Version3Options,
} from './version-3-signer.ts';

const now = Date.parse('2027-01-01T00:00:00Z');

function digest(text: string): Digest {
	if (!isDigest(text)) throw new Error(`no digest: ${text}`);
	return text;
}

const ours = digest(`sha256:${'a1'.repeat(32)}`);
const text = statement(ours);

function judge(subject: Digest, bytes: Uint8Array, keys: Uint8Array): Promise<SignatureVerdict> {
	const signatures = [{ from: 'signature-1', bytes }];
	const keyrings = [{ name: 'key', bytes: keys, from: 'user' as const }];
	return judgeSignatures(subject, { signatures, asked: [], problems: [] }, keyrings, {
		verify: verifySigned,
		now,
	});
}

function reasons(verdict: SignatureVerdict): string {
	return 'reasons' in verdict ? verdict.reasons.join('\n') : verdict.kind;
}

function opened(bytes: Uint8Array): { message: Uint8Array; body: Uint8Array } {
	const envelope = openEnvelope(bytes);
	if (!envelope.ok) throw new Error(envelope.reason);
	return envelope;
}

function statedDigest(bytes: Uint8Array): Digest {
	const read = readStatement(opened(bytes).body);
	if (!read.ok) throw new Error(read.reason);
	return digest(read.statement.digest);
}

function changed(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
	return bytes.map((octet, index) => (index === at ? octet ^ mask : octet));
}

/** Changes bytes at random; what stays valid is still by the same signer, at the same time, for the same digest. */
async function expectNoForgery(message: Uint8Array, subject: Digest, keys: Uint8Array) {
	const good = await judge(subject, message, keys);
	expect(good.kind).toBe('valid');
	const change = fc.tuple(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 }));
	await fc.assert(
		fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
			const bytes = changes.reduce((all, [at, mask]) => changed(all, at, mask), message);
			const verdict = await judge(subject, bytes, keys);
			if (verdict.kind === 'valid') expect(verdict).toEqual(good);
		}),
		{ numRuns: process.env['ESPALIER_LONG'] === '1' ? 2_000 : 150 },
	);
}

describe.skipIf(fixturesMissing)(
	`genuine signatures of version 3${fixturesMissing ? ` (${skippedWithoutFixtures})` : ''}`,
	() => {
		it.each([
			[1, '2022-08-01T09:17:07Z'],
			[2, '2022-08-01T09:17:07Z'],
			[3, '2022-08-01T09:17:08Z'],
			[4, '2022-08-01T09:17:08Z'],
		] as const)('are valid with Red Hat’s key: number %i', async (number, time) => {
			const bytes = genuineVersion3(number);
			const verdict = await judge(statedDigest(bytes), bytes, redHatKeys());
			expect(verdict).toMatchObject({
				kind: 'valid',
				trust: 'well-known',
				signatures: [{ fingerprint: redHatFingerprint, signedAt: Date.parse(time) }],
			});
		});

		it('are bad for another digest, with another key, and of another statement', async () => {
			const bytes = genuineVersion3(1);
			const stated = statedDigest(bytes);
			expect((await judge(ours, bytes, redHatKeys())).kind).toBe('bad');
			const stranger = await judge(stated, bytes, (await makeSigner()).keyring);
			expect(reasons(stranger)).toContain('199E2F91FD431D51');
			const { message } = opened(bytes);
			const other = changed(message, Buffer.from(message).indexOf('docker-reference') + 20);
			expect((await judge(stated, other, redHatKeys())).kind).toBe('bad');
		});

		it('are never taken for what they do not say, whatever bytes are changed', async () => {
			const bytes = genuineVersion3(2);
			await expectNoForgery(opened(bytes).message, statedDigest(bytes), redHatKeys());
		});
	},
);

async function makeRsa(
	options: { readonly date?: Date; readonly keyExpirationTime?: number } = {},
): Promise<PrivateKey> {
	const { privateKey } = await generateKey({
		type: 'rsa',
		rsaBits: 2048,
		userIDs: [{ name: 'Older Signer', email: 'older@example.com' }],
		subkeys: [{ sign: true }, {}],
		format: 'object',
		date: new Date('2025-01-01T00:00:00Z'),
		...options,
	});
	return privateKey;
}

describe('a signature of version 3', () => {
	let key: PrivateKey;
	let keys: Uint8Array;
	let body: Uint8Array;

	beforeAll(async () => {
		key = await makeRsa();
		keys = new Uint8Array(key.toPublic().write());
		body = version3Body(text, key.keyPacket);
	}, 60_000);

	const judged = (bytes: Uint8Array, keyring = keys) => judge(ours, bytes, keyring);
	const made = (options: Version3Options) =>
		judged(onePassMessage(text, version3Body(text, key.keyPacket, options)));

	it.each([
		['behind what it signs', onePassMessage],
		['before what it signs', oldMessage],
	])('is valid %s', async (_, message) => {
		expect(await judged(message(text, body))).toMatchObject({
			kind: 'valid',
			trust: 'given',
			signatures: [
				{
					fingerprint: key.getFingerprint().toUpperCase(),
					userId: 'Older Signer <older@example.com>',
					signedAt: signedAt.getTime(),
					identity: 'registry.example.com/ocp/release:4.20.0',
				},
			],
		});
	});

	it.each(['sha224', 'sha256', 'sha384', 'sha512'] as const)('is valid with %s', async (hash) => {
		expect((await made({ hash })).kind).toBe('valid');
	});

	it('is valid where it signs the statement as text', async () => {
		expect((await made({ type: 1 })).kind).toBe('valid');
	});

	it('is valid by a subkey that signs, and names the primary key', async () => {
		const [subkey] = key.subkeys;
		const bySubkey = version3Body(text, subkey!.keyPacket);
		expect(await judged(onePassMessage(text, bySubkey))).toMatchObject({
			kind: 'valid',
			signatures: [{ fingerprint: key.getFingerprint().toUpperCase() }],
		});
	});

	it('is bad by a subkey that only encrypts', async () => {
		const [, subkey] = key.subkeys;
		const byOther = version3Body(text, subkey!.keyPacket);
		const verdict = await judged(onePassMessage(text, byOther));
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain('Could not find valid signing key');
	});

	it('is bad for another digest or another text', async () => {
		const other = digest(`sha256:${'b2'.repeat(32)}`);
		expect((await judge(other, onePassMessage(text, body), keys)).kind).toBe('bad');
		const exchanged = await judge(other, onePassMessage(statement(other), body), keys);
		expect(exchanged.kind).toBe('bad');
		expect(reasons(exchanged)).toContain('did not match');
	});

	it.each([
		['another type', 2, 'did not match'],
		['another time', 6, 'did not match'],
		['another key ID', 14, 'not in “key”'],
		['another hash', 16, ''],
		['other left bits', 17, 'did not match'],
		['another number', 200, 'verification failed'],
	])('is bad with %s', async (_, at, why) => {
		const verdict = await judged(oldMessage(text, changed(body, at)));
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain(why);
	});

	it('is bad where it was made by a key of the same ID only', async () => {
		const stranger = await makeRsa();
		const forged = version3Body(text, stranger.keyPacket);
		forged.set(body.subarray(7, 15), 7);
		expect(reasons(await judged(onePassMessage(text, forged)))).toContain('verification failed');
	}, 60_000);

	it.each([
		['cut short in its number', (whole: Uint8Array) => whole.subarray(0, -1)],
		['cut short before its number', (whole: Uint8Array) => whole.subarray(0, 19)],
		['cut short in its head', (whole: Uint8Array) => whole.subarray(0, 12)],
		['longer than its number', (whole: Uint8Array) => Uint8Array.from([...whole, 0, 1, 1])],
		['of another hashed length', (whole: Uint8Array) => changed(whole, 1)],
	])('is bad where it is %s', async (_, change) => {
		const verdict = await judged(onePassMessage(text, change(body)));
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain('not whole');
	});

	it.each(['md5', 'sha1', 'ripemd160'] satisfies HashName[])(
		'is bad with the weak hash %s',
		async (hash) => {
			const verdict = await made({ hash });
			expect(verdict.kind).toBe('bad');
			expect(reasons(verdict)).toMatch(/Insecure (message )?hash/);
		},
	);

	it('is bad where the key had run out, was not made yet, or the time has not come', async () => {
		const date = new Date('2024-01-01T00:00:00Z');
		const short = await makeRsa({ date, keyExpirationTime: 3600 });
		const by = (created: Date) =>
			judged(
				onePassMessage(text, version3Body(text, short.keyPacket, { created })),
				new Uint8Array(short.toPublic().write()),
			);
		expect((await by(new Date('2024-01-01T00:10:00Z'))).kind).toBe('valid');
		expect(reasons(await by(signedAt))).toContain('expired');
		expect(reasons(await by(new Date('2023-12-31T00:00:00Z')))).toContain('newer');
		expect(reasons(await by(new Date('2031-01-01T00:00:00Z')))).toContain('future');
	}, 60_000);

	it('is bad where the key was revoked', async () => {
		const { publicKey } = await revokeKey({ key, format: 'object', date: signedAt });
		const verdict = await judged(onePassMessage(text, body), new Uint8Array(publicKey.write()));
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toMatch(/revoked/i);
	});

	it('cannot be checked where it is by a DSA key, or not of a document', async () => {
		const pair = [Uint8Array.of(7, 7), Uint8Array.of(9)].map(multiprecision);
		const numbers = new Uint8Array(Buffer.concat(pair));
		const dsa = await made({ keyAlgorithm: 17, numbers });
		expect(dsa.kind).toBe('unchecked');
		expect(reasons(dsa)).toContain('RSA keys only; its algorithm is number 17');
		const certification = await made({ type: 0x10 });
		expect(certification.kind).toBe('unchecked');
		expect(reasons(certification)).toContain('not of a document');
	});

	it('cannot be checked in a version that is not read at all', async () => {
		const verdict = await judged(onePassMessage(text, changed(body, 0)));
		expect(verdict.kind).toBe('unchecked');
		expect(reasons(verdict)).toContain('version 2, which is not read');
	});

	it('is never taken for what it does not say, whatever bytes are changed', async () => {
		await expectNoForgery(onePassMessage(text, body), ours, keys);
	});
});

it('a packet of version 3 is read or left, whatever is in it', () => {
	const head = fc.constantFrom([], [3], [3, 5]);
	fc.assert(
		fc.property(head, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
			const read = readVersion3(Uint8Array.from([...start, ...rest]));
			if (read) expect(read.hashed).toHaveLength(5);
		}),
	);
});
