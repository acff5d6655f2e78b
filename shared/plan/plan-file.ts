/**
 * Plans as JSON files, both ways. Printing is the same on every machine, byte for byte. Reading takes nothing on
 * trust: a file that contradicts itself, carries bytes other than it states, or hides a place is refused.
 */
import * as z from 'zod';
import { referencedDigests } from '../index/closure.ts';
import { algorithmOf, digestSchema, type Digest } from '../oci/digest.ts';
import { readManifest } from '../oci/document.ts';
import {
	formatReference,
	formatRepository,
	isTag,
	parseReference,
	type Repository,
} from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError } from '../registry/problem.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import {
	isInPlace,
	type Content,
	type ManifestStep,
	type Plan,
	type Step,
	type TagStep,
} from './plan.ts';
import { planSubjectSchema } from './subject.ts';

const schemaName = 'espalier/plan/v1';
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
	schema: z.literal(schemaName),
	id: digestSchema,
	subject: planSubjectSchema,
	repositories: z.array(z.string()),
	mediaTypes: z.array(z.string().max(255)),
	contents: z.array(contentSchema),
	steps: z.array(stepSchema),
});
type PlanFile = z.infer<typeof fileSchema>;

function refuse(reason: string, cause?: unknown): never {
	throw new ProblemError({ code: 'plan-invalid', origin: 'content', reason }, { cause });
}

function toText(bytes: Uint8Array): { text: string } | { base64: string } {
	try {
		const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
		return { text: decoder.decode(bytes) };
	} catch {
		return { base64: toBase64(bytes) };
	}
}

function toStep(step: Step): PlanFile['steps'][number] {
	switch (step.kind) {
		case 'blob':
			return { ...step, from: [...step.from] };
		case 'manifest':
			return { ...step, from: [...step.from], needs: [...step.needs] };
		default:
			return step;
	}
}

function toFile({ id, subject, repositories, contents, steps }: Plan): PlanFile {
	const mediaTypes = [...new Set(contents.map(({ mediaType }) => mediaType))];
	return {
		schema: schemaName,
		id,
		subject,
		repositories: repositories.map(formatRepository),
		mediaTypes,
		contents: contents.map(({ digest, sizeBytes, mediaType, bytes }) => ({
			digest,
			size: sizeBytes,
			type: mediaTypes.indexOf(mediaType),
			...(bytes && toText(bytes)),
		})),
		steps: steps.map(toStep),
	};
}

/** An array with one element on each line, so that two plans can be compared by any tool. */
function lines(values: readonly unknown[]): string {
	if (values.length === 0) return '[]';
	return `[\n${values.map((value) => `\t\t${JSON.stringify(value)}`).join(',\n')}\n\t]`;
}

export function printPlan(plan: Plan): string {
	const { schema, id, subject, repositories, mediaTypes, contents, steps } = toFile(plan);
	const members = [
		['schema', JSON.stringify(schema)],
		['id', JSON.stringify(id)],
		['subject', JSON.stringify(subject)],
		['repositories', lines(repositories)],
		['mediaTypes', lines(mediaTypes)],
		['contents', lines(contents)],
		['steps', lines(steps)],
	];
	return `{\n${members.map(([key, value]) => `\t"${key}": ${value}`).join(',\n')}\n}\n`;
}

/** The digest of everything in a plan but its notes; for made content its digest stands for its bytes. */
export async function planId(plan: Omit<Plan, 'id'>, hash: HashBytes): Promise<Digest> {
	const { subject, repositories, contents, steps } = plan;
	const identity = {
		schema: schemaName,
		// Sentences may be put better some day; what is done stays the same.
		subject: { ...subject, notes: undefined },
		repositories: repositories.map(formatRepository),
		contents: contents.map(({ digest, sizeBytes, mediaType, bytes }) => [
			digest,
			sizeBytes,
			mediaType,
			bytes !== undefined,
		]),
		steps,
	};
	const text = canonicalJson(identity satisfies JsonValue);
	return hash('sha256', new TextEncoder().encode(text));
}

function readRepository(text: string): Repository {
	const parsed = parseReference(text);
	if (!parsed.ok) refuse(`It names the repository “${text}”: ${parsed.reason}`);
	const { registry, repository, tag, digest } = parsed.reference;
	const read = { registry, repository };
	if (tag !== undefined || digest !== undefined || formatRepository(read) !== text) {
		refuse(`It names the repository “${text}”, which is not how a repository is written in full.`);
	}
	return read;
}

