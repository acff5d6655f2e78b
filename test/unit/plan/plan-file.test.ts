import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../../shared/plan/canonical-json.ts';
import { parsePlan, printPlan } from '../../../shared/plan/plan-file.ts';
import { planId } from '../../../shared/plan/plan-id.ts';
import type { Plan, Step } from '../../../shared/plan/plan.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { hashOf } from '../../support/fake-registries.ts';
import { contentOf } from '../../support/release-maker.ts';
import type { PlanSubject } from '../../../shared/plan/subject.ts';
import { smallImage, smallPlan, source, subjectOf, target } from './small-plan.ts';

type FileJson = Record<string, unknown> & {
	contents: Record<string, unknown>[];
	steps: Record<string, unknown>[];
	repositories: string[];
};

async function reasonOf(text: string): Promise<string> {
	return parsePlan(text, hashOf).then(
		() => 'accepted',
		(error: unknown) => {
			const { code, reason } = problemOf(error);
			return code === 'plan-invalid' ? reason : `another problem: ${code} ${reason}`;
		},
	);
}

/** The file of a plan, changed after its id was computed. */
async function tampered(change: (file: FileJson) => void): Promise<string> {
	const file = JSON.parse(printPlan(await smallPlan())) as FileJson;
	change(file);
	return reasonOf(JSON.stringify(file));
}

/** The file of a plan whose id is right for what is in it, however wrong that is. */
async function consistent(changes: Partial<Omit<Plan, 'id'>>): Promise<string> {
	return reasonOf(printPlan(await smallPlan(changes)));
}

async function stepsOf(change: (steps: Step[]) => Step[]): Promise<string> {
	const { steps } = await smallPlan();
	return consistent({ steps: change([...steps]) });
}

describe('canonical JSON', () => {
	it('sorts keys at every depth and leaves out what is undefined', () => {
		expect(canonicalJson({ b: [1, { d: 'x', c: null }], a: true, e: undefined })).toBe(
			'{"a":true,"b":[1,{"c":null,"d":"x"}]}',
		);
	});

	it('is one text for one value, whatever the order of keys', () => {
		fc.assert(
			fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
				const turned = Object.fromEntries(Object.entries(value).toReversed());
				expect(canonicalJson(turned as never)).toBe(canonicalJson(value as never));
				expect(JSON.parse(canonicalJson(value as never))).toEqual(
					JSON.parse(JSON.stringify(value)),
				);
			}),
		);
	});
});

describe('a plan as a file', () => {
	it('comes back as it was, with the very bytes that the plan made', async () => {
		const plan = await smallPlan();
		expect(await parsePlan(printPlan(plan), hashOf)).toEqual(plan);
	});

	it('is printed the same from what was read', async () => {
		const text = printPlan(await smallPlan());
		expect(printPlan(await parsePlan(text, hashOf))).toBe(text);
	});

	it('keeps bytes that are no text', async () => {
		const { layer, ...image } = smallImage();
		const binary = contentOf(layer.mediaType, Uint8Array.from([0xff, 0, 0xfe, 0x80]));
		const plan = await smallPlan({}, { ...image, layer: binary });
		const contents = plan.contents.map((content) =>
			content.digest === binary.digest ? { ...content, bytes: binary.bytes } : content,
		);
		const steps = plan.steps.map((step): Step =>
			step.kind === 'blob' ? { kind: 'upload', content: step.content, to: step.to } : step,
		);
		const decided = {
			subject: plan.subject,
			repositories: [source, target],
			contents,
			steps,
		};
		const made = { id: await planId(decided, hashOf), ...decided };
		expect(await parsePlan(printPlan(made), hashOf)).toEqual(made);
	});

	it('has one line for each step and each content', async () => {
		const plan = await smallPlan();
		const lines = printPlan(plan).split('\n');
		expect(lines.filter((line) => line.includes('"kind":"manifest"'))).toHaveLength(2);
		expect(lines.filter((line) => line.startsWith('\t\t{"digest"'))).toHaveLength(4);
	});
});

