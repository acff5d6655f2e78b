import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	type Repository,
} from '../../../shared/oci/reference.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import {
	contentAt,
	repositoryAt,
	stepsOf,
	type Plan,
	type Step,
} from '../../../shared/plan/plan.ts';
import { Run } from '../../../shared/plan/run-state.ts';
import { runPlan } from '../../../shared/plan/run.ts';
import type { PruneSubject } from '../../../shared/plan/subject.ts';
import { summarize } from '../../../shared/plan/summary.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { planMarkdown } from '../../../shared/report/plan-markdown.ts';
import { planText, writtenText } from '../../../shared/report/plan-text.ts';
import { hostileText, runs } from '../../support/arbitraries.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { contentOf, descriptorOf } from '../../support/release-maker.ts';
import { smallImage, smallPlan, source, subjectOf, target } from './small-plan.ts';

const elsewhere: Repository = { registry: 'evil.test', repository: 'loot' };
const image = smallImage();

async function reasonOf(plan: Plan): Promise<string> {
	return parsePlan(printPlan(plan), hashOf).then(
		() => 'accepted',
		(error: unknown) => problemOf(error).reason,
	);
}

/** As somebody makes it who also computes the id: that proves nothing about who made it. */
async function forged(changes: Partial<Omit<Plan, 'id'>>): Promise<Plan> {
	return smallPlan(changes, image);
}

async function withSteps(change: (steps: readonly Step[]) => readonly Step[]): Promise<Plan> {
	const { steps } = await smallPlan({}, image);
	return forged({ steps: change(steps) });
}

function world(): FakeRegistries {
	const registries = new FakeRegistries();
	for (const each of [image.layer, image.config]) registries.putBlob(source, each.bytes);
	for (const each of [image.image, image.index]) registries.putManifest(source, each);
	return registries;
}

async function carriedOut(plan: Plan, registries = world()) {
	const run = new Run(plan);
	for await (const _ of runPlan(registries, run)) continue;
	return { run, registries };
}

/** Everything that is shown before a plan is run says these. */
function shown(plan: Plan): readonly string[] {
	return [writtenText(plan), planText(plan), planMarkdown(plan)];
}

