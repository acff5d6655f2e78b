/** `POST /api/exists`: which of many manifests and blobs are there. */
import { Hono } from 'hono';
import { existsBodySchema } from '../../shared/api/schema.ts';
import type { PresenceRequest, PresenceResult } from '../../shared/registry/registries.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import type { NodeEnv } from '../server/node-request.ts';
import { answerEach } from './answers.ts';
import type { CallerOf } from './caller.ts';
import { streamLines } from './line-stream.ts';
import { toDigestReference } from './wire-reference.ts';

function toLine(index: number, result: PresenceResult) {
	return result.ok
		? { index, ok: true, present: result.present, checkedAt: result.checkedAt }
		: { index, ok: false, problem: result.problem };
}

export function existsRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>().post('/exists', async (c) => {
		const { reader } = callerOf(c);
		const body = await readStrictJson(c, existsBodySchema);
		if (!body.ok) return body.response;
		const requests = body.value.requests.map(({ reference, ...rest }): PresenceRequest => ({
			reference: toDigestReference(reference),
			...rest,
		}));
		return streamLines(c, (signal) =>
			answerEach(requests, (batch) => reader.exists(batch, { signal }), { signal, toLine }),
		);
	});
}
