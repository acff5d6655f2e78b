import { describe, expect, it } from 'vitest';
import type { Estimate } from '../../../shared/plan/estimate.ts';
import { planPrune } from '../../../shared/plan/plan-prune.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import type { Plan } from '../../../shared/plan/plan.ts';
import type { PruneSubject } from '../../../shared/plan/subject.ts';
import { gzip } from '../../../shared/archive/compress.ts';
import { emptyDraft } from '../../../shared/release/prune-fields.ts';
import { planMarkdown } from '../../../shared/report/plan-markdown.ts';
import { planText, writtenText } from '../../../shared/report/plan-text.ts';
import { estimateLines, lossText, planHeadline } from '../../../shared/report/plan-words.ts';
import { inflate } from '../../../web/api/inflate.ts';
import { failuresText, leftBehindText } from '../../../shared/report/run-text.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { entryOf, linux, ReleaseMaker } from '../../support/release-maker.ts';
import { smallPlan } from '../plan/small-plan.ts';

const cost: Estimate = {
	present: { count: 1, bytes: 1000 },
	mountable: { count: 2, bytes: 2000 },
	toCopy: { count: 3, bytes: 3_000_000 },
	toUpload: { count: 1, bytes: 500 },
	manifests: { present: 4, toPush: 5 },
	requests: 42,
};

/** A release with a placeholder, pruned into another registry, where its tag is in use. */
async function prunePlan(): Promise<Plan> {
	const maker = new ReleaseMaker(['amd64', 'arm64']);
	maker.addBuilt('etcd');
	const pods = maker.architectures.map((name) => maker.image('pod', linux(name)));
	maker.add('aws', [entryOf(maker.image('aws', linux('amd64'))), entryOf(pods[1]!)]);
	maker.add(
		'pod',
		pods.map((pod) => entryOf(pod)),
	);
	const release = { registry: 'registry.test', repository: 'acme/release', tag: 'pruned' };
	maker.registries.putManifest(release, pods[0]!.manifest, 'pruned');
	await maker.finish({ files: [{ name: 'operator.yaml', text: 'version: 4.20.0\n' }] });
	const tools = {
		registries: maker.registries,
		hash: hashOf,
		gzip: (bytes: Uint8Array) => Promise.resolve(gzip(bytes)),
		inflate,
	};
	return planPrune(tools, await maker.read(), {
		...emptyDraft,
		repository: { registry: 'registry.test', repository: 'acme/parts' },
		release,
		version: '4.20.1-acme.1',
	});
}

function subjectOf({ subject }: Plan): PruneSubject {
	if (subject.kind !== 'prune-release') throw new Error('another kind of plan');
	return subject;
}

/** A plan whose every text comes from somebody hostile. */
async function hostile(text: string): Promise<Plan> {
	const plan = await prunePlan();
	const subject = subjectOf(plan);
	const [component] = subject.components;
	return {
		...plan,
		subject: {
			...subject,
			source: { ...subject.source, reference: text },
			version: { from: text, to: text },
			components: [{ ...component!, name: text, from: text }],
			files: [{ name: text, replacements: 1 }],
			mentions: [{ file: text, line: 1, text, rewritten: false }],
			notes: [text],
		},
	};
}

describe('a plan for a terminal', () => {
	it('says what is written and where, what changes, what no longer holds and what it costs', async () => {
		await expect(planText(await prunePlan(), { estimate: cost })).toMatchFileSnapshot(
			'golden/plan.txt.golden',
		);
	});

	it('is the same from its file', async () => {
		const plan = await prunePlan();
		const again = await parsePlan(printPlan(plan), hashOf);
		expect(planText(again, { estimate: cost })).toBe(planText(plan, { estimate: cost }));
		expect(planMarkdown(again, cost)).toBe(planMarkdown(plan, cost));
	});

	it('costs nothing that nobody asked for', async () => {
		expect(planText(await prunePlan())).not.toContain('costs');
	});

	it('names every repository, registry and tag of the steps, whatever the plan says of itself', async () => {
		const text = writtenText(await smallPlan());
		expect(text).toContain('registry.test/acme/pruned  1 (14 B)      1 (');
		expect(text).toContain('Reads from\n  quay.io/acme/parts\n');
		expect(text).toContain('Registries that are contacted\n  quay.io, registry.test\n');
		expect(text).toContain('new  registry.test/acme/pruned:v1  sha256:');
	});

	it('lets no control character of a stranger through', async () => {
		const text = planText(await hostile('a\u001b[31mb\u009bc\u202ed\u2028e\u0000\r\nf\tg'));
		expect(text).toContain('a�[31mb�c�d�e���f�g');
		expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u202a-\u202e]/);
	});
});

