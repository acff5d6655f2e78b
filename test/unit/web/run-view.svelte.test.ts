import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parsePlan } from '../../../shared/plan/plan-file.ts';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import { Database } from '../../../web/cache/database.ts';
import { Journal } from '../../../web/cache/journal.ts';
import { RunView } from '../../../web/state/run-view.svelte.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { smallImage, smallPlan, source, target } from '../plan/small-plan.ts';

const refused: Problem = {
	code: 'manifest-refused',
	origin: 'registry',
	reason: 'registry.test takes no such manifest.',
};

let registries: FakeRegistries;
let database: Database;
let journal: Journal;
let plan: Plan;
let listeners: Set<string>;

function rejectionOf(signal: AbortSignal | undefined): Promise<never> {
	return new Promise((_resolve, reject) => {
		signal?.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
	});
}

/** The locks of a browser, over all its tabs. */
class Locks {
	readonly held = new Map<string, Promise<void>>();
	async request(
		name: string,
		{ ifAvailable = false, signal }: { ifAvailable?: boolean; signal?: AbortSignal },
		use: (lock: object | null) => Promise<void> | undefined,
	) {
		const holder = this.held.get(name);
		if (holder && ifAvailable) return use(null);
		if (holder) await Promise.race([holder, rejectionOf(signal)]);
		const done = Promise.resolve(use({}));
		this.held.set(name, done);
		await done;
		this.held.delete(name);
	}
}

beforeEach(async () => {
	registries = new FakeRegistries();
	const { layer, image } = smallImage();
	registries.putBlob(source, layer.bytes);
	registries.putManifest(source, image);
	plan = await smallPlan();
	database = new Database();
	journal = new Journal({ database, keeps: () => true, now: () => 1000 });
	listeners = new Set();
	vi.stubGlobal('window', {
		addEventListener: (type: string) => listeners.add(type),
		removeEventListener: (type: string) => listeners.delete(type),
	});
	vi.stubGlobal('navigator', { locks: new Locks() });
});
afterEach(async () => {
	await database.clear();
	vi.unstubAllGlobals();
});

function view(of = plan): RunView {
	return new RunView(of, { registries, journal, title: 'small', route: { view: 'file' } });
}

/** Holds the first write of a kind back until it is let go. */
function holdBack(kind: string) {
	let letGo: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => (letGo = resolve));
	const reached = new Promise<void>((resolve) => {
		registries.beforeWrite = async (write) => {
			if (write.kind !== kind) return;
			resolve();
			await gate;
		};
	});
	return { reached, letGo: () => letGo() };
}

