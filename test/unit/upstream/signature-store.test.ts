import { afterEach, describe, expect, it } from 'vitest';
import {
	openSignatureStores,
	type SignatureStores,
	type SignatureStoresOptions,
} from '../../../proxy/upstream/signature-store.ts';
import { digestOf } from '../../../shared/oci/digest.ts';
import type { StoreAnswer } from '../../../shared/signature/stores.ts';
import { fakePace, startScripted, stopAll } from './scripted-server.ts';

const digest = digestOf('sha256', new Uint8Array(32).fill(1));
const folder = `/store/sha256=${'01'.repeat(32)}`;
let opened: SignatureStores | undefined;

afterEach(async () => {
	await opened?.close();
	await stopAll();
});

async function look(
	url: string,
	namedBy: 'user' | 'payload' = 'user',
	options: Partial<SignatureStoresOptions> = {},
): Promise<StoreAnswer> {
	opened = openSignatureStores({
		plainHttp: [],
		authorities: new Map(),
		trustedRealms: [],
		pace: fakePace(),
		...options,
	});
	const [answer] = await opened.find({ digest, stores: [{ url, namedBy }] });
	return answer!;
}

describe('looking into a signature store', () => {
	it('reads one signature after the other, until there is none', async () => {
		const server = await startScripted((request, response) => {
			const number = Number(request.url?.at(-1));
			response.statusCode = number > 2 ? 404 : 200;
			response.end(Buffer.from([number]));
		});
		const answer = await look(`http://${server.host}/store/`);
		expect(answer.signatures.map((bytes) => [...bytes])).toEqual([[1], [2]]);
		expect(answer.problem).toBeUndefined();
		expect(server.requests.map(({ path }) => path)).toEqual(
			[1, 2, 3].map((number) => `${folder}/signature-${number}`),
		);
		expect(server.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
	});

	it('stops after nine', async () => {
		const server = await startScripted((_, response) => response.end('x'));
		expect((await look(`http://${server.host}/store`)).signatures).toHaveLength(9);
		expect(server.requests).toHaveLength(9);
	});

	it.each([401, 403, 410, 204, 206])('does not take %i for “there is none”', async (status) => {
		const server = await startScripted((_, response) => {
			response.statusCode = status;
			response.end();
		});
		const answer = await look(`http://${server.host}/store`);
		expect(answer.problem).toMatchObject({ code: 'registry-failure', status });
	});

	it('tries again on a bad moment, and says so where it lasts', async () => {
		let asked = 0;
		const server = await startScripted((_, response) => {
			asked += 1;
			response.statusCode = asked === 1 ? 503 : 404;
			response.end();
		});
		expect((await look(`http://${server.host}/store`)).problem).toBeUndefined();
		await opened?.close();
		const down = await startScripted((_, response) => {
			response.statusCode = 503;
			response.end();
		});
		const answer = await look(`http://${down.host}/store`);
		expect(answer).toMatchObject({ signatures: [], problem: { status: 503 } });
		expect(down.requests).toHaveLength(3);
	});

	it('keeps what came before a problem', async () => {
		const server = await startScripted((request, response) => {
			response.statusCode = request.url?.endsWith('-1') ? 200 : 403;
			response.end('x');
		});
		const answer = await look(`http://${server.host}/store`);
		expect(answer).toMatchObject({ signatures: [{ length: 1 }], problem: { status: 403 } });
	});

	it('reads no more than a signature has', async () => {
		const server = await startScripted((_, response) => response.end(Buffer.alloc(50_001)));
		expect((await look(`http://${server.host}/store`)).problem?.code).toBe('too-large');
	});

	it('tells a host that does not answer from a store that has none', async () => {
		const server = await startScripted(() => undefined);
		await server.stop();
		expect((await look(`http://${server.host}/store`)).problem?.code).toBe('connection-refused');
	});

	it('never goes to a private address that only the payload named', async () => {
		const resolve = () => Promise.resolve([{ address: '10.1.2.3', family: 4 }]);
		for (const url of ['https://127.0.0.1/', 'https://[::1]/', 'https://inside.example/']) {
			const { problem } = await look(url, 'payload', { resolve });
			expect(problem?.code, url).toBe('egress-blocked');
			await opened?.close();
		}
	});

	it('never goes without TLS where only the payload says so', async () => {
		const server = await startScripted((_, response) => response.end('x'));
		const { problem } = await look(`http://${server.host}/store`, 'payload');
		expect(problem?.code).toBe('egress-blocked');
		expect(server.requests).toEqual([]);
	});

	it('follows redirects, but not to a private host of another name', async () => {
		const end = await startScripted((request, response) => {
			response.statusCode = request.url?.endsWith('-1') ? 200 : 404;
			response.end('moved');
		});
		const near = await startScripted((request, response) => {
			response.writeHead(302, { location: `http://${end.host}${request.url ?? ''}` }).end();
		});
		expect((await look(`http://${near.host}/store`)).signatures).toHaveLength(1);
		await opened?.close();
		const far = await startScripted((request, response) => {
			const location = `http://localhost:${end.port}${request.url ?? ''}`;
			response.writeHead(302, { location }).end();
		});
		expect((await look(`http://${far.host}/store`)).problem?.code).toBe('egress-blocked');
	});

	it('follows no circle', async () => {
		const server = await startScripted((request, response) => {
			response.writeHead(302, { location: request.url ?? '' }).end();
		});
		expect((await look(`http://${server.host}/store`)).problem?.code).toBe('redirect-refused');
	});

	it('asks only the hosts that it may, where others than its own user ask', async () => {
		const options = { onlyHosts: ['mirror.openshift.com'] };
		const { problem } = await look('https://example.com/store', 'payload', options);
		expect(problem?.code).toBe('egress-blocked');
	});

	it('stops when nobody waits for it any more', async () => {
		const abort = new AbortController();
		const server = await startScripted(() => abort.abort());
		opened = openSignatureStores({ plainHttp: [], authorities: new Map(), trustedRealms: [] });
		const stores = [{ url: `http://${server.host}/store`, namedBy: 'user' as const }];
		await expect(opened.find({ digest, stores }, abort.signal)).rejects.toThrow(/abort/i);
	});
});
