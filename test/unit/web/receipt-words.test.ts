import { describe, expect, it } from 'vitest';
import type { Receipt } from '../../../shared/plan/receipt.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { changeWord, durationText, receiptVerdict } from '../../../web/views/Plan/receipt-words.ts';

const old = hashOf('sha256', new Uint8Array([1]));
const next = hashOf('sha256', new Uint8Array([2]));
const none = { count: 0, bytes: 0 };

function receipt(change: Partial<Receipt> = {}): Receipt {
	return {
		schema: 'espalier/receipt/v1',
		plan: old,
		subject: { kind: 'undo', plan: old, finishedAt: '', notes: [] },
		startedAt: '2026-01-01T00:00:00.000Z',
		finishedAt: '2026-01-01T00:00:11.200Z',
		blobs: { existed: none, mounted: none, copied: none, uploaded: none },
		manifests: [{ repository: 'r.test/a', digest: next, mediaType: '', pushed: true }],
		tags: [{ repository: 'r.test/a', tag: 'v1', before: old, after: next, moved: true }],
		...change,
	};
}

describe('what became of a tag', () => {
	it.each([
		['absent', next, true, 'new'],
		[old, next, true, 'moved'],
		[old, 'absent', true, 'removed'],
		['absent', next, false, 'there already'],
		[old, next, false, 'there already'],
		[next, next, false, 'there already'],
		[old, 'absent', false, 'gone already'],
	] as const)('from %s to %s, moved %o, is “%4$s”', (before, after, moved, word) => {
		expect(changeWord({ repository: 'r.test/a', tag: 'v1', before, after, moved })).toBe(word);
	});
});

describe('a receipt in a sentence', () => {
	it('says what was read back, and of old ones that it was then', () => {
		const words = '1 manifest by digest, 1 tag by name, all as planned.';
		expect(receiptVerdict(receipt(), false)).toBe(`Everything was read back: ${words}`);
		expect(receiptVerdict(receipt(), true)).toBe(`Everything was read back then: ${words}`);
	});

	it('leaves out what a run had nothing of', () => {
		expect(receiptVerdict(receipt({ manifests: [] }), false)).toBe(
			'Everything was read back: 1 tag by name, all as planned.',
		);
	});

	it('says that nothing was to be done where nothing was pushed or moved', () => {
		const [manifest] = receipt().manifests;
		const [tag] = receipt().tags;
		const done = {
			manifests: [{ ...manifest!, pushed: false }],
			tags: [{ ...tag!, moved: false }],
		};
		expect(receiptVerdict(receipt(done), false)).toMatch(/^Nothing was to be done: /);
		expect(receiptVerdict(receipt({ ...done, tags: receipt().tags }), false)).not.toContain(
			'Nothing',
		);
	});

	it('says how long it took, where its times are times', () => {
		expect(durationText(receipt())).toBe('took 12 s');
		expect(durationText(receipt({ finishedAt: receipt().startedAt }))).toBe('took 1 s');
		expect(durationText(receipt({ finishedAt: 'tomorrow' }))).toBeUndefined();
		expect(durationText(receipt({ finishedAt: '2025-01-01T00:00:00Z' }))).toBeUndefined();
	});
});