describe('a plan file is refused', () => {
	it.each([
		['where it is no JSON', 'not json', /not JSON/],
		['where it is cut off', '{"schema":"espalier/plan/v1","id":', /not JSON/],
		['where it is something else', '{"kind":"Pod"}', /something else/],
		['where it is of another version', '{"schema":"espalier/plan/v9"}', /“espalier\/plan\/v9”/],
		['where it has no content', '{"schema":"espalier/plan/v1"}', /At id/],
	])('%s', async (_, text, reason) => {
		expect(await reasonOf(text)).toMatch(reason);
	});

	it.each<[string, (file: FileJson) => void, RegExp]>([
		['with a field that nobody knows', (file) => (file['extra'] = 1), /extra/],
		['with another id', (file) => (file['id'] = `sha256:${'0'.repeat(64)}`), /it was changed/],
		[
			'with another target',
			(file) => (file.repositories[1] = 'evil.test/acme/x'),
			/it was changed/,
		],
		['with another tag', (file) => (file.steps[4]!['tag'] = 'latest'), /it was changed/],
		['with an expectation left out', (file) => delete file.steps[4]!['expect'], /steps\.4/],
		[
			'with other bytes under a digest',
			(file) => (file.contents[1]!['text'] = 'evil'),
			/carries 4 bytes with the digest/,
		],
		['with bytes given twice', (file) => (file.contents[1]!['base64'] = ''), /twice/],
		[
			'with a step for content that is not there',
			(file) => (file.steps[0]!['content'] = 9),
			/not there/,
		],
		[
			'with a step to a repository that is not there',
			(file) => (file.steps[0]!['to'] = 9),
			/not there/,
		],
		['with a negative place', (file) => (file.steps[0]!['to'] = -1), /steps\.0\.to/],
		[
			'with a media type that is not there',
			(file) => (file.contents[0]!['type'] = 7),
			/media type/,
		],
		['with a short name of a repository', (file) => (file.repositories[1] = 'alpine'), /in full/],
		[
			'with a login in a repository',
			(file) => (file.repositories[1] = 'u:p@h.test/x'),
			/names the repository/,
		],
	])('%s', async (_, change, reason) => {
		expect(await tampered(change)).toMatch(reason);
	});

	it('where a repository is named that no step is about', async () => {
		const repositories = [source, target, { registry: 'hidden.test', repository: 'x' }];
		expect(await consistent({ repositories })).toMatch(/none of its steps is about/);
	});

	it('where a repository is listed twice, under which one tag could go two ways', async () => {
		expect(await consistent({ repositories: [source, target, target] })).toMatch(/twice/);
	});

	it('where it says less than a made manifest needs', async () => {
		const reason = await stepsOf((steps) =>
			steps.map((step) =>
				step.kind === 'manifest' && step.content === 3 ? { ...step, needs: [] } : step,
			),
		);
		expect(reason).toMatch(/needs other things than the plan says/);
	});

	it('where the tag of the release is not the last', async () => {
		const reason = await stepsOf((steps) => [
			...steps,
			{ kind: 'tag', content: 3, to: 1, tag: 'later', expect: 'absent' },
		]);
		expect(reason).toMatch(/is not the last to move/);
	});

	it('where it says that it publishes what none of its steps does', async () => {
		const { index } = smallImage('another');
		const subject = subjectOf('registry.test/acme/pruned:v1', index.digest);
		expect(await consistent({ subject })).toMatch(/none of its steps does/);
	});

	it('where it says that it only moves tags back, and copies too', async () => {
		const subject: PlanSubject = {
			kind: 'undo',
			plan: hashOf('sha256', new Uint8Array([1])),
			finishedAt: '2026-01-02T03:04:05.000Z',
			notes: [],
		};
		expect(await consistent({ subject })).toMatch(/it has a blob step/);
	});

	it('where content is held that no step is about', async () => {
		const { contents } = await smallPlan();
		const { digest, bytes, mediaType } = contentOf('text/plain', 'stowaway');
		const stowaway = { digest, bytes, mediaType, sizeBytes: bytes.length };
		expect(await consistent({ contents: [...contents, stowaway] })).toMatch(/content that none/);
	});

	it('where a tag would point to a manifest that is not in the plan', async () => {
		const reason = await stepsOf((steps) => [
			...steps,
			{ kind: 'tag', content: 0, to: 1, tag: 'v2', expect: 'absent' },
		]);
		expect(reason).toMatch(/tag v2 would point to a manifest that is not in the plan/);
	});

	it('where a tag would point to a manifest that goes to another repository', async () => {
		const reason = await stepsOf((steps) => [
			...steps,
			{ kind: 'tag', content: 3, to: 0, tag: 'v1', expect: 'absent' },
		]);
		expect(reason).toMatch(/not in the plan/);
	});

	it('where a blob comes after what needs it', async () => {
		expect(await stepsOf(([blob, ...steps]) => [...steps, blob!])).toMatch(
			/blob step comes too late/,
		);
	});

	it('where something is written twice', async () => {
		expect(await stepsOf((steps) => [steps[0]!, ...steps])).toMatch(/twice/);
	});

	it('where a manifest has neither bytes nor a source', async () => {
		const reason = await stepsOf((steps) =>
			steps.map((step) =>
				step.kind === 'manifest' && step.content === 2 ? { ...step, from: [] } : step,
			),
		);
		expect(reason).toMatch(/either its bytes or a place/);
	});

	it('where an upload has no bytes', async () => {
		const reason = await stepsOf((steps) =>
			steps.map((step) => (step.kind === 'upload' ? { ...step, content: 0 } : step)).slice(1),
		);
		expect(reason).toMatch(/bytes of upload .* are missing/);
	});

	it('where a made manifest could be read in two ways', async () => {
		const { index, ...image } = smallImage();
		const text = new TextDecoder().decode(index.bytes).replace('{', '{"config":{},');
		const twofold = { ...image, index: contentOf(index.mediaType, text) };
		expect(await reasonOf(printPlan(await smallPlan({}, twofold)))).toMatch(/at once/);
	});
});
