import { describe, expect, it } from 'vitest';
import { byDigest, formatRepository } from '../../../shared/oci/reference.ts';
import { estimate } from '../../../shared/plan/estimate.ts';
import { Pause } from '../../../shared/plan/pause.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planUndo } from '../../../shared/plan/plan-undo.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import { parseReceipt, printReceipt, receiptOf } from '../../../shared/plan/receipt.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import type { Content as Made } from '../../support/release-maker.ts';
import { smallImage, smallPlan, source, target } from './small-plan.ts';

const image = smallImage();
const to = formatRepository(target);
const times = { startedAt: 1_000, finishedAt: 2_000 };

function registriesWithSource(): FakeRegistries {
	const registries = new FakeRegistries();
	registries.putBlob(source, image.layer.bytes);
	registries.putBlob(source, image.config.bytes);
	registries.putManifest(source, image.image);
	return registries;
}

async function finish(
	registries: FakeRegistries,
	plan: Plan,
	run = new Run(plan),
	signal?: AbortSignal,
): Promise<Run> {
	for await (const _ of runPlan(registries, run, { signal }));
	return run;
}

async function manySteps(count: number): Promise<Plan> {
	const plan = await smallPlan();
	const steps = Array.from({ length: count }, () => ({ ...plan.steps[0]! }));
	return { ...plan, steps };
}

function failing(code: Problem['code'], reason = 'no'): Problem {
	return { code, origin: 'registry', reason, registry: target.registry };
}

function states({ items }: Run): string[] {
	return items.map(({ state }) => state);
}

const everything = [
	`blob ${to}@${image.layer.digest}`,
	`blob ${to}@${image.config.digest}`,
	`manifest ${to}@${image.image.digest}`,
	`manifest ${to}@${image.index.digest}`,
	`tag ${to}:v1 ${image.index.digest}`,
];