describe('what is shown of a plan from somebody else', () => {
	it('names a repository that only a step writes to, whatever the subject says', async () => {
		const steps = (await smallPlan({}, image)).steps;
		const plan = await forged({
			repositories: [source, target, elsewhere],
			steps: [
				...steps.slice(0, 1),
				{ kind: 'blob', content: 0, to: 2, from: [0] },
				...steps.slice(1, 2),
				{ kind: 'upload', content: 1, to: 2 },
				...steps.slice(2, 4),
				{ kind: 'manifest', content: 2, to: 2, from: [0], needs: [0, 1] },
				{ kind: 'tag', content: 2, to: 2, tag: 'latest', expect: 'absent' },
				...steps.slice(4),
			],
		});
		expect(await reasonOf(plan)).toBe('accepted');
		const { targets, registries } = summarize(plan);
		expect(targets.map(({ repository }) => repository)).toContain('evil.test/loot');
		expect(registries).toContain('evil.test');
		for (const text of shown(plan)) expect(text).toContain('evil.test/loot');
	});

	it('names a host that only one step reads from, and only as its last choice', async () => {
		const plan = await forged({
			repositories: [source, target, elsewhere],
			steps: (await smallPlan({}, image)).steps.map((step): Step =>
				step.kind === 'blob' ? { ...step, from: [0, 2] } : step,
			),
		});
		expect(await reasonOf(plan)).toBe('accepted');
		const { sources, registries } = summarize(plan);
		expect(sources).toContain('evil.test/loot');
		expect(registries).toEqual(['quay.io', 'registry.test', 'evil.test']);
		for (const text of shown(plan)) expect(text).toContain('evil.test');
	});

	it('names every registry, however many there are', async () => {
		const more = Array.from({ length: 300 }, (_, at) => ({
			registry: `${'long-'.repeat(10)}${at}.test`,
			repository: 'x',
		}));
		const steps = (await smallPlan({}, image)).steps.map((step): Step =>
			step.kind === 'blob' ? { ...step, from: [0, ...more.map((_, at) => at + 2)] } : step,
		);
		const plan = await forged({ repositories: [source, target, ...more], steps });
		expect(await reasonOf(plan)).toBe('accepted');
		for (const text of shown(plan)) {
			const from = text.search(/Registries that are contacted|registries:/);
			const listed = text.slice(from);
			for (const { registry } of more) expect(listed).toContain(registry);
		}
	});

	it('names every repository with more than a few new tags, however many are not listed one by one', async () => {
		const many = Array.from({ length: 40 }, (_, at): Step => ({
			kind: 'tag',
			content: 3,
			to: 1,
			tag: `t${at}`,
			expect: 'absent',
		}));
		const plan = await forged({
			repositories: [source, target, elsewhere],
			steps: (await smallPlan({}, image)).steps.flatMap((step): Step[] => {
				if (step.kind === 'tag') {
					return [...many, { kind: 'tag', content: 3, to: 2, tag: 'x', expect: 'absent' }, step];
				}
				if (step.kind === 'blob' || step.kind === 'upload') return [step, { ...step, to: 2 }];
				return [step, { ...step, to: 2 }];
			}),
		});
		expect(await reasonOf(plan)).toBe('accepted');
		for (const text of shown(plan)) expect(text).toContain('evil.test/loot');
		expect(writtenText(plan)).toMatch(/and \d+ more new tags in .*evil\.test\/loot/);
		const whole = planText(plan, { allTags: true });
		expect(whole).not.toContain('more new tags');
		for (let at = 0; at < 40; at += 1) expect(whole).toContain(`:t${at} `);
	});

	it('names every tag that is moved or removed, however many there are', async () => {
		const many = Array.from({ length: 200 }, (_, at): Step => {
			const expect = hashOf('sha256', Uint8Array.of(at));
			return { kind: 'tag', content: at % 2 ? 3 : undefined, to: 1, tag: `t${at}`, expect };
		});
		const plan = await withSteps((steps) => [...steps.slice(0, 4), ...many, ...steps.slice(4)]);
		expect(await reasonOf(plan)).toBe('accepted');
		for (const text of shown(plan)) {
			for (let at = 0; at < 200; at += 1) expect(text).toContain(`t${at}`);
		}
	});

	it('is one word a line for a terminal, and markup nowhere, whatever its subject says', async () => {
		const base = subjectOf(`${formatRepository(target)}:v1`, image.index.digest) as PruneSubject;
		await fc.assert(
			fc.asyncProperty(hostileText, hostileText, async (text, name) => {
				const removed = [{ digest: text, platform: name, why: 'dropped' as const }];
				const plan = await forged({
					subject: {
						...base,
						source: { ...base.source, reference: text },
						version: { from: text, to: name },
						release: { ...base.release, removed },
						components: [
							{
								name,
								from: text,
								to: formatReference(byDigest(target, image.index.digest)),
								removed,
							},
						],
						registries: [text],
						files: [{ name, replacements: 1 }],
						mentions: [{ file: name, line: 1, text, rewritten: false }],
						notes: [text, name],
					},
				});
				expect(await reasonOf(plan)).toBe('accepted');
				for (const each of shown(plan)) {
					expect(each).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Cs}\u2028\u2029]/u);
				}
				// What is done is said before, and is not crowded out.
				expect(writtenText(plan)).toContain('\nWrites\n');
				expect(writtenText(plan)).toContain(formatRepository(target));
				// Without what is escaped, and without code spans, in which nothing is markup.
				const markup = planMarkdown(plan)
					.replace(/\\./g, '')
					.replace(/`[^`]*`/g, '');
				expect(markup).not.toMatch(/<img|\]\(/);
			}),
			runs(150),
		);
	});
});

describe('a plan from somebody else is refused', () => {
	it.each<[string, () => Promise<Plan>, RegExp]>([
		[
			'where a repository is in its table that no step is about',
			() => forged({ repositories: [source, target, elsewhere] }),
			/repository that none of its steps is about/,
		],
		[
			'where its subject names another target than its steps write to',
			() => forged({ subject: subjectOf('quay.io/good/release:v1', image.index.digest) }),
			/but none of its steps does/,
		],
		[
			'where its subject names another digest than its steps publish',
			() => forged({ subject: subjectOf('registry.test/acme/pruned:v1', image.image.digest) }),
			/none of its steps does/,
		],
		[
			'where a manifest needs itself',
			() =>
				withSteps((steps) =>
					steps.map((step): Step =>
						step.kind === 'manifest' && step.content === 2 ? { ...step, needs: [0, 1, 2] } : step,
					),
				),
			/comes before what it needs/,
		],
		[
			'where two manifests need each other',
			() =>
				withSteps((steps) =>
					steps.map((step): Step =>
						step.kind === 'manifest' && step.content === 2 ? { ...step, needs: [0, 1, 3] } : step,
					),
				),
			/comes before what it needs/,
		],
		[
			'where an index comes before its child',
			() =>
				withSteps(([blob, upload, child, index, tag]) => [blob!, upload!, index!, child!, tag!]),
			/comes before what it needs/,
		],
		[
			'where a tag would point to what nobody pushes',
			() =>
				withSteps((steps) => [
					...steps.slice(0, 4),
					{ kind: 'tag', content: 1, to: 1, tag: 'x', expect: 'absent' },
					...steps.slice(4),
				]),
			/would point to a manifest that is not in the plan/,
		],
		[
			'where a tag is removed last, in place of the root that it speaks of',
			() =>
				withSteps((steps) => [
					...steps,
					{ kind: 'tag', content: undefined, to: 1, tag: 'v0', expect: image.index.digest },
				]),
			/is not the last to move/,
		],
		[
			'where a media type would break a header',
			async () => {
				const { contents } = await smallPlan({}, image);
				return forged({
					contents: contents.map((each, at) =>
						at === 0 ? { ...each, mediaType: 'a/b\r\nX-Evil: 1' } : each,
					),
				});
			},
			/not a media type/,
		],
		[
			'where a host is a number that means an address',
			() => forged({ repositories: [{ registry: '2130706433:5000', repository: 'x' }, target] }),
			/not how a repository is written/,
		],
		[
			'where a repository is written with other letters than ASCII',
			() => forged({ repositories: [{ registry: 'quаy.io', repository: 'x' }, target] }),
			/not how a repository is written/,
		],
		[
			'where a repository is written in capitals, as another one',
			() => forged({ repositories: [{ registry: 'QUAY.io', repository: 'acme/parts' }, target] }),
			/not how a repository is written/,
		],
		[
			'where its bytes do not have the digest that it states',
			async () => {
				const { contents } = await smallPlan({}, image);
				const evil = new TextEncoder().encode('evil');
				return forged({
					contents: contents.map((each, at) =>
						at === 1 ? { ...each, bytes: evil, sizeBytes: evil.length } : each,
					),
				});
			},
			/carries 4 bytes with the digest/,
		],
	])('%s', async (_, make, reason) => {
		expect(await reasonOf(await make())).toMatch(reason);
	});

	it('where indexes are nested deeper than anything genuine', async () => {
		const made = [image.image];
		for (let level = 0; level < 30; level += 1) {
			const manifests = [descriptorOf(made.at(-1)!)];
			const json = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
			made.push(contentOf(mediaTypes.ociIndex, json));
		}
		const { contents, steps } = await smallPlan({}, image);
		const tower = made.slice(1);
		const root = tower.at(-1)!;
		const decided = {
			subject: subjectOf(`${formatRepository(target)}:v1`, root.digest),
			repositories: [source, target],
			contents: [
				...contents.slice(0, 3),
				...tower.map(({ digest, mediaType, bytes }) => ({
					digest,
					mediaType,
					bytes,
					sizeBytes: bytes.length,
				})),
			],
			steps: [
				...steps.slice(0, 3),
				...tower.map((_, at): Step => ({
					kind: 'manifest',
					content: at + 3,
					to: 1,
					from: [],
					needs: [at + 2],
				})),
				{ kind: 'tag' as const, content: 32, to: 1, tag: 'v1', expect: 'absent' as const },
			],
		};
		const plan = { id: await planId(decided, hashOf), ...decided };
		expect(await reasonOf(plan)).toMatch(/nested too deep/);
	});
});

describe('a plan from somebody else, run', () => {
	it('writes nowhere that was not shown, whatever its steps are', async () => {
		const places = fc.nat(2);
		const steps = fc.tuple(
			fc.uniqueArray(places, { minLength: 1 }),
			fc.uniqueArray(fc.tuple(places, fc.constantFrom('a', 'b', 'v1')), {
				selector: String,
				maxLength: 4,
			}),
		);
		await fc.assert(
			fc.asyncProperty(steps, async ([tos, tags]) => {
				const all = [...new Set([...tos, 1])];
				const plan = await forged({
					repositories: [source, target, elsewhere],
					steps: [
						...all.map((to): Step => ({ kind: 'blob', content: 0, to, from: [0, 2] })),
						...all.map((to): Step => ({ kind: 'upload', content: 1, to })),
						...all.map((to): Step => ({
							kind: 'manifest',
							content: 2,
							to,
							from: [0],
							needs: [0, 1],
						})),
						...all.map((to): Step => ({ kind: 'manifest', content: 3, to, from: [], needs: [2] })),
						...tags
							.filter(([to, tag]) => all.includes(to) && !(to === 1 && tag === 'v1'))
							.map(([to, tag]): Step => ({ kind: 'tag', content: 3, to, tag, expect: 'absent' })),
						{ kind: 'tag', content: 3, to: 1, tag: 'v1', expect: 'absent' },
					],
				});
				const read = await parsePlan(printPlan(plan), hashOf);
				const { registries } = await carriedOut(read);
				const summary = summarize(read);
				const targets = summary.targets.map(({ repository }) => repository);
				for (const write of registries.written) {
					expect(
						targets.some((each) => write.includes(` ${each}@`) || write.includes(` ${each}:`)),
					).toBe(true);
				}
				const contacted = registries.asked.map((reference) => reference.split('/')[0]);
				for (const host of contacted) expect(summary.registries).toContain(host);
			}),
			runs(100),
		);
	});

	it('moves no tag where a copied manifest needs more than the plan says', async () => {
		const plan = await withSteps((steps) =>
			steps.map((step): Step =>
				step.kind === 'manifest' && step.content === 2 ? { ...step, needs: [0] } : step,
			),
		);
		expect(await reasonOf(plan)).toBe('accepted');
		const { run, registries } = await carriedOut(plan);
		expect(run.outcome?.kind).toBe('failed');
		expect(registries.written.filter((write) => write.startsWith('tag'))).toEqual([]);
	});

	it('moves no tag that is elsewhere than the plan says, also where it says that there is none', async () => {
		const registries = world();
		registries.putManifest(target, smallImage('mine').index, 'v1');
		const { run } = await carriedOut(await smallPlan({}, image), registries);
		expect(run.outcome).toMatchObject({ kind: 'failed', problem: { code: 'conflict' } });
		expect(registries.written.filter((write) => write.startsWith('tag'))).toEqual([]);
	});

	it('ends with a sentence where it needs what no step brings', async () => {
		const plan = await withSteps((steps) => steps.filter(({ kind }) => kind !== 'blob'));
		if ((await reasonOf(plan)) !== 'accepted') return;
		const { run } = await carriedOut(plan);
		expect(run.outcome?.kind).toBe('failed');
		expect(run.defect).toBeUndefined();
	});
});

describe('a plan file of very many steps', () => {
	/** Like what an attacker would send: much of everything, in one repository or in one for each step. */
	async function large(count: number, repositories: number): Promise<Plan> {
		const base = await smallPlan({}, image);
		const more = Array.from({ length: repositories }, (_, at) => ({
			registry: 'registry.test',
			repository: `acme/r${at}`,
		}));
		const steps: Step[] = [
			...base.steps.slice(0, 1),
			...more.map((_, at): Step => ({ kind: 'blob', content: 0, to: at + 2, from: [0] })),
			...base.steps.slice(1, 4),
			...Array.from({ length: count }, (_, at): Step => {
				const expect = at % 2 ? image.index.digest : 'absent';
				return { kind: 'tag', content: at % 2 ? undefined : 3, to: 1, tag: `t${at}`, expect };
			}),
			...base.steps.slice(4),
		];
		return forged({ repositories: [source, target, ...more], steps });
	}

	it('is read, summed up and printed in linear time', async () => {
		const times: number[] = [];
		for (const count of [1_000, 8_000]) {
			const text = printPlan(await large(count, count));
			const before = performance.now();
			const plan = await parsePlan(text, hashOf);
			summarize(plan);
			planText(plan);
			planMarkdown(plan);
			times.push(performance.now() - before);
		}
		const [short = 0, long = 0] = times;
		expect(long).toBeLessThan(Math.max(short * 30, 2_000));
	});

	it('is refused where it is longer than any genuine one', async () => {
		const text = ' '.repeat(256 * 1024 * 1024 + 1);
		await expect(parsePlan(text, hashOf)).rejects.toThrow(/longer than/);
	});
});

describe('the tables of a plan', () => {
	it('are what its steps name, so that a sum over steps leaves nothing out', async () => {
		const plan = await parsePlan(printPlan(await smallPlan({}, image)), hashOf);
		const named = new Set(
			plan.steps.flatMap((step) => [step.to, ...('from' in step ? step.from : [])]),
		);
		expect(
			[...named].map((place) => formatRepository(repositoryAt(plan, place))).toSorted(),
		).toEqual(plan.repositories.map(formatRepository).toSorted());
		for (const step of stepsOf(plan, 'upload')) {
			expect(contentAt(plan, step.content).bytes).toBeDefined();
		}
	});
});
