import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import { printReceipt, type Receipt } from '../../../shared/plan/receipt.ts';
import { Database } from '../../../web/cache/database.ts';
import { Journal } from '../../../web/cache/journal.ts';
import { PlanHistory } from '../../../web/state/plan-history.svelte.ts';
import { RunView } from '../../../web/state/run-view.svelte.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { smallImage, smallPlan, source } from '../plan/small-plan.ts';

let registries: FakeRegistries;
let database: Database;
let journal: Journal;
let now: number;
let plan: Plan;

beforeEach(async () => {
	registries = new FakeRegistries();
	const { layer, image } = smallImage();
	registries.putBlob(source, layer.bytes);
	registries.putManifest(source, image);
	plan = await smallPlan();
	now = 1000;
	database = new Database();
	journal = new Journal({ database, keeps: () => true, now: () => (now += 1) });
	vi.stubGlobal('window', { addEventListener: vi.fn(), removeEventListener: vi.fn() });
	vi.stubGlobal('navigator', {});
});
afterEach(async () => {
	await database.clear();
	vi.unstubAllGlobals();
});

async function historyOf(of: Plan): Promise<PlanHistory> {
	const history = new PlanHistory(of, journal);
	await history.look();
	return history;
}

async function run(of: Plan): Promise<Receipt> {
	const view = new RunView(of, { registries, journal, title: 'small', route: { view: 'file' } });
	await view.start();
	return view.receipt!;
}

describe('what is known of earlier runs of a plan', () => {
	it('is nothing for one that was never run here', async () => {
		const { unfinished, finished, undoneAt } = await historyOf(plan);
		expect([unfinished, finished, undoneAt]).toEqual([undefined, undefined, undefined]);
	});

	it('is when it was begun, where it was not finished', async () => {
		await journal.begin({ id: plan.id, title: 'small', text: '{}' });
		const { unfinished, finished } = await historyOf(plan);
		expect(unfinished?.startedAt).toBe(1001);
		expect(finished).toBeUndefined();
	});

	it('is nothing of what other plans left unfinished', async () => {
		const id = hashOf('sha256', new Uint8Array([1]));
		await journal.begin({ id, title: 'other', text: '{}' });
		expect((await historyOf(plan)).unfinished).toBeUndefined();
	});

	it('is when it was published, and when that was undone', async () => {
		const receipt = await run(plan);
		const before = await historyOf(plan);
		expect(before.finished?.plan).toBe(plan.id);
		expect(before.undoneAt).toBeUndefined();
		await run(await planUndo({ registries, hash: hashOf }, receipt));
		const after = await historyOf(plan);
		expect(after.finished).toEqual(before.finished);
		expect(after.undoneAt).toBeGreaterThan(after.finished!.finishedAt);
	});

	it('is no undoing where it was published again afterwards', async () => {
		await run(await planUndo({ registries, hash: hashOf }, await run(plan)));
		await run(plan);
		expect((await historyOf(plan)).undoneAt).toBeUndefined();
	});

	it('is told also where the plan was made anew, from other tags', async () => {
		const receipt = await run(plan);
		const again = { ...plan, id: hashOf('sha256', new Uint8Array([2])) };
		expect((await historyOf(again)).finished?.plan).toBe(receipt.plan);
	});

	it('leaves out receipts that cannot be read any more', async () => {
		const receipt = await run(plan);
		await database.clear();
		const text = printReceipt(receipt).replace('espalier/receipt/v1', 'espalier/receipt/v0');
		await journal.finish({ plan: plan.id, title: 'old', text });
		expect((await historyOf(plan)).finished).toBeUndefined();
	});
});
