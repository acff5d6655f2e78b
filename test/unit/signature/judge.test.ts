import { deflateRawSync } from 'node:zlib';
import { createMessage, createCleartextMessage, sign } from 'openpgp';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isDigest, type Digest } from '../../../shared/oci/digest.ts';
import { openEnvelope } from '../../../shared/signature/envelope.ts';
import { verifySigned } from '../../../shared/signature/openpgp.ts';
import { verifyOnDemand } from '../../../shared/signature/openpgp-on-demand.ts';
import { judgeSignatures, type Keyring } from '../../../shared/signature/judge.ts';
import type { SignatureVerdict } from '../../../shared/signature/verdict.ts';
import { fixturesMissing, skippedWithoutFixtures } from '../../support/fixtures.ts';
import {
	damagedKey,
	genuineDigest,
	genuineSignature,
	makeSigner,
	redHatFingerprint,
	redHatKeys,
	revoked,
	signText,
	statement,
	weak,
	type OwnSigner,
} from './genuine.ts';

function digest(text: string): Digest {
	if (!isDigest(text)) throw new Error(`no digest: ${text}`);
	return text;
}

const now = Date.parse('2027-01-01T00:00:00Z');
const ours = digest(`sha256:${'a1'.repeat(32)}`);
const other = digest(`sha256:${'b2'.repeat(32)}`);

function keyring(bytes: Uint8Array, from: Keyring['from'] = 'payload', name = 'key'): Keyring {
	return { name, bytes, from };
}

function judge(
	subject: Digest,
	signatures: readonly Uint8Array[],
	keyrings: readonly Keyring[],
	at = now,
): Promise<SignatureVerdict> {
	const evidence = {
		signatures: signatures.map((bytes, index) => ({ from: `signature-${index + 1}`, bytes })),
		asked: ['https://store.example.com'],
		problems: [],
	};
	return judgeSignatures(subject, evidence, keyrings, { verify: verifySigned, now: at });
}

function reasons(verdict: SignatureVerdict): string {
	return 'reasons' in verdict ? verdict.reasons.join('\n') : verdict.kind;
}

/** Compressed by nobody, so that every bit of it can be turned on purpose. */
function uncompressed(bytes: Uint8Array): Uint8Array {
	const envelope = openEnvelope(bytes);
	if (!envelope.ok) throw new Error(envelope.reason);
	return envelope.message;
}

function turned(bytes: Uint8Array, at: number, bit = 1): Uint8Array {
	const changed = Uint8Array.from(bytes);
	changed[at] = (changed[at] ?? 0) ^ bit;
	return changed;
}

function indexOf(bytes: Uint8Array, text: string): number {
	return Buffer.from(bytes).indexOf(text);
}