async function readContent(
	{ digest, size, type, text, base64 }: PlanFile['contents'][number],
	mediaTypes: readonly string[],
	hash: HashBytes,
): Promise<Content> {
	const mediaType = mediaTypes[type];
	if (mediaType === undefined) refuse(`The media type of ${digest} is not in its table.`);
	const content = { digest, sizeBytes: size, mediaType };
	if (text === undefined && base64 === undefined) return content;
	if (text !== undefined && base64 !== undefined) refuse(`It gives the bytes of ${digest} twice.`);
	const bytes = text === undefined ? fromBase64(base64 ?? '') : new TextEncoder().encode(text);
	if (bytes === undefined) refuse(`The bytes of ${digest} are not base64.`);
	const actual = await hash(algorithmOf(digest), bytes);
	if (bytes.length !== size || actual !== digest) {
		refuse(`It carries ${bytes.length} bytes with the digest ${actual} as ${digest}.`);
	}
	return { ...content, bytes };
}

function isIn(digest: string, digests: ReadonlySet<string | undefined>): boolean {
	return digests.has(digest);
}

/** Holds the steps against the tables and each other. */
class StepCheck {
	readonly #contents: readonly Content[];
	readonly #repositories: readonly Repository[];
	readonly #used = new Set<number>();
	readonly #usedContents = new Set<number>();
	readonly #writes = new Set<string>();

	constructor({ contents, repositories }: Pick<Plan, 'contents' | 'repositories'>) {
		this.#contents = contents;
		this.#repositories = repositories;
	}

	check(steps: readonly Step[]): void {
		const order = { blob: 0, upload: 1, manifest: 2, tag: 3 };
		let latest = 0;
		for (const step of steps) {
			if (order[step.kind] < latest) refuse(`A ${step.kind} step comes too late.`);
			latest = order[step.kind];
			this.#places(step);
			this.#step(step);
		}
		const unused = this.#repositories.findIndex((_, at) => !this.#used.has(at));
		if (unused >= 0) refuse('It names a repository that none of its steps is about.');
		if (this.#contents.some((_, at) => !this.#usedContents.has(at))) {
			refuse('It holds content that none of its steps is about.');
		}
	}

