/** `POST /api/signatures`: what the stores that a payload names have for one digest. */
import { Hono } from 'hono';
import { signaturesBodySchema, type SignaturesAnswer } from '../../shared/api/signature-schema.ts';
import type { FindSignatures } from '../../shared/signature/stores.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import type { NodeEnv } from '../server/node-request.ts';
import { clientLifetime } from './line-stream.ts';

/** Where no store may be asked. */
const askNobody: FindSignatures = ({ stores }) =>
	Promise.resolve(
		stores.map(({ url }) => ({
			store: url,
			signatures: [],
			problem: {
				code: 'unsupported',
				origin: 'proxy',
				reason: 'This server asks nobody for signatures.',
			},
		})),
	);

export function signatureRoutes(find: FindSignatures = askNobody) {
	return new Hono<NodeEnv>().post('/signatures', async (c) => {
		const body = await readStrictJson(c, signaturesBodySchema);
		if (!body.ok) return body.response;
		const { digest, stores } = body.value;
		// Whoever asks, the stores are taken for named by content: a page has no others.
		const named = stores.map((url) => ({ url, namedBy: 'payload' as const }));
		const answers = await find({ digest, stores: named }, clientLifetime(c).signal);
		const answer: SignaturesAnswer = {
			answers: answers.map(({ store, signatures, problem }) => ({
				store,
				signatures: signatures.map((bytes) => Buffer.from(bytes).toString('base64')),
				...(problem && { problem }),
			})),
		};
		return c.json(answer);
	});
}