describe('running a plan', () => {
	it('writes blobs, manifests from the bottom up, and the tag at the very end', async () => {
		const registries = registriesWithSource();
		const run = await finish(registries, await smallPlan());
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual(everything);
		expect(states(run)).toEqual(['copied', 'sent', 'pushed', 'pushed', 'moved']);
	});

	it('reads every manifest back before a tag moves, and every tag after', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		let askedBeforeTag: string[] = [];
		registries.beforeWrite = async ({ kind }) => {
			if (kind === 'tag') askedBeforeTag = [...registries.asked];
		};
		const run = await finish(registries, plan);
		expect(askedBeforeTag).toEqual(
			expect.arrayContaining([`${to}@${image.image.digest}`, `${to}@${image.index.digest}`]),
		);
		expect(registries.asked.at(-1)).toBe(`${to}:v1`);
		expect(
			run.items.filter(({ step }) => step.kind === 'tag' || step.kind === 'manifest'),
		).toSatisfy((items: Run['items']) => items.every(({ verified }) => verified));
	});

	it('writes nothing the second time', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		await finish(registries, plan);
		registries.written.length = 0;
		const again = await finish(registries, plan);
		expect(again.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual([]);
		expect(states(again)).toEqual(['existed', 'existed', 'existed', 'existed', 'already-there']);
	});

	it('goes on where it was stopped, and does only what is missing', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		const abort = new AbortController();
		registries.beforeWrite = async ({ kind }) => {
			if (kind === 'manifest') abort.abort();
		};
		const stopped = await finish(registries, plan, new Run(plan), abort.signal);
		expect(stopped.outcome).toEqual({ kind: 'stopped' });
		expect(registries.written).toEqual(everything.slice(0, 2));
		registries.beforeWrite = undefined;
		const run = await finish(registries, plan);
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual(everything);
	});

	it('may be given the same run again after a failure: what was done stays done', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		registries.failWrites = ({ kind }) =>
			kind === 'manifest' ? failing('registry-failure') : undefined;
		const run = await finish(registries, plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'registry-failure' } });
		expect(registries.tagOf(target, 'v1')).toBe('absent');
		registries.failWrites = undefined;
		await finish(registries, plan, run);
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual(everything);
	});

	it('copies the rest where one blob fails, and pushes no manifest', async () => {
		const registries = registriesWithSource();
		registries.fail(byDigest(source, image.layer.digest), failing('blob-unknown'));
		const run = await finish(registries, await smallPlan());
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'blob-unknown' } });
		expect(states(run)).toEqual(['failed', 'sent', 'queued', 'queued', 'queued']);
		expect(registries.written).toEqual([`blob ${to}@${image.config.digest}`]);
	});

	it('stops where the target has no room, and finishes once it has', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		registries.failWrites = () => failing('storage-full');
		const run = await finish(registries, plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'storage-full' } });
		expect(run.failed).toHaveLength(1);
		registries.failWrites = undefined;
		expect((await finish(registries, plan, run)).outcome).toEqual({ kind: 'verified' });
	});

	it('moves no tag where a manifest that was pushed does not come back whole', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		registries.beforeWrite = async ({ kind, reference }) => {
			if (kind !== 'manifest' || reference.digest !== image.index.digest) return;
			registries.fail(byDigest(target, image.index.digest), failing('digest-mismatch'));
		};
		const run = await finish(registries, plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'digest-mismatch' } });
		expect(registries.tagOf(target, 'v1')).toBe('absent');
	});

	it('writes again what the registry said was there and is not', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		await finish(registries, plan);
		registries.forget(byDigest(target, image.image.digest));
		registries.written.length = 0;
		const run = await finish(registries, plan);
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual([`manifest ${to}@${image.image.digest}`]);
	});

	it('writes a manifest again that is there and does not come back whole', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		await finish(registries, plan);
		registries.corrupt(byDigest(target, image.image.digest), new Uint8Array([1]));
		registries.written.length = 0;
		const run = await finish(registries, plan);
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual([`manifest ${to}@${image.image.digest}`]);
	});

	it('moves no tag where a copied manifest needs more than the plan says', async () => {
		const registries = registriesWithSource();
		// Otherwise this registry itself would refuse the manifest.
		registries.putBlob(target, image.layer.bytes);
		const { steps } = await smallPlan();
		const lying = steps.map((step) =>
			step.kind === 'manifest' && step.content === 2 ? { ...step, needs: [1] } : step,
		);
		const run = await finish(registries, await smallPlan({ steps: lying }));
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'plan-invalid' } });
		expect(registries.tagOf(target, 'v1')).toBe('absent');
	});

	it('asked to look deep, finds a blob that is gone below a manifest that is there, and copies it again', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		await finish(registries, plan);
		registries.forgetBlob(byDigest(target, image.layer.digest));
		registries.written.length = 0;
		const run = new Run(plan);
		for await (const _ of runPlan(registries, run, { deep: true }));
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(registries.written).toEqual([`blob ${to}@${image.layer.digest}`]);
	});

	it('says so where a tag that it moved points elsewhere when it is read back', async () => {
		const registries = registriesWithSource();
		const other = smallImage('other').index;
		const asked = registries.asked.length;
		registries.beforeRead = async ({ tag }) => {
			const isReadBack = registries.tagOf(target, 'v1') === image.index.digest;
			if (tag && isReadBack && registries.asked.length > asked) {
				registries.putManifest(target, other, 'v1');
			}
		};
		const run = await finish(registries, await smallPlan());
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'conflict' } });
		expect(run.failed[0]?.problem?.reason).toContain('somebody has moved it again');
	});

	it('takes no longer for a failure among a hundred thousand steps than for one among few', async () => {
		const run = new Run(await manySteps(100_000));
		const [first] = run.items;
		run.fail(first!, failing('blob-unknown'));
		let looked = 0;
		for (let at = 0; at < 1_000_000; at += 1) looked += Number(run.isHopeless);
		expect(looked).toBe(0);
	});

	it('says where a tag points that was moved meanwhile, and leaves it there', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		const other = smallImage('other').index;
		registries.putManifest(target, other, 'v1');
		const run = await finish(registries, plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'conflict' } });
		const [failed] = run.failed;
		expect(failed?.problem?.reason).toContain('was not there');
		expect(failed?.problem?.reason).toContain(other.digest);
		expect(registries.tagOf(target, 'v1')).toBe(other.digest);
	});

	it('moves no other tag where the root’s has moved meanwhile', async () => {
		const registries = registriesWithSource();
		const { steps } = await smallPlan();
		const [tag] = steps.slice(-1);
		const plan = await smallPlan({
			steps: [...steps, ...(tag?.kind === 'tag' ? [{ ...tag, tag: 'root' }] : [])],
		});
		registries.putManifest(target, smallImage('other').index, 'root');
		const run = await finish(registries, plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'conflict' } });
		expect(registries.tagOf(target, 'v1')).toBe('absent');
	});

	it('begins nothing while it is paused, and goes on afterwards', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		const pause = new Pause();
		const run = new Run(plan);
		pause.set();
		const done = (async () => {
			for await (const _ of runPlan(registries, run, { pause }));
		})();
		for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
		expect(registries.written).toEqual([]);
		expect(run.phase).toBe('copying');
		pause.lift();
		await done;
		expect(run.outcome).toEqual({ kind: 'verified' });
	});

	it('can be ended while it is paused', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		const pause = new Pause();
		const abort = new AbortController();
		const run = new Run(plan);
		pause.set();
		const done = (async () => {
			for await (const _ of runPlan(registries, run, { pause, signal: abort.signal }));
		})();
		for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
		abort.abort();
		await done;
		expect(run.outcome).toEqual({ kind: 'stopped' });
		expect(registries.written).toEqual([]);
	});

	it('does not start where the target does not say what it has', async () => {
		const registries = registriesWithSource();
		registries.fail(byDigest(target, image.index.digest), failing('unauthorized'));
		const run = await finish(registries, await smallPlan());
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'unauthorized' } });
		expect(registries.written).toEqual([]);
	});

	it('counts bytes by what became of them', async () => {
		const registries = registriesWithSource();
		registries.putBlob(target, image.config.bytes);
		const run = await finish(registries, await smallPlan());
		const { layer, config, image: child, index } = image;
		expect(run.bytes).toEqual({
			total: [layer, config, child, index].reduce((sum, { bytes }) => sum + bytes.length, 0),
			existed: config.bytes.length,
			mounted: 0,
			copied: layer.bytes.length + child.bytes.length + index.bytes.length,
			active: 0,
			failed: 0,
		});
	});
});

