/** What signatures say of a release, as data and in words, and whether the release may pass. */
import * as z from 'zod';
import { abbreviate } from '../oci/digest.ts';
import {
	releaseVerdict,
	trusts,
	type GoodSignature,
	type SignatureVerdict,
	type SubjectVerdict,
	type SubjectVerdicts,
	type Trust,
} from '../signature/verdict.ts';
import { exitCodes, type GateResult } from './gate.ts';
import { escape } from './markdown.ts';
import { printable } from './printable.ts';

const verdictKinds = ['valid', 'none', 'bad', 'unchecked'] as const;
export type SignatureVerdictKind = (typeof verdictKinds)[number];

const goodSignatureSchema = z.object({
	/** upper-case hex digits of the primary key */
	fingerprint: z.string(),
	/** the key's own user ID */
	signedBy: z.string(),
	/** RFC 3339, by the signer's clock */
	signedAt: z.string(),
	/** the reference under which it was signed */
	identity: z.string(),
	/** why the key is believed: a built-in fingerprint, a file that the user gave, or only the payload itself */
	trust: z.enum(trusts),
	keyring: z.string(),
	/** the store or file */
	from: z.string(),
});

/** The field `signature` of `espalier audit --json`; there where signatures were looked at. */
export const signatureReportSchema = z.object({
	verdict: z.enum(verdictKinds),
	/** of a valid one */
	trust: z.enum(trusts).optional(),
	/** whether it is for the release's own digest, or for each of its images */
	covers: z.enum(['release', 'images']),
	/** for people */
	sentence: z.string(),
	subjects: z.array(
		z.object({
			digest: z.string(),
			/** absent for the release itself */
			platform: z.string().optional(),
			verdict: z.enum(verdictKinds),
			reasons: z.array(z.string()),
			signatures: z.array(goodSignatureSchema),
		}),
	),
});
export type SignatureReport = z.infer<typeof signatureReportSchema>;

const mostReasons = 3;

function listed(reasons: readonly string[]): string {
	const shown = reasons.slice(0, mostReasons).map((reason) => printable(reason, 400));
	const left = reasons.length - shown.length;
	return [...shown, ...(left > 0 ? [`And ${left} more like this.`] : [])].join(' ');
}

/** `567E 347A …`, as people compare fingerprints. */
export function formatFingerprint(fingerprint: string): string {
	return fingerprint.replace(/(.{4})(?!$)/g, '$1 ');
}

/** Why the key of a valid signature is believed. */
export function trustSentence(trust: Trust): string {
	switch (trust) {
		case 'well-known':
			return 'The key is known to Espalier by its fingerprint.';
		case 'given':
			return 'The key is the one that you gave.';
		case 'payload':
			return 'Only the payload itself vouches for that key: whoever made the payload may have made the key. Give a key that you trust to know more.';
	}
}

function signers(signatures: readonly GoodSignature[]): string {
	const names = new Set(signatures.map(({ userId }) => printable(userId, 200)));
	return [...names].join(' and ') || 'an unnamed key';
}

/** One verdict in words; what the user has to do with it is in the words. */
function verdictSentence(verdict: SignatureVerdict, what: string): string {
	switch (verdict.kind) {
		case 'valid':
			return `${what} is signed by ${signers(verdict.signatures)}. ${trustSentence(verdict.trust)}`;
		case 'none':
			return `There is no signature for ${what.toLowerCase()} at ${verdict.asked.map((from) => printable(from, 200)).join(', ')}.`;
		case 'bad':
			return `The signature is bad. ${listed(verdict.reasons)}`;
		case 'unchecked':
			return `The signature could not be checked. ${listed(verdict.reasons)}`;
	}
}

function goodReport({ signedAt, userId, ...rest }: GoodSignature) {
	return { ...rest, signedBy: userId, signedAt: new Date(signedAt).toISOString() };
}

function subjectReport({ digest, platform, verdict }: SubjectVerdict) {
	return {
		digest,
		...(platform && { platform }),
		verdict: verdict.kind,
		reasons: 'reasons' in verdict ? [...verdict.reasons] : [],
		signatures: verdict.kind === 'valid' ? verdict.signatures.map(goodReport) : [],
	};
}

/** What was found of a release's signatures, as a document. */
export function signatureReport(subjects: SubjectVerdicts): SignatureReport {
	const { verdict, covers } = releaseVerdict(subjects);
	const what = covers === 'release' ? 'This release' : 'Each image of this release';
	return {
		verdict: verdict.kind,
		...(verdict.kind === 'valid' && { trust: verdict.trust }),
		covers,
		sentence: verdictSentence(verdict, what),
		subjects: subjects.map(subjectReport),
	};
}

/** The digest a line is about, with its platform. */
export function subjectName({ digest, platform }: SignatureReport['subjects'][number]): string {
	return `${platform ?? 'release'} ${abbreviate(digest)}…`;
}

function goodLine(
	subject: SignatureReport['subjects'][number],
	one: SignatureReport['subjects'][number]['signatures'][number],
): string {
	return `${subjectName(subject)} signed ${one.signedAt.slice(0, 10)} as ${one.identity} with ${formatFingerprint(one.fingerprint)}`;
}

/** Lines for a terminal, below the coverage. */
export function signatureText({ sentence, subjects }: SignatureReport): string {
	const lines = subjects.flatMap((subject) =>
		subject.signatures.map((one) => `  ${goodLine(subject, one)}`),
	);
	const all = [`Signature: ${sentence}`, ...lines];
	return `\n${all.map((line) => printable(line)).join('\n')}\n`;
}

/** A section for issues and pull requests. */
export function signatureMarkdown({ verdict, sentence, subjects }: SignatureReport): string {
	const lines = subjects.flatMap((subject) =>
		subject.signatures.map((one) => `- ${escape(goodLine(subject, one))}`),
	);
	return ['', `### Signature: ${verdict}`, '', escape(sentence), '', ...lines, ''].join('\n');
}

/**
 * Whether the release may pass: never with a bad signature, and where one is required only with a valid one
 * by a key that somebody else than the payload vouches for.
 */
export function signatureGate(report: SignatureReport, isRequired: boolean): GateResult {
	const { verdict, trust, sentence } = report;
	if (verdict === 'bad') return { exitCode: exitCodes.uncovered, sentences: [sentence] };
	if (!isRequired) return { exitCode: exitCodes.passed, sentences: [] };
	if (verdict === 'unchecked') return { exitCode: exitCodes.unchecked, sentences: [sentence] };
	const passes = verdict === 'valid' && trust !== 'payload';
	if (passes) return { exitCode: exitCodes.passed, sentences: [] };
	return { exitCode: exitCodes.uncovered, sentences: [sentence] };
}