describe('a plan as Markdown', () => {
	it('has tables of tags and components, and what no longer holds', async () => {
		await expect(planMarkdown(await prunePlan(), cost)).toMatchFileSnapshot(
			'golden/plan.md.golden',
		);
	});

	it('folds long lists', async () => {
		const plan = await prunePlan();
		const subject = subjectOf(plan);
		const files = Array.from({ length: 13 }, (_, at) => ({ name: `${at}.yaml`, replacements: 1 }));
		const short = planMarkdown({ ...plan, subject: { ...subject, files: files.slice(1) } });
		expect(short).not.toContain('<details>');
		const long = planMarkdown({ ...plan, subject: { ...subject, files } });
		expect(long).toContain('\n<details><summary>13 files</summary>\n\n| file |');
		expect(long).toContain('\n</details>\n');
	});

	it.each([
		['a|b\\|c', 'a\\|b\\\\\\|c'],
		['`x` <img src=y> *b*', '\\`x\\` \\<img src=y\\> \\*b\\*'],
		['a\n\n# b `c`', 'a # b \\`c\\`'],
		['[d](https://e.test) www.f.test `', '\\[d\\](https:\\//e.test) www\\.f.test \\`'],
		['@acme &lt; #12 `', '@<!-- -->acme &amp;lt; \\#12 \\`'],
	])('makes no markup of a stranger’s text: %j', async (given, escaped) => {
		const text = planMarkdown(await hostile(given));
		expect(text).toContain(`\n| ${escaped} | `);
		expect(text).toContain(`\n- ${escaped}\n`);
		expect(text.split('\n')[0]).toBe(`## Prune ${escaped}`);
		const rows = text.split('\n').filter((line) => line.startsWith('|'));
		const columns = new Set(rows.map((row) => row.replace(/\\./g, '').split('|').length));
		expect([...columns].toSorted()).toEqual([4, 6, 8]);
	});

	it('begins no list within a list', async () => {
		const text = planMarkdown(await hostile('- a'));
		expect(text).toContain('\n- \\- a\n');
		expect(planMarkdown(await hostile('1. a'))).toContain('\n- 1\\. a\n');
	});

	it('tells of an undo', async () => {
		const plan = hashOf('sha256', new Uint8Array([1]));
		const finishedAt = 'then';
		const notes = ['One tag cannot go back.'];
		const text = planMarkdown(
			await smallPlan({ subject: { kind: 'undo', plan, finishedAt, notes } }),
		);
		expect(text).toContain('One tag cannot go back.');
		expect(text).toMatch(
			/^## Undo\n\nTags go back to where they were before the run of plan sha256:/,
		);
	});
});

describe('the words of a plan', () => {
	const removed = hashOf('sha256', new Uint8Array());

	it.each([
		[[], ''],
		[[{ digest: removed, platform: 'linux/arm64', why: 'dropped' }], 'linux/arm64'],
		[[{ digest: removed, why: 'dropped' }], removed],
		[
			[
				{ digest: removed, platform: 'linux/arm64', why: 'dropped' },
				{ digest: removed, why: 'attestation' },
				{ digest: removed, why: 'attestation' },
				{ digest: removed, why: 'dangling' },
			],
			'linux/arm64, 2 attestations, 1 attestation of nothing',
		],
	] as const)('on a loss of %j', (children, text) => {
		expect(lossText([...children])).toBe(text);
	});

	it('on a plan that changes nothing', async () => {
		const subject = subjectOf(await prunePlan());
		const { source } = subject;
		const unchanged: PruneSubject = {
			...subject,
			components: [{ name: 'etcd', from: 'a', to: 'b', removed: [] }],
			release: { digest: source.digest, removed: [] },
		};
		expect(planHeadline({ subject: unchanged })).toBe(
			`No component changes; 1 is copied along as it is; the release stays as it is, at registry.test/acme/release@${source.digest}.`,
		);
	});

	it('on an estimate where nothing is to do', () => {
		const none = { count: 0, bytes: 0 };
		const manifests = { present: 3, toPush: 0 };
		expect(
			estimateLines({
				present: { count: 1, bytes: 10 },
				mountable: none,
				toCopy: none,
				toUpload: none,
				manifests,
				requests: 1,
			}),
		).toEqual([
			'to copy: nothing',
			'there already: 1 blob, 10 B',
			'manifests: 0 to push, 3 there already',
			'about 1 request to the target',
		]);
	});
});

describe('what failed in a run', () => {
	it('is told kind by kind, each with its own reason and once with what to do', async () => {
		const run = new Run(await smallPlan());
		const [blob, upload, manifest] = run.items;
		const lost = { code: 'connection-lost', origin: 'registry' } as const;
		run.fail(blob!, { ...lost, reason: 'One\u001b[31m.' });
		run.fail(upload!, { ...lost, reason: 'Two.' });
		run.fail(manifest!, { code: 'internal', origin: 'proxy', reason: 'Three.' });
		const text = failuresText(run);
		expect(text.match(/^The connection broke off:$/gm)).toHaveLength(1);
		expect(text.match(/Try again/g)).toHaveLength(1);
		expect(text).toMatch(/ {2}registry\.test\/acme\/pruned@sha256:\w{64}\n {4}One�\[31m\.\n/);
		expect(text).toContain('A defect in Espalier:\n');
	});

	it('is told of the run itself where no step failed', async () => {
		const run = new Run(await smallPlan());
		const problem = { code: 'timeout', origin: 'registry', reason: 'Too slow.' } as const;
		run.end({ kind: 'failed', problem });
		expect(failuresText(run)).toMatch(/^No answer in time\. Too slow\.\n {2}- /);
		expect(leftBehindText(run)).toBe(
			'Known to be at the target: 0 of 2 blobs, 0 of 2 manifests.\nNo tag was moved.\n',
		);
	});

	it('names the tags that were moved before it ended', async () => {
		const run = new Run(await smallPlan());
		run.finish(run.items.at(-1)!, 'moved');
		expect(leftBehindText(run)).toContain(
			'1 of 1 tag was moved:\n  registry.test/acme/pruned:v1\n',
		);
	});
});
