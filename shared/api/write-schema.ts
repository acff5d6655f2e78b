/** The wire contract of everything that writes. Answers are lines: `{index, state}` and what belongs to the state. */
import * as z from 'zod';
import { digestSchema } from '../oci/digest.ts';
import { isTag } from '../oci/reference.ts';
import { problemSchema } from '../registry/problem.ts';
import { digestReferenceSchema, repositorySchema } from './schema.ts';

/** The most that one request to write may hold. */
export const writeLimits = {
	entries: 20_000,
	bodyBytes: 64 * 1024 * 1024,
	/** Registries take no larger ones (distribution-spec, "Pushing Manifests"). */
	manifestBytes: 4 * 1024 * 1024,
	/** repositories that a blob or manifest may come from */
	sources: 100,
} as const;

const sourcesSchema = z.array(repositorySchema).max(writeLimits.sources);
const sizeSchema = z.number().int().nonnegative();
/** Bytes as base64 take four characters for three. */
const longestBase64 = Math.ceil(writeLimits.manifestBytes / 3) * 4;

/** `POST /api/copies` */
export const copiesBodySchema = z.strictObject({
	copies: z
		.array(
			z.strictObject({ to: digestReferenceSchema, sizeBytes: sizeSchema, from: sourcesSchema }),
		)
		.max(writeLimits.entries),
});
export type CopiesBody = z.infer<typeof copiesBodySchema>;

const pushTargetShape = {
	to: digestReferenceSchema,
	mediaType: z.string().min(1).max(255),
	isMissing: z.boolean().optional(),
};

/** `POST /api/manifests/push`: each with its bytes, as text where they are UTF-8, else as base64; or copied. */
export const pushesBodySchema = z.strictObject({
	pushes: z
		.array(
			z.union([
				z.strictObject({ ...pushTargetShape, text: z.string().max(writeLimits.manifestBytes) }),
				z.strictObject({ ...pushTargetShape, base64: z.base64().max(longestBase64) }),
				z.strictObject({ ...pushTargetShape, from: sourcesSchema }),
			]),
		)
		.max(writeLimits.entries),
});
export type PushesBody = z.infer<typeof pushesBodySchema>;

const digestOrAbsentSchema = z.union([z.literal('absent'), digestSchema]);

/** `POST /api/tags/move` */
export const movesBodySchema = z.strictObject({
	moves: z
		.array(
			z.strictObject({
				...repositorySchema.shape,
				tag: z.string().refine(isTag, 'not a tag'),
				digest: digestOrAbsentSchema,
				expect: digestOrAbsentSchema,
			}),
		)
		.max(writeLimits.entries),
});
export type MovesBody = z.infer<typeof movesBodySchema>;

const indexShape = { index: z.number().int() };
const failedSchema = z.object({
	...indexShape,
	state: z.literal('failed'),
	problem: problemSchema,
});

/** One line of `/api/copies` */
export const copyLineSchema = z.discriminatedUnion('state', [
	z.object({ ...indexShape, state: z.literal('copying'), bytes: z.number() }),
	z.object({ ...indexShape, state: z.enum(['existed', 'mounted', 'copied']) }),
	failedSchema,
]);
export type CopyLine = z.infer<typeof copyLineSchema>;

/** One line of `/api/manifests/push` */
export const pushLineSchema = z.discriminatedUnion('state', [
	z.object({ ...indexShape, state: z.enum(['existed', 'pushed']) }),
	failedSchema,
]);
export type PushLine = z.infer<typeof pushLineSchema>;

/** One line of `/api/tags/move` */
export const moveLineSchema = z.discriminatedUnion('state', [
	z.object({ ...indexShape, state: z.enum(['moved', 'already-there', 'held-back']) }),
	z.object({ ...indexShape, state: z.literal('conflict'), found: digestOrAbsentSchema }),
	failedSchema,
]);
export type MoveLine = z.infer<typeof moveLineSchema>;

/** The answer to `PUT /api/blob?reference=…&size=…` */
export const uploadedSchema = z.object({ state: z.enum(['existed', 'sent']) });
export type Uploaded = z.infer<typeof uploadedSchema>;
