import { beforeEach, describe, expect, it } from 'vitest';
import { gzip } from '../../../shared/archive/compress.ts';
import { parsePlatform } from '../../../shared/oci/platform.ts';
import { byDigest } from '../../../shared/oci/reference.ts';
import { consequencesOf } from '../../../shared/plan/consequences.ts';
import { nextSteps } from '../../../shared/plan/next-steps.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import { planPrune, type PlanPruneOptions } from '../../../shared/plan/plan-prune.ts';
import { contentAt, repositoryAt, stepsOf, type Plan } from '../../../shared/plan/plan.ts';
import { parseReceipt, printReceipt, receiptOf } from '../../../shared/plan/receipt.ts';
import { factsOfRun } from '../../../shared/plan/run-facts.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import type { PruneSubject } from '../../../shared/plan/subject.ts';
import { summarize } from '../../../shared/plan/summary.ts';
import type { CapabilityFact } from '../../../shared/registry/capabilities.ts';
import { problemOf, type Problem } from '../../../shared/registry/problem.ts';
import type { PruneChoices } from '../../../shared/release/prune-release.ts';
import type { PruneSelection } from '../../../shared/release/prune-selection.ts';
import { planMarkdown } from '../../../shared/report/plan-markdown.ts';
import { planText } from '../../../shared/report/plan-text.ts';
import { inflate } from '../../../web/api/inflate.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';

const target = { registry: 'registry.test', repository: 'acme/parts' };
const release = { registry: 'registry.test', repository: 'acme/release', tag: 'copy' };
const nothing: PruneSelection = {
	preset: { kind: 'none' },
	components: [],
	exclude: [],
	toggled: [],
};
const amd64Only: PruneSelection = {
	...nothing,
	preset: { kind: 'platforms', keep: [parsePlatform('linux/amd64')!] },
};

let maker: ReleaseMaker;
let source: string;

beforeEach(async () => {
	maker = new ReleaseMaker(['amd64', 'arm64', 's390x']);
	const pods = maker.addBuilt('pod');
	maker.add('aws', [
		entryOf(maker.image('aws', linux('amd64'))),
		...pods.slice(1).map((pod) => entryOf(pod)),
	]);
	maker.addBuilt('etcd');
	await maker.finish();
	source = maker.registries.tagOf(maker.release, '1');
});

async function planOf(
	changes: Partial<PruneChoices>,
	options: PlanPruneOptions = {},
): Promise<Plan & { subject: PruneSubject }> {
	const tools = { registries: maker.registries, hash: hashOf, inflate };
	const choices: PruneChoices = {
		selection: nothing,
		repository: target,
		release,
		tagTemplate: '{version}__{component}',
		selfContained: false,
		rewriteVersion: false,
		...changes,
	};
	const compress = { gzip: async (bytes: Uint8Array) => gzip(bytes) };
	const plan = await planPrune({ ...tools, ...compress }, await maker.read(), choices, options);
	if (plan.subject.kind !== 'prune-release') throw new Error('another kind of plan');
	return { ...plan, subject: plan.subject };
}

function refusalOf(promise: Promise<unknown>): Promise<Problem> {
	return promise.then(
		() => Promise.reject(new Error('it was planned')),
		(error: unknown) => problemOf(error),
	);
}

async function carryOut(plan: Plan): Promise<Run> {
	const run = new Run(plan);
	for await (const _ of runPlan(maker.registries, run));
	return run;
}

function noSparse(changes: Partial<CapabilityFact> = {}): CapabilityFact {
	return {
		registry: 'registry.test',
		about: 'sparse',
		answer: 'no',
		basis: 'stated',
		evidence: 'registry.test answers GET /v2/ with X-Sparse-Manifest-Support: false',
		checkedAt: Date.UTC(2026, 0, 2),
		...changes,
	};
}

