import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../shared/plan/canonical-json.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import { parseReceipt, printReceipt, receiptOf } from '../../../shared/plan/receipt.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import { summarize } from '../../../shared/plan/summary.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import { planMarkdown } from '../../../shared/report/plan-markdown.ts';
import { planText } from '../../../shared/report/plan-text.ts';
import { receiptText } from '../../../shared/report/run-text.ts';
import {
	damagedJson,
	damagedText,
	expectTyped,
	expectTypedLater,
	isPolluted,
	runs,
} from '../../support/arbitraries.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { smallImage, smallPlan, source } from '../plan/small-plan.ts';

const image = smallImage();
const plan = await smallPlan({}, image);
const file = JSON.parse(printPlan(plan)) as Record<string, unknown>;

function world(): FakeRegistries {
	const registries = new FakeRegistries();
	for (const each of [image.layer, image.config]) registries.putBlob(source, each.bytes);
	for (const each of [image.image, image.index]) registries.putManifest(source, each);
	return registries;
}

/** A plan file with the id that its content has, as somebody would make it who means harm. */
async function withItsId(text: string): Promise<string> {
	const refused = await expectTypedLater(() => parsePlan(text, hashOf));
	const found =
		refused instanceof ProblemError &&
		/has the id (sha256:[0-9a-f]{64})/.exec(refused.problem.reason);
	return found ? text.replace(plan.id, found[1] ?? '') : text;
}

describe('a plan file of anybody', () => {
	const text = fc.oneof(damagedJson(file), damagedText(fc.constant(printPlan(plan))));

	it('is refused with one sentence, or does what is printed of it and nothing else', async () => {
		await fc.assert(
			fc.asyncProperty(text, async (each) => {
				const read = await expectTypedLater(async () => parsePlan(await withItsId(each), hashOf));
				expect(isPolluted()).toBe(false);
				if (read instanceof ProblemError) {
					expect(['plan-invalid', 'too-large']).toContain(read.problem.code);
					return;
				}
				expect(await planId(read, hashOf)).toBe(read.id);
				expect(await parsePlan(printPlan(read), hashOf)).toEqual(read);
				const { targets, registries } = summarize(read);
				expect([planText(read), planMarkdown(read)].join('')).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
				const there = world();
				const run = new Run(read);
				for await (const _ of runPlan(there, run)) continue;
				expect(run.defect).toBeUndefined();
				for (const write of there.written) {
					expect(targets.some(({ repository }) => write.includes(` ${repository}`))).toBe(true);
				}
				for (const asked of there.asked) expect(registries).toContain(asked.split('/')[0]);
			}),
			runs(500),
		);
	});

	it('has one spelling for one content', () => {
		fc.assert(
			fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
				const once = canonicalJson(value);
				expect(canonicalJson(JSON.parse(once) as never)).toBe(once);
			}),
			runs(500),
		);
	});

	it('is printed with every number of its steps as it is', async () => {
		const read: Plan = await parsePlan(printPlan(plan), hashOf);
		expect(read).toEqual(plan);
	});
});

describe('a receipt of anybody', () => {
	it('is refused with one sentence, or undone by a plan that moves its tags and nothing else', async () => {
		const registries = world();
		const run = new Run(plan);
		for await (const _ of runPlan(registries, run)) continue;
		const receipt = receiptOf(run, { startedAt: 1, finishedAt: 2 });
		const text = fc.oneof(damagedJson(receipt), damagedText(fc.constant(printReceipt(receipt))));
		await fc.assert(
			fc.asyncProperty(text, async (each) => {
				const read = expectTyped(() => parseReceipt(each));
				expect(isPolluted()).toBe(false);
				if (read instanceof ProblemError) {
					expect(read.problem.code).toBe('receipt-invalid');
					return;
				}
				expect(receiptText(read)).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
				const undo = await expectTypedLater(() => planUndo({ registries, hash: hashOf }, read));
				if (undo instanceof ProblemError) return;
				const named = read.tags.map(({ repository }) => repository);
				for (const { repository, blobs, uploads } of summarize(undo).targets) {
					expect(named).toContain(repository);
					expect([blobs, uploads]).toEqual([0, 0]);
				}
			}),
			runs(500),
		);
	});
});
