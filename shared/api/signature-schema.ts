/** The wire contract of `POST /api/signatures`. */
import * as z from 'zod';
import { digestSchema } from '../oci/digest.ts';
import { problemSchema } from '../registry/problem.ts';
import { signatureLimits } from '../signature/limits.ts';

/** Stores as a payload names them: reached over https at public addresses, or not at all. */
export const signaturesBodySchema = z.strictObject({
	digest: digestSchema,
	stores: z.array(z.string().max(2_000)).min(1).max(signatureLimits.stores),
});

export const signaturesAnswerSchema = z.object({
	/** one for each store of the body, in its order */
	answers: z.array(
		z.object({
			store: z.string(),
			/** base64 */
			signatures: z.array(z.string()),
			/** why the store could not be looked at to the end; absent where it has no others */
			problem: problemSchema.optional(),
		}),
	),
});
export type SignaturesAnswer = z.infer<typeof signaturesAnswerSchema>;
