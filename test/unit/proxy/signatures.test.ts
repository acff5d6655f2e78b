import { describe, expect, it } from 'vitest';
import { signaturesAnswerSchema } from '../../../shared/api/signature-schema.ts';
import { digestOf } from '../../../shared/oci/digest.ts';
import type { FindSignatures, SignatureQuery } from '../../../shared/signature/stores.ts';
import { findSignaturesBy } from '../../../web/api/find-signatures.ts';
import type { ProxyClient } from '../../../web/api/proxy-client.ts';
import { fakeApp, problemIn } from './fake-reader.ts';

const digest = digestOf('sha256', new Uint8Array(32).fill(1));
const stores = ['https://a.example/s', 'https://b.example/s'];
const path = '/api/signatures';

function answering(seen: SignatureQuery[] = []): FindSignatures {
	return (query) => {
		seen.push(query);
		return Promise.resolve([
			{ store: 'https://a.example/s', signatures: [new Uint8Array([0, 255])] },
			{
				store: 'https://b.example/s',
				signatures: [],
				problem: { code: 'timeout', origin: 'registry', reason: 'Too slow.' },
			},
		]);
	};
}

describe('POST /api/signatures', () => {
	it('answers for each store, and takes all of them for named by content', async () => {
		const seen: SignatureQuery[] = [];
		const { post } = fakeApp({ findSignatures: answering(seen) });
		const response = await post(path, { digest, stores });
		expect(response.status).toBe(200);
		expect(signaturesAnswerSchema.parse(await response.json()).answers).toMatchObject([
			{ signatures: ['AP8='] },
			{ signatures: [], problem: { code: 'timeout' } },
		]);
		expect(seen).toEqual([{ digest, stores: stores.map((url) => ({ url, namedBy: 'payload' })) }]);
	});

	it.each([
		[{ digest, stores: [] }],
		[{ digest, stores: Array.from({ length: 9 }, () => 'https://a.example') }],
		[{ digest: 'latest', stores }],
		[{ digest, stores, namedBy: 'user' }],
		[{ digest, stores: [{ url: 'https://a.example', namedBy: 'user' }] }],
	])('takes no other body: %j', async (body) => {
		const { post } = fakeApp({ findSignatures: answering() });
		const response = await post(path, body);
		expect(response.status).toBe(400);
		expect(await problemIn(response)).toBe('request-invalid');
	});

	it('needs the token, like all of the API', async () => {
		const { send } = fakeApp({ findSignatures: answering() });
		const init = {
			method: 'POST',
			headers: { 'content-type': 'application/json', 'x-espalier-token': undefined },
			body: JSON.stringify({ digest, stores }),
		};
		expect((await send(path, init)).status).toBe(401);
	});

	it('says that nobody is asked where nobody may be', async () => {
		const response = await fakeApp().post(path, { digest, stores });
		expect(signaturesAnswerSchema.parse(await response.json()).answers).toMatchObject(
			stores.map((store) => ({ store, signatures: [], problem: { code: 'unsupported' } })),
		);
	});
});

describe('the page’s way to signatures', () => {
	const query = { digest, stores: stores.map((url) => ({ url, namedBy: 'payload' as const })) };
	const clientOf = (request: () => Promise<Response>) =>
		findSignaturesBy({ request } as unknown as ProxyClient);

	it('gives the bytes that the proxy sent', async () => {
		const { post } = fakeApp({ findSignatures: answering() });
		const answers = await clientOf(() => post(path, { digest, stores }))(query);
		expect(answers[0]?.signatures).toEqual([new Uint8Array([0, 255])]);
		expect(answers[1]?.problem?.code).toBe('timeout');
	});

	it.each([
		['cannot be reached', () => Promise.reject(new Error('gone'))],
		['answers nonsense', () => Promise.resolve(new Response('<html>'))],
	])('knows of no store whether it has any where the proxy %s', async (_, request) => {
		const answers = await clientOf(request)(query);
		expect(answers).toHaveLength(2);
		expect(answers.every(({ problem }) => problem !== undefined)).toBe(true);
	});
});