describe.skipIf(fixturesMissing)(
	`a genuine signature${fixturesMissing ? ` (${skippedWithoutFixtures})` : ''}`,
	() => {
		const subject = digest(genuineDigest);
		const genuine = () => judge(subject, [genuineSignature()], [keyring(redHatKeys())]);

		it('is valid with Red Hat’s key, trusted by its fingerprint even where the payload brought it', async () => {
			expect(await genuine()).toEqual({
				kind: 'valid',
				trust: 'well-known',
				signatures: [
					{
						fingerprint: redHatFingerprint,
						userId: 'Red Hat, Inc. (release key 2) <security@redhat.com>',
						signedAt: Date.parse('2024-02-26T16:00:12Z'),
						keyring: 'key',
						trust: 'well-known',
						identity: 'quay.io/openshift-release-dev/ocp-release:4.15.0-x86_64',
						from: 'signature-1',
					},
				],
			});
		});

		it('is bad for any other digest', async () => {
			const verdict = await judge(other, [genuineSignature()], [keyring(redHatKeys())]);
			expect(verdict.kind).toBe('bad');
			expect(reasons(verdict)).toContain(`It is for ${genuineDigest}`);
		});

		it('is bad with any other key', async () => {
			const { keyring: stranger } = await makeSigner();
			const verdict = await judge(subject, [genuineSignature()], [keyring(stranger)]);
			expect(verdict.kind).toBe('bad');
			expect(reasons(verdict)).toContain('199E2F91FD431D51');
		});

		it('is bad once any bit of what it signs is turned', async () => {
			const message = uncompressed(genuineSignature());
			const start = indexOf(message, '{"critical"');
			for (let at = start; at < start + 327; at += 13) {
				const verdict = await judge(subject, [turned(message, at)], [keyring(redHatKeys())]);
				expect(verdict.kind, `byte ${at}`).toBe('bad');
			}
		});

		it('is bad once a bit of the signature itself is turned', async () => {
			const message = uncompressed(genuineSignature());
			for (const back of [1, 100, 400, 520]) {
				const changed = turned(message, message.length - back);
				const verdict = await judge(subject, [changed], [keyring(redHatKeys())]);
				expect(verdict.kind, `${back} from the end`).not.toBe('valid');
			}
		});

		it('is bad with bytes after its end, packed or not', async () => {
			const trailing = (bytes: Uint8Array) => Uint8Array.from([...bytes, 0]);
			for (const bytes of [genuineSignature(), uncompressed(genuineSignature())]) {
				expect((await judge(subject, [trailing(bytes)], [keyring(redHatKeys())])).kind).toBe('bad');
			}
		});

		it('is bad without its last bytes', async () => {
			for (const bytes of [genuineSignature(), uncompressed(genuineSignature())]) {
				const verdict = await judge(subject, [bytes.subarray(0, -1)], [keyring(redHatKeys())]);
				expect(verdict.kind).toBe('bad');
			}
		});

		it('cannot be checked with a key file that is damaged', async () => {
			const verdict = await judge(subject, [genuineSignature()], [keyring(damagedKey())]);
			expect(verdict.kind).toBe('unchecked');
			expect(reasons(verdict)).toContain('cannot be read');
		});

		it('never comes out as anything but a verdict, and never as valid, whatever bytes are changed', async () => {
			const packed = genuineSignature();
			const plain = uncompressed(packed);
			const keys = keyring(redHatKeys());
			const runs = process.env['ESPALIER_LONG'] === '1' ? 2_000 : 150;
			await fc.assert(
				fc.asyncProperty(
					fc.boolean(),
					fc.array(fc.tuple(fc.nat(plain.length - 1), fc.integer({ min: 1, max: 255 })), {
						minLength: 1,
						maxLength: 4,
					}),
					async (isPacked, changes) => {
						const bytes = Uint8Array.from(isPacked ? packed : plain);
						for (const [at, mask] of changes) {
							bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
						}
						const verdict = await judge(subject, [bytes], [keys]);
						if (verdict.kind !== 'valid') return;
						// What is not signed may change: the names and dates in the frame, not who said what.
						expect(verdict).toMatchObject(await genuine());
					},
				),
				{ numRuns: runs },
			);
		});
	},
);