describe('a run in a tab', () => {
	it('publishes, verifies, leaves a receipt, and is no unfinished run any more', async () => {
		const run = view();
		await run.start();
		expect(run.status).toBe('ended');
		expect(run.percent).toBe(100);
		expect(run.receipt?.tags).toMatchObject([{ tag: 'v1', before: 'absent' }]);
		expect(run.announcement).toBe('Published and verified.');
		expect(await journal.unfinished()).toEqual([]);
		expect(await journal.receipts()).toMatchObject([{ plan: plan.id, title: 'small' }]);
		expect(listeners.size).toBe(0);
	});

	it('is kept as a plan that can be read again while it lasts, and warns before leaving', async () => {
		const { reached, letGo } = holdBack('tag');
		const run = view();
		const ended = run.start();
		await reached;
		expect(listeners).toEqual(new Set(['beforeunload']));
		const [kept] = await journal.unfinished();
		expect(await parsePlan(kept!.text, hashOf)).toEqual(plan);
		letGo();
		await ended;
	});

	it('says what failed, with what is there, and finishes it when it is begun again', async () => {
		registries.failWrites = ({ kind }) => (kind === 'manifest' ? refused : undefined);
		const run = view();
		await run.start();
		expect(run.progress.outcome).toMatchObject({ kind: 'failed' });
		expect(run.progress.failures).toMatchObject([{ problem: { code: 'manifest-refused' } }]);
		expect(run.progress.tags).toEqual({ moved: 0, total: 1 });
		expect(run.receipt).toBeUndefined();
		expect(run.announcement).toMatch(/^Failed: /);
		expect(await journal.unfinished()).toHaveLength(1);

		registries.failWrites = undefined;
		const blobs = registries.written.filter((line) => line.startsWith('blob')).length;
		await run.start();
		expect(run.receipt).toBeDefined();
		expect(registries.written.filter((line) => line.startsWith('blob'))).toHaveLength(blobs);
	});

	it('is stopped where it is, and no tag has moved', async () => {
		const { reached, letGo } = holdBack('manifest');
		const run = view();
		const ended = run.start();
		await reached;
		run.cancel();
		letGo();
		await ended;
		expect(run.progress.outcome).toEqual({ kind: 'stopped' });
		expect(run.announcement).toBe('Stopped.');
		expect(registries.tagOf(target, 'v1')).toBe('absent');
		expect(await journal.unfinished()).toHaveLength(1);
		expect(listeners.size).toBe(0);
	});

	it('begins nothing while it is paused, and can be stopped then', async () => {
		const { reached, letGo } = holdBack('blob');
		const run = view();
		const ended = run.start();
		await reached;
		run.pause();
		expect(run.status).toBe('paused');
		letGo();
		await vi.waitFor(() => expect(registries.written).toHaveLength(1));
		run.cancel();
		await ended;
		expect(registries.written.filter((line) => !line.startsWith('blob'))).toEqual([]);
		expect(run.progress.outcome).toEqual({ kind: 'stopped' });
	});

	it('goes on to its end when it is resumed', async () => {
		const { reached, letGo } = holdBack('blob');
		const run = view();
		const ended = run.start();
		await reached;
		run.pause();
		letGo();
		run.resume();
		expect(run.status).toBe('running');
		await ended;
		expect(run.receipt).toBeDefined();
	});

	it('is refused while another tab runs the same plan, and can be tried again', async () => {
		const { reached, letGo } = holdBack('blob');
		const first = view();
		const ended = first.start();
		await reached;
		const second = view();
		await second.start();
		expect(second.status).toBe('taken');
		letGo();
		await ended;
		await second.start();
		expect(second.receipt).toBeDefined();
	});

	it('says so when the other tab is done, and can be looked at again', async () => {
		const { reached, letGo } = holdBack('blob');
		const first = view();
		const ended = first.start();
		await reached;
		const second = view();
		await second.start();
		letGo();
		await ended;
		await vi.waitFor(() => expect(second.status).toBe('freed'));
		expect(second.announcement).toBe('The other tab is done.');
		second.reset();
		expect(second.status).toBe('ready');
	});

	it('waits no longer for another tab once it is told to stop waiting', async () => {
		const { reached, letGo } = holdBack('blob');
		const first = view();
		const ended = first.start();
		await reached;
		const second = view();
		await second.start();
		second.reset();
		letGo();
		await ended;
		expect(second.status).toBe('ready');
	});

	it('runs where there are no locks', async () => {
		vi.stubGlobal('navigator', {});
		const run = view();
		await run.start();
		expect(run.receipt).toBeDefined();
	});

	it('names both digests where a tag was moved meanwhile, and leaves it', async () => {
		const other = registries.putManifest(target, smallImage('other').image, 'v1');
		const run = view();
		await run.start();
		const { outcome } = run.progress;
		expect(outcome?.kind === 'failed' && outcome.problem.code).toBe('conflict');
		expect(outcome?.kind === 'failed' && outcome.problem.reason).toContain(other.digest);
		expect(registries.tagOf(target, 'v1')).toBe(other.digest);
	});
});

describe('undoing in a tab', () => {
	/** Publishes, and plans the way back. */
	async function undoPlan(): Promise<Plan> {
		const run = view();
		await run.start();
		return planUndo({ registries, hash: hashOf }, run.receipt!);
	}

	it('says that it is undone', async () => {
		const run = view(await undoPlan());
		await run.start();
		expect(run.announcement).toBe('Undone.');
		expect(registries.tagOf(target, 'v1')).toBe('absent');
	});

	it('is ended where a registry removes no tags, and is no unfinished run', async () => {
		const undo = await undoPlan();
		registries.failWrites = ({ kind }) =>
			kind === 'tag'
				? { code: 'unsupported', origin: 'registry', reason: 'registry.test removes no tags.' }
				: undefined;
		const run = view(undo);
		await run.start();
		expect(run.progress.onlyRemovalsRefused).toBe(true);
		// Not one of its tags went back.
		expect(run.isUndoneAsFarAsPossible).toBe(false);
		expect(run.announcement).toMatch(/^Failed: /);
		expect(await journal.unfinished()).toEqual([]);
	});

	it('stays an unfinished run where anything else failed', async () => {
		const undo = await undoPlan();
		registries.failWrites = ({ kind }) =>
			kind === 'tag' ? { code: 'denied', origin: 'registry', reason: 'Not you.' } : undefined;
		const run = view(undo);
		await run.start();
		expect(run.progress.onlyRemovalsRefused).toBe(false);
		expect(await journal.unfinished()).toHaveLength(1);
	});
});

describe('what is shown of a run', () => {
	it('has a group for the release and one for tags where no component is named', () => {
		expect(view().progress.groups).toMatchObject([
			{ name: 'release', state: 'waiting', done: 0, total: 4 },
			{ name: 'tags', state: 'waiting', total: 1, totalBytes: 0 },
		]);
	});

	it('knows neither rate nor end before anything was measured', () => {
		const run = view();
		expect([run.percent, run.rate, run.remainingMs]).toEqual([0, undefined, undefined]);
	});
});
