import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../shared/oci/digest.ts';
import {
	signatureMarkdown,
	signatureReport,
	signatureReportSchema,
	signatureText,
} from '../../../shared/report/signature-report.ts';
import type { SignatureVerdict } from '../../../shared/signature/verdict.ts';

const digest = digestOf('sha256', new Uint8Array(32).fill(1));

function reportOf(verdict: SignatureVerdict) {
	return signatureReport([{ digest, verdict }]);
}

const good = {
	fingerprint: '567E347AD0044ADE55BA8A5F199E2F91FD431D51',
	userId: 'Signer <signer@example.com>',
	signedAt: Date.UTC(2024, 1, 26, 16),
	keyring: 'key.asc',
	trust: 'given',
	identity: 'quay.io/a/b:1',
	from: 'https://store.example.com',
} as const;

describe('the report of a signature', () => {
	it('says by whom, when, for what and why the key is believed', () => {
		const report = reportOf({ kind: 'valid', trust: 'given', signatures: [good] });
		expect(signatureReportSchema.parse(report)).toEqual(report);
		const text = signatureText(report);
		expect(text).toContain('This release is signed by Signer <signer@example.com>.');
		expect(text).toContain('The key is the one that you gave.');
		expect(text).toContain(
			'signed 2024-02-26 as quay.io/a/b:1 with 567E 347A D004 4ADE 55BA 8A5F 199E 2F91 FD43 1D51',
		);
	});

	it('never lets a key that the payload chose look like a proof', () => {
		const text = signatureText(
			reportOf({
				kind: 'valid',
				trust: 'payload',
				signatures: [{ ...good, trust: 'payload', userId: 'Red Hat, Inc.' }],
			}),
		);
		expect(text).toContain('Only the payload itself vouches for that key');
	});

	it('tells none, bad and unchecked apart', () => {
		const sentences = (
			[
				{ kind: 'none', asked: ['https://a.example'] },
				{ kind: 'bad', reasons: ['It is empty.'] },
				{ kind: 'unchecked', reasons: ['a.example is slow.'] },
			] as const
		).map((verdict) => reportOf(verdict).sentence);
		expect(sentences).toEqual([
			'There is no signature for this release at https://a.example.',
			'The signature is bad. It is empty.',
			'The signature could not be checked. a.example is slow.',
		]);
	});

	it('lets nothing in a signature become markup, a control character, or endless', () => {
		const verdict = {
			kind: 'bad',
			reasons: ['\u001b[31m<b>|x|</b>', 'y'.repeat(5_000), 'c', 'd', 'e'],
		} as const;
		const markdown = signatureMarkdown(reportOf(verdict));
		expect(markdown).not.toContain('\u001b');
		expect(markdown).toContain('\\<b\\>\\|x\\|');
		expect(markdown.length).toBeLessThan(1_500);
		expect(signatureText(reportOf(verdict))).toContain('And 2 more like this.');
	});
});
