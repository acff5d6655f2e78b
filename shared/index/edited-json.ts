/** Edits JSON that was read from a registry, or says why it cannot be edited. */
import { editJson, type JsonEdit } from '../oci/json-text.ts';
import { ProblemError } from '../registry/problem.ts';

/**
 * @param what names the document in the refusal: `The index sha256:…`
 * @throws ProblemError `malformed` where the text is no UTF-8 or no JSON, where it can be read in two ways,
 * or where it has not what is to be edited
 */
export function editedJson(
	what: string,
	bytes: Uint8Array,
	edits: readonly JsonEdit[],
): Uint8Array {
	const edited = editJson(bytes, edits);
	if (edited.ok) return edited.bytes;
	throw new ProblemError({
		code: 'malformed',
		origin: 'content',
		reason: `${what} cannot be edited: it ${edited.reason}.`,
	});
}