	#places(step: Step): void {
		const from = 'from' in step ? step.from : [];
		const needs = 'needs' in step ? step.needs : [];
		for (const at of [step.to, ...from]) {
			if (at >= this.#repositories.length) refuse('A step names a repository that is not there.');
			this.#used.add(at);
		}
		for (const at of [...(step.content === undefined ? [] : [step.content]), ...needs]) {
			if (at >= this.#contents.length) refuse('A step names content that is not there.');
			this.#usedContents.add(at);
		}
	}

	#step(step: Step): void {
		const content = step.content === undefined ? undefined : this.#contents[step.content];
		const what = step.kind === 'tag' ? `tag ${step.tag}` : `${step.kind} ${content?.digest ?? ''}`;
		const key = `${step.kind === 'upload' ? 'blob' : step.kind} ${step.to} ${step.kind === 'tag' ? step.tag : step.content}`;
		if (this.#writes.has(key)) refuse(`The ${what} is written twice.`);
		this.#writes.add(key);
		switch (step.kind) {
			case 'blob':
				if (content?.bytes) refuse(`The ${what} is copied although the plan holds its bytes.`);
				return;
			case 'upload':
				if (!content?.bytes) refuse(`The bytes of ${what} are missing.`);
				return;
			case 'manifest':
				this.#manifest(step, content, what);
				return;
			case 'tag':
				if (
					step.content !== undefined &&
					!this.#writes.has(`manifest ${step.to} ${step.content}`)
				) {
					refuse(`The ${what} would point to a manifest that is not in the plan.`);
				}
				return;
			default:
				step satisfies never;
		}
	}

	#manifest(step: ManifestStep, content: Content | undefined, what: string): void {
		if ((content?.bytes === undefined) !== step.from.length > 0) {
			refuse(`The ${what} needs either its bytes or a place to copy it from.`);
		}
		if (!content?.bytes) return;
		const read = readManifest({ ...content, bytes: content.bytes });
		if (read.kind === 'malformed') refuse(`The ${what} cannot be read: ${read.reason}.`);
		const needed = new Set(step.needs.map((place) => this.#contents[place]?.digest));
		const referenced = new Set(referencedDigests({ ...content, bytes: content.bytes }));
		if (
			needed.size !== referenced.size ||
			[...referenced].some((digest) => !isIn(digest, needed))
		) {
			refuse(`The ${what} needs other things than the plan says.`);
		}
	}
}

function tagName({ to, tag }: TagStep, repositories: readonly Repository[]): string | undefined {
	const repository = repositories[to];
	return repository && formatReference({ ...repository, tag });
}

/** Undoing moves tags to what is there, and brings nothing. */
function checkUndo({ steps }: Pick<Plan, 'steps'>): void {
	const other = steps.find(
		(step) => step.kind !== 'tag' && !(step.kind === 'manifest' && isInPlace(step)),
	);
	if (other) refuse(`It says that it only moves tags back, but it has a ${other.kind} step.`);
}

/** What a plan says of itself must be what its steps do. */
function checkSubject({ subject, contents, repositories, steps }: Omit<Plan, 'id'>): void {
	if (subject.kind === 'undo') {
		checkUndo({ steps });
		return;
	}
	const writes = new Set(
		steps.flatMap((step) => {
			const { digest } = (step.content === undefined ? undefined : contents[step.content]) ?? {};
			const repository = repositories[step.to];
			if (!digest || !repository) return [];
			if (step.kind === 'tag') return [`${formatRepository(repository)}:${step.tag}@${digest}`];
			return step.kind === 'manifest' ? [`${formatRepository(repository)}@${digest}`] : [];
		}),
	);
	const { release, choices, components } = subject;
	const root = `${choices.release}@${release.digest}`;
	if (!writes.has(root)) refuse(`It says that it publishes ${root}, but none of its steps does.`);
	const last = steps.at(-1);
	if (last?.kind !== 'tag' || choices.release !== tagName(last, repositories)) {
		refuse(`The tag of the release, ${choices.release}, is not the last to move.`);
	}
	const unwritten = components.find(({ to }) => !writes.has(to));
	if (unwritten) {
		refuse(`It says that ${unwritten.name} becomes ${unwritten.to}, but no step does it.`);
	}
}

/**
 * Reads a plan file from anywhere.
 * @throws ProblemError `plan-invalid` that says what is wrong with it
 */
export async function parsePlan(text: string, hash: HashBytes): Promise<Plan> {
	if (text.length > limits.planCharacters) {
		refuse(`It is longer than ${limits.planCharacters} characters.`);
	}
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch (cause) {
		refuse('It is not JSON: the file is no plan, or it was cut off.', cause);
	}
	const named = z.looseObject({ schema: z.string() }).safeParse(json).data?.schema;
	if (named === 'espalier/receipt/v1') {
		refuse(
			'It is a receipt: “espalier undo”, or opening it in the page, makes the plan that undoes its run.',
		);
	}
	if (named !== schemaName) {
		refuse(`It is ${named ? `“${named.slice(0, 100)}”` : 'something else'}, not “${schemaName}”.`);
	}
	const result = fileSchema.safeParse(json);
	if (!result.success) {
		const [issue] = result.error.issues;
		refuse(`At ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? 'unexpected content'}.`);
	}
	const { id, subject, mediaTypes } = result.data;
	const repositories = result.data.repositories.map(readRepository);
	const contents: Content[] = [];
	for (const content of result.data.contents) {
		contents.push(await readContent(content, mediaTypes, hash));
	}
	if (new Set(repositories.map(formatRepository)).size < repositories.length) {
		refuse('It lists the same repository twice.');
	}
	if (new Set(contents.map(({ digest }) => digest)).size < contents.length) {
		refuse('It lists the same content twice.');
	}
	const steps = result.data.steps.map((step): Step =>
		step.kind === 'tag' ? { ...step, content: step.content } : step,
	);
	new StepCheck({ contents, repositories }).check(steps);
	const plan = { subject, repositories, contents, steps };
	const actual = await planId(plan, hash);
	if (actual !== id) {
		refuse(`Its id is ${id}, but its content has the id ${actual}: it was changed.`);
	}
	checkSubject(plan);
	return { id, ...plan };
}