describe('a receipt', () => {
	it('tells what was written and where every tag was and is', async () => {
		const registries = registriesWithSource();
		const before = registries.putManifest(target, smallImage('before').index, 'v1');
		const plan = await smallPlan();
		const steps = plan.steps.map((step) =>
			step.kind === 'tag' ? { ...step, expect: before.digest } : step,
		);
		const run = await finish(registries, await smallPlan({ steps }));
		const receipt = receiptOf(run, times);
		expect(parseReceipt(printReceipt(receipt))).toEqual(receipt);
		expect(receipt).toMatchObject({
			startedAt: '1970-01-01T00:00:01.000Z',
			blobs: { copied: { count: 1 }, uploaded: { count: 1 }, existed: { count: 0 } },
			tags: [{ repository: to, tag: 'v1', before: before.digest, after: image.index.digest }],
		});
		expect(receipt.manifests.map(({ digest, pushed }) => [digest, pushed])).toEqual([
			[image.image.digest, true],
			[image.index.digest, true],
		]);
	});

	it('is not written for a run that failed', async () => {
		const run = await finish(new FakeRegistries(), await smallPlan());
		expect(() => receiptOf(run, times)).toThrow('not verified');
	});

	it.each([
		['a tag that is none', { tag: '../../other/manifests/latest' }],
		['a repository that is none', { repository: 'registry.test/acme/pruned:zzz' }],
	])('that names %s is refused', async (_, change) => {
		const receipt = receiptOf(await finish(registriesWithSource(), await smallPlan()), times);
		const tags = receipt.tags.map((tag) => ({ ...tag, ...change }));
		const text = JSON.stringify({ ...receipt, tags });
		expect(problemOf(capture(() => parseReceipt(text))).code).toBe('receipt-invalid');
	});

	it('that names a tag twice is refused', async () => {
		const receipt = receiptOf(await finish(registriesWithSource(), await smallPlan()), times);
		const text = JSON.stringify({ ...receipt, tags: [...receipt.tags, ...receipt.tags] });
		expect(problemOf(capture(() => parseReceipt(text))).reason).toContain('twice');
	});

	it.each([
		['no JSON', '{"schema":'],
		['a plan', '{"schema":"espalier/plan/v1"}'],
		['nothing', '{}'],
	])('that is %s is refused', (_, text) => {
		expect(problemOf(capture(() => parseReceipt(text))).code).toBe('receipt-invalid');
	});
});

function capture(act: () => unknown): unknown {
	try {
		return act();
	} catch (error) {
		return error;
	}
}

