/** Asks the proxy to look for signatures where a payload says they are. */
import { signaturesAnswerSchema } from '../../shared/api/signature-schema.ts';
import { fromJsonBytes } from '../../shared/oci/bytes-in-json.ts';
import { ProblemError, problemOf } from '../../shared/registry/problem.ts';
import type { FindSignatures } from '../../shared/signature/stores.ts';
import type { ProxyClient } from './proxy-client.ts';

async function readAnswer(response: Response) {
	const parsed = signaturesAnswerSchema.safeParse(await response.json().catch(() => undefined));
	if (parsed.success) return parsed.data.answers;
	const reason = 'The proxy’s answer about signatures cannot be read.';
	throw new ProblemError({ code: 'malformed', origin: 'proxy', reason });
}

/** A proxy that cannot be asked is a problem of every store: nothing is known of any. */
export function findSignaturesBy(client: ProxyClient): FindSignatures {
	return async ({ digest, stores }, signal) => {
		const body = JSON.stringify({ digest, stores: stores.map(({ url }) => url) });
		const init = { method: 'POST', body, ...(signal && { signal }) };
		try {
			const answers = await readAnswer(await client.request('/api/signatures', init));
			return answers.map(({ store, signatures, problem }) => ({
				store,
				signatures: signatures.map((base64) => fromJsonBytes({ base64 }) ?? new Uint8Array()),
				problem,
			}));
		} catch (error) {
			signal?.throwIfAborted();
			const problem = problemOf(error);
			return stores.map(({ url }) => ({ store: url, signatures: [], problem }));
		}
	};
}