describe('a release copied whole', () => {
	it('keeps every digest, makes nothing, and takes all of it along', async () => {
		const plan = await planOf({ mode: 'whole' });
		expect(plan.subject.choices.mode).toBe('whole');
		expect(plan.subject.release).toEqual({ digest: source, removed: [] });
		expect(plan.contents.filter(({ bytes }) => bytes)).toEqual([]);
		expect(plan.subject.components).toHaveLength(3);
		expect(stepsOf(plan, 'manifest').filter(({ without }) => without)).toEqual([]);
		const run = await carryOut(plan);
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(maker.registries.tagOf(release, 'copy')).toBe(source);
		for (const { from, to } of plan.subject.components) {
			expect(to).toBe(`registry.test/acme/parts@${from.split('@')[1]}`);
		}
	});

	it('is read back from its file, and refused where a line of it was changed', async () => {
		const plan = await planOf({ mode: 'whole' });
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual({ ...plan });
		const pruned = printPlan(plan).replace('"mode":"whole"', '"mode":"sparse"');
		expect((await refusalOf(parsePlan(pruned, hashOf))).code).toBe('plan-invalid');
	});

	it.each<[string, Partial<PruneChoices>, RegExp]>([
		[
			'placeholders to go',
			{ selection: { ...nothing, preset: { kind: 'placeholders' } } },
			/whole/,
		],
		['platforms to keep', { selection: amd64Only }, /choose to prune/],
		['a new version', { version: '4.20.0-acme.1' }, /keeps its version: 4\.20\.0-acme\.1/],
	])('is refused with %s, and says what to do', async (_, changes, reason) => {
		const problem = await refusalOf(planOf({ mode: 'whole', ...changes }));
		expect(problem).toMatchObject({ code: 'plan-impossible' });
		expect(problem.reason).toMatch(reason);
	});

	it('is refused where a child is not there, and names it', async () => {
		const lost = maker.image('lost', linux('arm64'));
		maker.registries.remove(maker.part(lost.manifest));
		maker.add('broken', [entryOf(maker.image('lost', linux('amd64'))), entryOf(lost)]);
		await maker.finish();
		const problem = await refusalOf(planOf({ mode: 'whole' }));
		expect(problem.reason).toContain('broken for linux/arm64');
	});

	it('says that signatures stay, and by which mirror rules clusters find it', async () => {
		const { subject } = await planOf({ mode: 'whole' });
		const { broken, intact } = consequencesOf(subject);
		expect(broken).toEqual([]);
		expect(intact.join(' ')).toContain(`both know ${source}, which stays`);
		const [rules, ...others] = nextSteps(subject);
		expect(rules?.text).toContain('    - registry.test/acme/parts\n    source: quay.io/acme/parts');
		expect(rules?.text).toContain(
			'    - registry.test/acme/release\n    source: quay.io/acme/release',
		);
		expect(others.map(({ text }) => text).join('\n')).not.toContain('--force');
	});
});

