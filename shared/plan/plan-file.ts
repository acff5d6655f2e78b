/**
 * Plans as JSON files, both ways. Printing is the same on every machine, byte for byte. Reading takes nothing on
 * trust: a file that contradicts itself, carries bytes other than it states, or hides a place is refused.
 */
import * as z from 'zod';
import { fromJsonBytes, toJsonBytes } from '../oci/bytes-in-json.ts';
import { algorithmOf, digestSchema } from '../oci/digest.ts';
import { printJson } from '../oci/json-value.ts';
import { formatRepository, isTag, parseRepository, type Repository } from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { limits } from '../registry/limits.ts';
import { checkSteps, checkSubject, refusePlan } from './plan-check.ts';
import { planId, planSchemaName } from './plan-id.ts';
import type { Content, ManifestStep, Plan, Step } from './plan.ts';
import { planSubjectSchema } from './subject.ts';

const place = z.number().int().nonnegative();
const places = z.array(place);

const contentSchema = z.strictObject({
	digest: digestSchema,
	size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
	type: place,
	/** the bytes that this plan made: as text where they are UTF-8, else as base64 */
	text: z.string().optional(),
	base64: z.string().optional(),
});

const stepSchema = z.discriminatedUnion('kind', [
	z.strictObject({ kind: z.literal('blob'), content: place, to: place, from: places.min(1) }),
	z.strictObject({ kind: z.literal('upload'), content: place, to: place }),
	z.strictObject({
		kind: z.literal('manifest'),
		content: place,
		to: place,
		from: places,
		needs: places,
		without: z.array(digestSchema).min(1).optional(),
	}),
	z.strictObject({
		kind: z.literal('tag'),
		content: place.optional(),
		to: place,
		tag: z.string().refine(isTag, 'not a tag'),
		expect: z.union([digestSchema, z.literal('absent')]),
	}),
]);

const fileSchema = z.strictObject({
	schema: z.literal(planSchemaName),
	id: digestSchema,
	subject: planSubjectSchema,
	repositories: z.array(z.string()),
	// It becomes a header.
	mediaTypes: z.array(
		z
			.string()
			.max(255)
			.regex(/^[ -~]*$/, 'not a media type'),
	),
	contents: z.array(contentSchema),
	steps: z.array(stepSchema),
});
type PlanFile = z.infer<typeof fileSchema>;

type ManifestEntry = Extract<PlanFile['steps'][number], { kind: 'manifest' }>;

function toManifestStep({ without, ...step }: ManifestStep): ManifestEntry {
	const listed = without && { without: [...without] };
	return { ...step, from: [...step.from], needs: [...step.needs], ...listed };
}

function toStep(step: Step): PlanFile['steps'][number] {
	switch (step.kind) {
		case 'blob':
			return { ...step, from: [...step.from] };
		case 'manifest':
			return toManifestStep(step);
		default:
			return step;
	}
}

function toFile({ id, subject, repositories, contents, steps }: Plan): PlanFile {
	const mediaTypes = [...new Set(contents.map(({ mediaType }) => mediaType))];
	const types = new Map(mediaTypes.map((mediaType, type) => [mediaType, type]));
	return {
		schema: planSchemaName,
		id,
		subject,
		repositories: repositories.map(formatRepository),
		mediaTypes,
		contents: contents.map(({ digest, sizeBytes, mediaType, bytes }) => ({
			digest,
			size: sizeBytes,
			type: types.get(mediaType) ?? 0,
			...(bytes && toJsonBytes(bytes)),
		})),
		steps: steps.map(toStep),
	};
}

/** An array with one element on each line, so that two plans can be compared by any tool. */
function lines(values: readonly unknown[]): string {
	if (values.length === 0) return '[]';
	return `[\n${values.map((value) => `\t\t${printJson(value)}`).join(',\n')}\n\t]`;
}

export function printPlan(plan: Plan): string {
	const { schema, id, subject, repositories, mediaTypes, contents, steps } = toFile(plan);
	const members = [
		['schema', JSON.stringify(schema)],
		['id', JSON.stringify(id)],
		['subject', printJson(subject)],
		['repositories', lines(repositories)],
		['mediaTypes', lines(mediaTypes)],
		['contents', lines(contents)],
		['steps', lines(steps)],
	];
	return `{\n${members.map(([key, value]) => `\t"${key}": ${value}`).join(',\n')}\n}\n`;
}

function readRepository(text: string): Repository {
	const repository = parseRepository(text);
	if (repository) return repository;
	return refusePlan(
		`It names the repository “${text}”, which is not how a repository is written in full.`,
	);
}

async function readContent(
	{ digest, size, type, text, base64 }: PlanFile['contents'][number],
	mediaTypes: readonly string[],
	hash: HashBytes,
): Promise<Content> {
	const mediaType = mediaTypes[type];
	if (mediaType === undefined) refusePlan(`The media type of ${digest} is not in its table.`);
	const content = { digest, sizeBytes: size, mediaType };
	if (text === undefined && base64 === undefined) return content;
	if (text !== undefined && base64 !== undefined) {
		refusePlan(`It gives the bytes of ${digest} twice.`);
	}
	const bytes = fromJsonBytes({ text, base64 });
	if (bytes === undefined) refusePlan(`The bytes of ${digest} are not base64.`);
	const actual = await hash(algorithmOf(digest), bytes);
	if (bytes.length !== size || actual !== digest) {
		refusePlan(`It carries ${bytes.length} bytes with the digest ${actual} as ${digest}.`);
	}
	return { ...content, bytes };
}

/**
 * Reads a plan file from anywhere.
 * @throws ProblemError `plan-invalid` that says what is wrong with it
 */
export async function parsePlan(text: string, hash: HashBytes): Promise<Plan> {
	if (text.length > limits.planCharacters) {
		refusePlan(`It is longer than ${limits.planCharacters} characters.`);
	}
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch (cause) {
		refusePlan('It is not JSON: the file is no plan, or it was cut off.', cause);
	}
	const named = z.looseObject({ schema: z.string() }).safeParse(json).data?.schema;
	if (named === 'espalier/receipt/v1') {
		refusePlan(
			'It is a receipt: “espalier undo”, or opening it in the page, makes the plan that undoes its run.',
		);
	}
	if (named !== planSchemaName) {
		refusePlan(
			`It is ${named ? `“${named.slice(0, 100)}”` : 'something else'}, not “${planSchemaName}”.`,
		);
	}
	const result = fileSchema.safeParse(json);
	if (!result.success) {
		const [issue] = result.error.issues;
		refusePlan(
			`At ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? 'unexpected content'}.`,
		);
	}
	const { id, subject, mediaTypes } = result.data;
	const repositories = result.data.repositories.map(readRepository);
	const contents: Content[] = [];
	for (const content of result.data.contents) {
		contents.push(await readContent(content, mediaTypes, hash));
	}
	if (new Set(repositories.map(formatRepository)).size < repositories.length) {
		refusePlan('It lists the same repository twice.');
	}
	if (new Set(contents.map(({ digest }) => digest)).size < contents.length) {
		refusePlan('It lists the same content twice.');
	}
	const steps = result.data.steps.map((step): Step =>
		step.kind === 'tag' ? { ...step, content: step.content } : step,
	);
	const plan = { subject, repositories, contents, steps };
	checkSteps(plan);
	const actual = await planId(plan, hash);
	if (actual !== id) {
		refusePlan(`Its id is ${id}, but its content has the id ${actual}: it was changed.`);
	}
	checkSubject(plan);
	return { id, ...plan };
}
