/** What a plan is about, as plain JSON: what was chosen, and what becomes of whom. */
import * as z from 'zod';
import { attachmentKinds } from '../index/attachments-of.ts';
import { digestSchema } from '../oci/digest.ts';
import type { PruneMode } from '../release/prune-fields.ts';

const removedSchema = z.strictObject({
	digest: z.string(),
	platform: z.string().optional(),
	why: z.enum(['dropped', 'attestation', 'dangling']),
});

/** A child of a sparse index that is not copied: still listed, not there. */
const leftSchema = z.strictObject({ digest: digestSchema, platform: z.string().optional() });

const pruneChoicesSchema = z.strictObject({
	/** absent where indexes are pruned */
	mode: z.enum(['sparse', 'whole']).optional(),
	preset: z.enum(['none', 'placeholders', 'platforms']),
	keep: z.array(z.string()),
	components: z.array(z.string()),
	exclude: z.array(z.string()),
	toggled: z.array(z.strictObject({ component: z.string(), platform: z.string() })),
	repository: z.string(),
	release: z.string(),
	tagTemplate: z.string(),
	selfContained: z.boolean(),
	version: z.string().optional(),
	rewriteVersion: z.boolean(),
	/** false where what is attached is not looked for; absent where it comes along */
	attachments: z.literal(false).optional(),
});

const attachmentShape = {
	/** what it is attached to */
	subject: digestSchema,
	kind: z.enum(attachmentKinds),
	/** its artifact type, as it says itself */
	type: z.string().optional(),
};

const attachmentsSchema = z.strictObject({
	/** what comes along; `to` is where it is afterwards, by digest, `tag` cosign's for it */
	copied: z.array(
		z.strictObject({ ...attachmentShape, to: z.string(), tag: z.string().optional() }),
	),
	/** attached to what is made anew: it does not apply to that, and is not copied */
	lapsed: z.array(
		z.strictObject({
			...attachmentShape,
			/** the component, or `the release` */
			of: z.string(),
			what: z.enum(['index', 'image']),
			count: z.number().int().positive(),
		}),
	),
});

/** A release whose indexes lose children, or that is copied as it is; see `release/prune-release.ts`, `keep-release.ts`. */
const pruneSubjectSchema = z.strictObject({
	kind: z.literal('prune-release'),
	/** the release as it was asked for, and what that was */
	source: z.strictObject({ reference: z.string(), digest: digestSchema }),
	choices: pruneChoicesSchema,
	version: z.strictObject({ from: z.string(), to: z.string() }),
	release: z.strictObject({
		digest: digestSchema,
		removed: z.array(removedSchema),
		left: z.array(leftSchema).optional(),
	}),
	/** Those whose index or place changes, in the payload's order; `from` and `to` are pullspecs. */
	components: z.array(
		z.strictObject({
			name: z.string(),
			from: z.string(),
			to: z.string(),
			removed: z.array(removedSchema),
			left: z.array(leftSchema).optional(),
		}),
	),
	/** how many components stay as and where they are */
	untouched: z.number().int().nonnegative(),
	/** the registries that the payload names afterwards: clusters pull from them */
	registries: z.array(z.string()),
	/** payload files with replaced pullspecs, and how many in each */
	files: z.array(z.strictObject({ name: z.string(), replacements: z.number().int() })),
	/** where payload files say the old version, beyond the three places that are always changed */
	/** absent where nothing is attached to anything */
	attachments: attachmentsSchema.optional(),
	mentions: z.array(
		z.strictObject({
			file: z.string(),
			line: z.number().int(),
			text: z.string(),
			rewritten: z.boolean(),
		}),
	),
	notes: z.array(z.string()),
});
export type PruneSubject = z.infer<typeof pruneSubjectSchema>;

/** How a release is published; plans for pruning do not name it. */
export function modeOf({ choices }: Pick<PruneSubject, 'choices'>): PruneMode {
	return choices.mode ?? 'prune';
}

/** Tags back to where they were before a run. */
const undoSubjectSchema = z.strictObject({
	kind: z.literal('undo'),
	/** the plan whose run is undone */
	plan: digestSchema,
	/** when that run ended, as its receipt says */
	finishedAt: z.string(),
	/** what cannot be undone, as sentences */
	notes: z.array(z.string()),
});
export type UndoSubject = z.infer<typeof undoSubjectSchema>;

export const planSubjectSchema = z.discriminatedUnion('kind', [
	pruneSubjectSchema,
	undoSubjectSchema,
]);
export type PlanSubject = z.infer<typeof planSubjectSchema>;
