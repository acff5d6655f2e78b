/** What a run did, read back from the registries: also the base for undoing it. */
import * as z from 'zod';
import { digestSchema } from '../oci/digest.ts';
import { printJson } from '../oci/json-value.ts';
import { formatRepository, isTag, parseRepository } from '../oci/reference.ts';
import { capabilityFactSchema } from '../registry/capabilities.ts';
import { ProblemError } from '../registry/problem.ts';
import { contentAt, repositoryAt, stepsOf } from './plan.ts';
import { factsOfRun } from './run-facts.ts';
import type { Run } from './run-state.ts';
import { planSubjectSchema } from './subject.ts';

const schemaName = 'espalier/receipt/v1';
const amountSchema = z.strictObject({ count: z.number(), bytes: z.number() });
/** As it is written in full. */
const repositorySchema = z
	.string()
	.refine((text) => parseRepository(text) !== undefined, 'not a repository');
const pointSchema = z.union([digestSchema, z.literal('absent')]);

const receiptSchema = z.strictObject({
	schema: z.literal(schemaName),
	/** the id of the plan that was run */
	plan: digestSchema,
	subject: planSubjectSchema,
	startedAt: z.string(),
	finishedAt: z.string(),
	/** Blobs: what was there, was taken over inside the registry, came from another one, was made by the plan. */
	blobs: z.strictObject({
		existed: amountSchema,
		mounted: amountSchema,
		copied: amountSchema,
		uploaded: amountSchema,
	}),
	/** Every manifest, read back by digest after everything was written. */
	manifests: z.array(
		z.strictObject({
			repository: repositorySchema,
			digest: digestSchema,
			mediaType: z.string(),
			/** false where it was there before */
			pushed: z.boolean(),
			/** of a sparse index: children that it lists and that were not copied for it */
			without: z.array(digestSchema).optional(),
		}),
	),
	/** Every tag, read back: where it pointed before the plan, and where it points now. */
	tags: z
		.array(
			z.strictObject({
				repository: repositorySchema,
				tag: z.string().refine(isTag, 'not a tag'),
				before: pointSchema,
				after: pointSchema,
				/** by this run; false where it pointed there already when the run came to it */
				moved: z.boolean(),
			}),
		)
		.refine(
			(tags) =>
				new Set(tags.map(({ repository, tag }) => `${repository}:${tag}`)).size === tags.length,
			'the same tag twice',
		),
	/** what the run has shown of the registries */
	facts: z.array(capabilityFactSchema).optional(),
});
export type Receipt = z.infer<typeof receiptSchema>;

export interface RunTimes {
	/** milliseconds since 1970 */
	readonly startedAt: number;
	readonly finishedAt: number;
}

function amounts({ items }: Run): Receipt['blobs'] {
	const sums = {
		existed: { count: 0, bytes: 0 },
		mounted: { count: 0, bytes: 0 },
		copied: { count: 0, bytes: 0 },
		uploaded: { count: 0, bytes: 0 },
	};
	for (const { step, state, sizeBytes } of items) {
		if (step.kind !== 'blob' && step.kind !== 'upload') continue;
		const sum =
			state === 'sent'
				? sums.uploaded
				: state === 'existed' || state === 'mounted' || state === 'copied'
					? sums[state]
					: undefined;
		if (!sum) continue;
		sum.count += 1;
		sum.bytes += sizeBytes;
	}
	return sums;
}

/** @throws RangeError for a run that was not verified: there is no receipt for half a job */
export function receiptOf(run: Run, { startedAt, finishedAt }: RunTimes): Receipt {
	const { plan, outcome } = run;
	if (outcome?.kind !== 'verified') throw new RangeError('the run was not verified');
	const facts = factsOfRun(run, finishedAt);
	return {
		schema: schemaName,
		plan: plan.id,
		subject: plan.subject,
		startedAt: new Date(startedAt).toISOString(),
		finishedAt: new Date(finishedAt).toISOString(),
		blobs: amounts(run),
		manifests: stepsOf(plan, 'manifest').map((step) => {
			const { digest, mediaType } = contentAt(plan, step.content);
			const repository = formatRepository(repositoryAt(plan, step.to));
			const pushed = run.item(step).state === 'pushed';
			const listed = step.without && { without: [...step.without] };
			return { repository, digest, mediaType, pushed, ...listed };
		}),
		tags: stepsOf(plan, 'tag').map((step) => ({
			repository: formatRepository(repositoryAt(plan, step.to)),
			tag: step.tag,
			before: step.expect,
			after: step.content === undefined ? 'absent' : contentAt(plan, step.content).digest,
			moved: run.item(step).state === 'moved',
		})),
		...(facts.length > 0 && { facts: [...facts] }),
	};
}

export function printReceipt(receipt: Receipt): string {
	return `${printJson(receipt, '\t')}\n`;
}

/** @throws ProblemError `plan-invalid` */
export function parseReceipt(text: string): Receipt {
	let json: unknown;
	try {
		json = JSON.parse(text);
	} catch (cause) {
		const reason = 'The receipt is not JSON: the file is no receipt, or it was cut off.';
		throw new ProblemError({ code: 'receipt-invalid', origin: 'content', reason }, { cause });
	}
	const named = z.looseObject({ schema: z.string() }).safeParse(json).data?.schema;
	if (named === 'espalier/plan/v1') {
		const reason = 'It is a plan, not a receipt: a run of it gives one.';
		throw new ProblemError({ code: 'receipt-invalid', origin: 'content', reason });
	}
	const result = receiptSchema.safeParse(json);
	if (result.success) return result.data;
	const [issue] = result.error.issues;
	const reason = `The receipt cannot be read, at ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? ''}.`;
	throw new ProblemError({ code: 'receipt-invalid', origin: 'content', reason });
}
