/** Whether signatures vouch for a digest: the rules of clusters (library-go, pkg/verify), and how far the key is trusted. */
import type { Digest } from '../oci/digest.ts';
import type { Problem } from '../registry/problem.ts';
import { openEnvelope } from './envelope.ts';
import { isWellKnown } from './known-keys.ts';
import { readStatement, type Statement } from './statement.ts';
import { trusts, type GoodSignature, type SignatureVerdict, type Trust } from './verdict.ts';
import type { SignedMessage, Signer, VerifySigned } from './verify-signed.ts';

export interface Keyring {
	/** the file's name, or the key of the payload's ConfigMap */
	readonly name: string;
	readonly bytes: Uint8Array;
	readonly from: 'user' | 'payload';
}

export interface FoundSignature {
	/** the store or file, for people */
	readonly from: string;
	readonly bytes: Uint8Array;
}

/** All that was found out about the signatures of one digest. */
export interface Evidence {
	readonly signatures: readonly FoundSignature[];
	/** The stores that said what they have, and the files that were read. */
	readonly asked: readonly string[];
	readonly problems: readonly Problem[];
}

export interface JudgeOptions {
	readonly verify: VerifySigned;
	/** the present, in milliseconds since 1970 */
	readonly now: number;
}

/** One signature that says what it should; by whom is still open. */
interface Candidate {
	readonly from: string;
	readonly message: Uint8Array;
	readonly statement: Statement;
	/** why it cannot be checked with any key */
	readonly unreadable: string | undefined;
}

interface Refusal {
	readonly kind: 'bad' | 'unchecked';
	readonly reason: string;
}

function about({ from }: { readonly from: string }, reason: string): string {
	return `${from}: ${reason}`;
}

function readCandidate(found: FoundSignature, digest: Digest): Candidate | Refusal {
	const bad = (reason: string): Refusal => ({ kind: 'bad', reason: about(found, reason) });
	const envelope = openEnvelope(found.bytes);
	if (!envelope.ok) return bad(envelope.reason);
	const read = readStatement(envelope.body);
	if (!read.ok) return bad(read.reason);
	const { statement } = read;
	if (statement.digest !== digest) {
		return bad(`It is for ${statement.digest} (${statement.identity}), not for ${digest}.`);
	}
	const { message, unreadable } = envelope;
	return { from: found.from, message, statement, unreadable };
}

function refusalOf(message: Exclude<SignedMessage, { kind: 'signed' }>, keyring: Keyring): Refusal {
	switch (message.kind) {
		case 'refused':
			return { kind: 'bad', reason: message.reason };
		case 'unavailable':
			return { kind: 'unchecked', reason: message.reason };
		case 'other-key': {
			const ids = message.keyIds.map((id) => id.toUpperCase()).join(', ');
			const by = ids === '' ? 'a key' : `the key with the ID ${ids}`;
			return { kind: 'bad', reason: `It is signed by ${by}, which is not in “${keyring.name}”.` };
		}
		case 'keyring-unreadable': {
			const reason = `The public key “${keyring.name}” cannot be read. ${message.reason}`;
			return { kind: 'unchecked', reason };
		}
	}
}

function trustIn({ fingerprint }: Signer, { from }: Keyring): Trust {
	if (isWellKnown(fingerprint)) return 'well-known';
	return from === 'user' ? 'given' : 'payload';
}

async function verifyCandidate(
	candidate: Candidate,
	keyring: Keyring,
	{ verify, now }: JudgeOptions,
): Promise<GoodSignature | Refusal> {
	if (candidate.unreadable !== undefined) {
		return { kind: 'unchecked', reason: about(candidate, candidate.unreadable) };
	}
	const found = await verify({ message: candidate.message, keyring: keyring.bytes, now });
	if (found.kind !== 'signed') {
		const { kind, reason } = refusalOf(found, keyring);
		return { kind, reason: about(candidate, reason) };
	}
	// What the library verified decides, not what was read before.
	const read = readStatement(found.body);
	if (!read.ok || read.statement.digest !== candidate.statement.digest) {
		return { kind: 'bad', reason: about(candidate, 'What it signs can be read in two ways.') };
	}
	const { identity } = read.statement;
	const trust = trustIn(found.signer, keyring);
	return { ...found.signer, keyring: keyring.name, trust, identity, from: candidate.from };
}

interface Judged {
	/** the first good signature of each keyring that has one */
	readonly good: readonly GoodSignature[];
	readonly refusals: readonly Refusal[];
}

async function judgeAll(
	digest: Digest,
	signatures: readonly FoundSignature[],
	keyrings: readonly Keyring[],
	options: JudgeOptions,
): Promise<Judged> {
	const read = signatures.map((found) => readCandidate(found, digest));
	const refusals = read.flatMap((one) => ('kind' in one ? [one] : []));
	const candidates = read.flatMap((one) => ('kind' in one ? [] : [one]));
	const good: GoodSignature[] = [];
	for (const keyring of keyrings) {
		for (const candidate of candidates) {
			const one = await verifyCandidate(candidate, keyring, options);
			if ('kind' in one) {
				refusals.push(one);
				continue;
			}
			good.push(one);
			break;
		}
	}
	return { good, refusals };
}

function withoutSignatures({ asked, problems }: Evidence): SignatureVerdict {
	if (problems.length > 0) {
		return { kind: 'unchecked', reasons: problems.map(({ reason }) => reason) };
	}
	if (asked.length > 0) return { kind: 'none', asked };
	return { kind: 'unchecked', reasons: ['No place was named where signatures could be.'] };
}

function best(signatures: readonly GoodSignature[]): Trust {
	return trusts.find((trust) => signatures.some((one) => one.trust === trust)) ?? 'payload';
}

/** Every keyring must have verified one signature at least; any signature may serve several. */
function isComplete(good: readonly GoodSignature[], keyrings: readonly Keyring[]): boolean {
	return keyrings.length > 0 && good.length === keyrings.length;
}

/**
 * Judges the signatures of one digest.
 * @param keyrings those of the user where there are any, else the payload's
 */
export async function judgeSignatures(
	digest: Digest,
	evidence: Evidence,
	keyrings: readonly Keyring[],
	options: JudgeOptions,
): Promise<SignatureVerdict> {
	const { signatures } = evidence;
	if (signatures.length === 0) return withoutSignatures(evidence);
	const { good, refusals } = await judgeAll(digest, signatures, keyrings, options);
	if (isComplete(good, keyrings)) return { kind: 'valid', trust: best(good), signatures: good };
	if (keyrings.length === 0 && refusals.length < signatures.length) {
		const reason = 'There is a signature, but no public key: the payload names none.';
		return { kind: 'unchecked', reasons: [reason] };
	}
	const kind = refusals.some((one) => one.kind === 'unchecked') ? 'unchecked' : 'bad';
	const reasons = new Set(refusals.filter((one) => one.kind === kind).map(({ reason }) => reason));
	return { kind, reasons: [...reasons] };
}