describe('the signatures of a digest', () => {
	let signer: OwnSigner;
	let second: OwnSigner;
	let good: Uint8Array;

	beforeAll(async () => {
		signer = await makeSigner();
		second = await makeSigner('Second Signer');
		good = await signText(statement(ours), signer);
	});

	it('are trusted by the file that the user gave', async () => {
		const verdict = await judge(ours, [good], [keyring(signer.keyring, 'user', 'key.asc')]);
		expect(verdict).toMatchObject({
			kind: 'valid',
			trust: 'given',
			signatures: [{ fingerprint: signer.fingerprint, keyring: 'key.asc' }],
		});
	});

	it('say so where only the payload vouches for its own key', async () => {
		expect(await judge(ours, [good], [keyring(signer.keyring)])).toMatchObject({
			kind: 'valid',
			trust: 'payload',
		});
	});

	it('are read with a key that is not armored too', async () => {
		const bytes = keyring(new Uint8Array(signer.publicKey.write()), 'user');
		expect((await judge(ours, [good], [bytes])).kind).toBe('valid');
	});

	it('are valid where one is bad and another one is good', async () => {
		const bad = await signText(statement(other), signer);
		expect((await judge(ours, [bad, good], [keyring(signer.keyring)])).kind).toBe('valid');
	});

	it('must satisfy every key, one signature each', async () => {
		const both = [
			keyring(signer.keyring, 'payload', 'one'),
			keyring(second.keyring, 'user', 'two'),
		];
		const missing = await judge(ours, [good], both);
		expect(missing.kind).toBe('bad');
		expect(reasons(missing)).toContain('not in “two”');
		const more = await signText(statement(ours), second);
		expect(await judge(ours, [good, more], both)).toMatchObject({
			kind: 'valid',
			trust: 'given',
			signatures: [{ keyring: 'one' }, { keyring: 'two' }],
		});
	});

	it('are none only where stores were asked and have none', async () => {
		const judged = (asked: readonly string[], problems: readonly string[]) =>
			judgeSignatures(
				ours,
				{
					signatures: [],
					asked,
					problems: problems.map((reason) => ({ code: 'timeout', origin: 'registry', reason })),
				},
				[keyring(signer.keyring)],
				{ verify: verifySigned, now },
			);
		expect(await judged(['a'], [])).toEqual({ kind: 'none', asked: ['a'] });
		expect(await judged(['a'], ['b is slow.'])).toEqual({
			kind: 'unchecked',
			reasons: ['b is slow.'],
		});
		expect((await judged([], [])).kind).toBe('unchecked');
	});

	it.each([
		['no WebCrypto', 'The WebCrypto API is not available', 'over https or from the same computer'],
		['no library', 'Failed to fetch', 'Failed to fetch.'],
	])('cannot be checked in a page that has %s', async (_, message, why) => {
		const verify = verifyOnDemand(() => Promise.reject(new Error(message)));
		const signatures = [{ from: 'signature-1', bytes: good }];
		const evidence = { signatures, asked: [], problems: [] };
		const keys = [keyring(signer.keyring)];
		const verdict = await judgeSignatures(ours, evidence, keys, { verify, now });
		expect(verdict.kind).toBe('unchecked');
		expect(reasons(verdict)).toContain(why);
		const loaded = await judgeSignatures(ours, evidence, keys, { verify: verifyOnDemand(), now });
		expect(loaded.kind).toBe('valid');
	});

	it('cannot be checked where nobody says with which key', async () => {
		expect((await judge(ours, [good], [])).kind).toBe('unchecked');
		expect((await judge(other, [good], [])).kind).toBe('bad');
	});

	const critical = {
		type: 'atomic container signature',
		image: { 'docker-manifest-digest': ours },
		identity: { 'docker-reference': 'registry.example.com/r:1' },
	};
	it.each([
		['with a field more at the top', statement(ours, { more: 1 }), 'field “more”'],
		['with a field more inside', statement(ours, { critical: { ...critical, x: 1 } }), '“x”'],
		['with a field more beside', statement(ours, { optional: { note: 'x' } }), '“note”'],
		[
			'of another type',
			statement(ours, { critical: { ...critical, type: 'cosign container image signature' } }),
			'another type',
		],
		[
			'without an identity',
			statement(ours, { critical: { ...critical, identity: {} } }),
			'missing',
		],
		[
			'with an empty identity',
			statement(ours, { critical: { ...critical, identity: { 'docker-reference': '' } } }),
			'for which reference',
		],
		['that is no JSON', 'hello', 'not JSON'],
		['that goes on after its JSON', `${statement(ours)} {}`, 'not JSON'],
		['that is null', 'null', 'missing'],
		['for what is no digest', statement('latest'), 'no digest'],
	])('are bad where a statement is signed %s', async (_, text, why) => {
		const verdict = await judge(ours, [await signText(text, signer)], [keyring(signer.keyring)]);
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain(why);
	});

	it('need no optional part', async () => {
		const text = JSON.stringify({ critical });
		const verdict = await judge(ours, [await signText(text, signer)], [keyring(signer.keyring)]);
		expect(verdict.kind).toBe('valid');
	});

	it.each([
		['empty', () => new Uint8Array(), 'empty'],
		['larger than any signature', () => new Uint8Array(50_001), 'larger than 50000'],
		['text', () => new TextEncoder().encode('<html>not found</html>'), 'not an OpenPGP message'],
		['a public key', () => signer.keyring, 'public key block'],
		['a public key as bytes', () => new Uint8Array(signer.publicKey.write()), 'public key'],
	])('are bad where one is %s', async (_, make, why) => {
		const verdict = await judge(ours, [make()], [keyring(signer.keyring)]);
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain(why);
	});

	it('are bad where one is a clear-signed text', async () => {
		const message = await createCleartextMessage({ text: statement(ours) });
		const text: unknown = await sign({ message, signingKeys: signer.privateKey });
		const bytes = new TextEncoder().encode(String(text));
		const verdict = await judge(ours, [bytes], [keyring(signer.keyring)]);
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain('clear-signed');
	});

	it('are bad where one is detached, or signs nothing', async () => {
		const message = await createMessage({ binary: new TextEncoder().encode(statement(ours)) });
		const detached: unknown = await sign({
			message,
			signingKeys: signer.privateKey,
			detached: true,
			format: 'binary',
		});
		const alone = await judge(ours, [detached as Uint8Array], [keyring(signer.keyring)]);
		expect(reasons(alone)).toContain('detached');
		const unsigned = await judge(
			ours,
			[new Uint8Array(message.write())],
			[keyring(signer.keyring)],
		);
		expect(reasons(unsigned)).toContain('not signed');
		expect([alone.kind, unsigned.kind]).toEqual(['bad', 'bad']);
	});

	it('are bad where the statement was exchanged for another one', async () => {
		const hex = indexOf(good, 'a1a1a1');
		const changed = Uint8Array.from(good);
		changed.set(new TextEncoder().encode('b2'.repeat(32)), hex);
		const verdict = await judge(other, [changed], [keyring(signer.keyring)]);
		expect(verdict.kind).toBe('bad');
	});

	it('are bad where a signature was made with a weak hash', async () => {
		const verdict = await judge(ours, [weak.signature], [keyring(weak.key)]);
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toContain('too weak');
	});

	it('are bad where the key had run out or was revoked when it signed', async () => {
		const date = new Date('2024-01-01T00:00:00Z');
		const short = await makeSigner('Short', { date, keyExpirationTime: 3600 });
		const inTime = await signText(statement(ours), short, {
			date: new Date('2024-01-01T00:10:00Z'),
		});
		expect((await judge(ours, [inTime], [keyring(short.keyring)])).kind).toBe('valid');
		const gone = keyring(await revoked(signer), 'user');
		const verdict = await judge(ours, [good], [gone]);
		expect(verdict.kind).toBe('bad');
		expect(reasons(verdict)).toMatch(/revoked/i);
	});

	it('are bad where they come from the future', async () => {
		const verdict = await judge(ours, [good], [keyring(signer.keyring)], Date.UTC(2001, 0, 1));
		expect(verdict.kind).toBe('bad');
	});

	it('do not unpack without end', () => {
		// A deflate stream of one repeated byte, far beyond what any signature has.
		const bomb = Uint8Array.from([0xa3, 1, ...zeros()]);
		expect(openEnvelope(bomb)).toEqual({
			ok: false,
			reason: 'Its compressed part cannot be unpacked.',
		});
	});
});

function zeros(): Uint8Array {
	return new Uint8Array(deflateRawSync(Buffer.alloc(20 * 1024 * 1024)));
}