describe('a sparse release', () => {
	it('keeps every digest, and does not copy what goes', async () => {
		maker.registries.sparseRegistries.add('registry.test');
		const plan = await planOf({ mode: 'sparse', selection: amd64Only });
		expect(plan.subject.release.digest).toBe(source);
		expect(plan.subject.release.left?.map(({ platform }) => platform)).toEqual([
			'linux/arm64',
			'linux/s390x',
		]);
		const run = await carryOut(plan);
		expect(run.outcome).toEqual({ kind: 'verified' });
		expect(maker.registries.tagOf(release, 'copy')).toBe(source);
		for (const step of stepsOf(plan, 'manifest')) {
			for (const digest of step.without ?? []) {
				const child = byDigest(repositoryAt(plan, step.to), digest);
				expect(maker.registries.hasManifest(child)).toBe(false);
			}
		}
		const receipt = receiptOf(run, { startedAt: 0, finishedAt: 5 });
		expect(receipt.facts).toContainEqual(
			expect.objectContaining({ about: 'sparse', answer: 'yes', basis: 'observed', checkedAt: 5 }),
		);
		expect(receipt.manifests.flatMap(({ without = [] }) => without).length).toBeGreaterThan(0);
		expect(parseReceipt(printReceipt(receipt))).toEqual(receipt);
	});

	it('has all that it needs after a run, asked below indexes that are there already', async () => {
		maker.registries.sparseRegistries.add('registry.test');
		const one = await planOf({ mode: 'sparse', selection: amd64Only });
		await carryOut(one);
		const two: PruneSelection = {
			...nothing,
			preset: {
				kind: 'platforms',
				keep: [parsePlatform('linux/amd64')!, parsePlatform('linux/arm64')!],
			},
		};
		const more = await planOf({ mode: 'sparse', selection: two });
		const run = await carryOut(more);
		expect(run.outcome).toEqual({ kind: 'verified' });
		const states = stepsOf(more, 'manifest').map((step) => run.item(step).state);
		expect(new Set(states)).toEqual(new Set(['existed', 'pushed']));
	});

	it('leaves out nothing that comes along for another component', async () => {
		const placeholders: PruneSelection = { ...nothing, preset: { kind: 'placeholders' } };
		const plan = await planOf({ mode: 'sparse', selection: placeholders });
		expect(stepsOf(plan, 'manifest').filter(({ without }) => without)).toEqual([]);
		expect(consequencesOf(plan.subject).notes.join(' ')).toContain('Nothing is left out');
		// Whatever the target is known for: none of its indexes is sparse.
		await planOf({ mode: 'sparse', selection: placeholders }, { facts: [noSparse()] });
	});

	it('tells of what is left out in the summary, the text and the Markdown', async () => {
		const plan = await planOf({ mode: 'sparse', selection: amd64Only });
		const lefts = summarize(plan).targets.map(({ left }) => left);
		expect(lefts).toEqual([4, 2]);
		const text = planText(plan);
		expect(text).toContain('listed, not copied: 6 children of 3 components and 2 release images');
		expect(text).toMatch(/etcd +without linux\/arm64, linux\/s390x/);
		expect(text).toContain('found at the first index push, before any tag');
		expect(planMarkdown(plan)).toContain('### Listed, not copied');
	});

	it('stops at the first index where the registry takes none, before any tag, with what is missing', async () => {
		const plan = await planOf({ mode: 'sparse', selection: amd64Only });
		const run = await carryOut(plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'parts-missing' } });
		const [item] = run.failed;
		expect(run.failed).toHaveLength(1);
		const left = item?.step.kind === 'manifest' ? item.step.without : undefined;
		expect(item?.problem?.missing).toEqual(left);
		expect(item?.problem?.reason).toMatch(/takes no sparse index.*does not switch/);
		expect(maker.registries.written.filter((line) => line.startsWith('tag'))).toEqual([]);
		// One image under the index is all that was written by then.
		expect(maker.registries.written.filter((line) => line.startsWith('manifest'))).toHaveLength(1);
		expect(factsOfRun(run, 7)).toContainEqual(
			expect.objectContaining({ about: 'sparse', answer: 'no', registry: 'registry.test' }),
		);
	});

	it('says the same of a registry that names no child, as zot does', async () => {
		const plan = await planOf({ mode: 'sparse', selection: amd64Only });
		const sparse = stepsOf(plan, 'manifest').filter(({ without }) => without);
		const names = sparse.map(({ content }) => contentAt(plan, content).digest);
		maker.registries.sparseRegistries.add('registry.test');
		maker.registries.failWrites = ({ reference }) =>
			names.some((digest) => digest === reference.digest)
				? {
						code: 'manifest-refused',
						origin: 'registry',
						reason: 'registry.test does not take the manifest.',
						registry: 'registry.test',
						status: 400,
						upstreamCode: 'MANIFEST_INVALID',
					}
				: undefined;
		const run = await carryOut(plan);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'parts-missing' } });
		// It may have meant something else: the next plan is not refused for it.
		expect(factsOfRun(run, 7).filter(({ about }) => about === 'sparse')).toEqual([]);
	});

	it.each(['stated', 'observed'] as const)(
		'is refused where it is %s that none is taken',
		async (basis) => {
			const facts = [noSparse({ basis })];
			const problem = await refusalOf(planOf({ mode: 'sparse', selection: amd64Only }, { facts }));
			expect(problem).toMatchObject({ code: 'plan-impossible', registry: 'registry.test' });
			expect(problem.reason).toContain('X-Sparse-Manifest-Support: false');
			expect(problem.reason).toContain('2026-01-02');
			expect(problem.reason).toMatch(/--mode prune.*--mode whole/);
		},
	);

	it('is planned where that is only believed of the kind, or of another registry', async () => {
		const facts = [noSparse({ basis: 'kind' }), noSparse({ registry: 'other.test' })];
		const plan = await planOf({ mode: 'sparse', selection: amd64Only }, { facts });
		expect(plan.subject.choices.mode).toBe('sparse');
	});

	it('does not take a version, and leaves something of every component', async () => {
		const version = await refusalOf(planOf({ mode: 'sparse', version: '4.20.1' }));
		expect(version.reason).toContain('not to a sparse one');
		const selection: PruneSelection = {
			...nothing,
			toggled: ['amd64', 'arm64', 's390x'].map((name) => ({
				component: 'etcd',
				platform: parsePlatform(`linux/${name}`)!,
			})),
		};
		const emptied = await refusalOf(planOf({ mode: 'sparse', selection }));
		expect(emptied.reason).toContain('It would leave nothing of etcd');
	});

	it('is refused from a file that leaves out more than it says', async () => {
		const plan = await planOf({ mode: 'sparse', selection: amd64Only });
		const components = plan.subject.components.map(({ left, ...component }) =>
			left && component.name !== 'etcd' ? { ...component, left } : component,
		);
		const subject = { ...plan.subject, components };
		const { id: _id, ...decided } = { ...plan, subject };
		const forged = { ...decided, id: await planId(decided, hashOf) };
		const problem = await refusalOf(parsePlan(printPlan(forged), hashOf));
		expect(problem.reason).toMatch(/leaves sha256:[0-9a-f]{64} out without saying so/);
	});
});

it('pruning is what is done where nothing else is said, and plans do not name it', async () => {
	const plan = await planOf({ selection: { ...nothing, preset: { kind: 'placeholders' } } });
	const named = await planOf({
		mode: 'prune',
		selection: { ...nothing, preset: { kind: 'placeholders' } },
	});
	expect(named.id).toBe(plan.id);
	expect(printPlan(plan)).not.toContain('mode');
	expect(plan.subject.release.digest).not.toBe(source);
});