describe('undoing', () => {
	const undo = async (registries: FakeRegistries, run: Run) =>
		planUndo({ registries, hash: hashOf }, receiptOf(run, times));

	it('moves a tag back to where it was', async () => {
		const registries = registriesWithSource();
		const before = registries.putManifest(target, smallImage('before').index, 'v1');
		const { steps } = await smallPlan();
		const changed = steps.map((step) =>
			step.kind === 'tag' ? { ...step, expect: before.digest } : step,
		);
		const run = await finish(registries, await smallPlan({ steps: changed }));
		const plan = await undo(registries, run);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
		const undone = await finish(registries, plan);
		expect(undone.outcome).toEqual({ kind: 'verified' });
		expect(registries.tagOf(target, 'v1')).toBe(before.digest);
	});

	it('removes a tag that was not there before', async () => {
		const registries = registriesWithSource();
		const run = await finish(registries, await smallPlan());
		const plan = await undo(registries, run);
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
		expect((await finish(registries, plan)).outcome).toEqual({ kind: 'verified' });
		expect(registries.tagOf(target, 'v1')).toBe('absent');
	});

	it('moves back what it can where a registry removes no tags, and says what stays', async () => {
		const registries = registriesWithSource();
		const before = registries.putManifest(target, smallImage('before').index, 'root');
		const { steps } = await smallPlan();
		const root = { kind: 'tag' as const, content: 3, to: 1, tag: 'root', expect: before.digest };
		const run = await finish(registries, await smallPlan({ steps: [...steps, root] }));
		const plan = await undo(registries, run);
		registries.failWrites = ({ kind, reference }) =>
			kind === 'tag' && reference.tag === 'v1' ? failing('unsupported') : undefined;
		const undone = await finish(registries, plan);
		expect(undone.outcome).toMatchObject({ kind: 'failed', problem: { code: 'unsupported' } });
		expect(registries.tagOf(target, 'root')).toBe(before.digest);
		expect(registries.tagOf(target, 'v1')).toBe(image.index.digest);
	});

	it('can itself be undone', async () => {
		const registries = registriesWithSource();
		const run = await finish(registries, await smallPlan());
		const undone = await finish(registries, await undo(registries, run));
		await finish(registries, await undo(registries, undone));
		expect(registries.tagOf(target, 'v1')).toBe(image.index.digest);
	});

	it('does nothing to a tag that somebody else has moved since', async () => {
		const registries = registriesWithSource();
		const run = await finish(registries, await smallPlan());
		const plan = await undo(registries, run);
		const other = registries.putManifest(target, smallImage('other').index, 'v1');
		const undone = await finish(registries, plan);
		expect(undone.outcome).toMatchObject({ kind: 'failed', problem: { code: 'conflict' } });
		expect(registries.tagOf(target, 'v1')).toBe(other.digest);
	});

	/** A run that moved `v1` and `root` away from manifests of their own. */
	async function twoMoved(registries: FakeRegistries) {
		const [one, two] = ['one', 'two'].map((name) => smallImage(name).index) as [Made, Made];
		const before = registries.putManifest(target, one, 'v1');
		const rootBefore = registries.putManifest(target, two, 'root');
		const { steps } = await smallPlan();
		const changed = [
			...steps.map((step) => (step.kind === 'tag' ? { ...step, expect: before.digest } : step)),
			{ kind: 'tag' as const, content: 3, to: 1, tag: 'root', expect: rootBefore.digest },
		];
		const run = await finish(registries, await smallPlan({ steps: changed }));
		return { run, before, rootBefore };
	}

	it('names a tag whose old manifest is gone, and moves the others back', async () => {
		const registries = registriesWithSource();
		const { run, before, rootBefore } = await twoMoved(registries);
		registries.forget(before);
		const plan = await undo(registries, run);
		expect(plan.subject).toMatchObject({ notes: [expect.stringContaining(`${to}:v1`) as string] });
		expect((await finish(registries, plan)).outcome).toEqual({ kind: 'verified' });
		expect(registries.tagOf(target, 'root')).toBe(rootBefore.digest);
		expect(registries.tagOf(target, 'v1')).toBe(image.index.digest);
	});

	it('is impossible where all old manifests are gone; they are named', async () => {
		const registries = registriesWithSource();
		const { run, before, rootBefore } = await twoMoved(registries);
		registries.forget(before);
		registries.forget(rootBefore);
		const problem = await undo(registries, run).then(
			() => undefined,
			(error: unknown) => problemOf(error),
		);
		expect(problem).toMatchObject({ code: 'plan-impossible' });
		expect(problem?.reason).toContain(before.digest);
		expect(problem?.reason).toContain(rootBefore.digest);
	});
});

describe('the estimate', () => {
	it('tells what is there, what can be mounted, and what has to travel', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		const { layer, config } = image;
		expect(await estimate(plan, registries)).toMatchObject({
			present: { count: 0, bytes: 0 },
			mountable: { count: 0 },
			toCopy: { count: 1, bytes: layer.bytes.length },
			toUpload: { count: 1, bytes: config.bytes.length },
			manifests: { present: 0, toPush: 2 },
		});
		registries.putBlob(target, layer.bytes);
		expect(await estimate(plan, registries)).toMatchObject({
			present: { count: 1, bytes: layer.bytes.length },
			toCopy: { count: 0, bytes: 0 },
		});
	});

	it('is nothing where everything is there', async () => {
		const registries = registriesWithSource();
		const plan = await smallPlan();
		await finish(registries, plan);
		expect(await estimate(plan, registries)).toMatchObject({
			toCopy: { count: 0 },
			toUpload: { count: 0 },
			manifests: { present: 2, toPush: 0 },
		});
	});

	it('is not guessed where the target does not answer', async () => {
		const registries = registriesWithSource();
		registries.fail(byDigest(target, image.index.digest), failing('timeout'));
		await expect(estimate(await smallPlan(), registries)).rejects.toThrow('timeout');
	});
});
