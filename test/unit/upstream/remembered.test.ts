import { afterEach, describe, expect, it } from 'vitest';
import { Agents } from '../../../proxy/upstream/agents.ts';
import { noCredentials, type Credential } from '../../../proxy/upstream/credentials/credential.ts';
import { DirectReader } from '../../../proxy/upstream/direct-reader.ts';
import { EgressPolicy } from '../../../proxy/upstream/egress.ts';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import { openNetwork } from '../../../proxy/upstream/network.ts';
import { Tokens } from '../../../proxy/upstream/tokens.ts';
import { UploadWays } from '../../../proxy/upstream/upload-ways.ts';
import { fakePace, readOne, startScripted, stopAll } from './scripted-server.ts';

const MiB = 1024 * 1024;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
	await Promise.all(closing.splice(0).map((close) => close()));
	await stopAll();
});

describe('a token server that does not answer', () => {
	it('is not waited for again by each repository', async () => {
		const registry = await startScripted((request, response) => {
			if (request.url?.startsWith('/token')) return;
			const realm = `Bearer realm="http://${registry.host}/token",service="test"`;
			response.writeHead(401, { 'www-authenticate': realm }).end();
		});
		const network = openNetwork({
			plainHttp: [],
			authorities: new Map(),
			trustedRealms: [],
			pace: fakePace(),
			timeouts: { connectMs: 5_000, headersMs: 100, bodyMs: 100 },
		});
		closing.push(() => network.close());
		const reader = new DirectReader(network, noCredentials);
		expect(await readOne(reader, registry.host)).toMatchObject({ code: 'timeout' });
		const asked = registry.requests.length;
		expect(await readOne(reader, registry.host)).toMatchObject({ code: 'timeout' });
		expect(registry.requests).toHaveLength(asked);
	});
});

describe('tokens', () => {
	it('are not kept beyond their time', async () => {
		const server = await startScripted((_, response) => {
			response.end(JSON.stringify({ token: 'one', expires_in: 60 }));
		});
		let now = 1_000_000;
		const agents = new Agents({});
		closing.push(() => agents.close());
		const hasCredential = () => Promise.resolve(false);
		const egress = new EgressPolicy({
			plainHttp: [],
			authorities: [],
			trustedRealms: [],
			hasCredential,
		});
		const tokens = new Tokens({ agents, egress, trustedRealms: [], clock: () => now });
		const credential: Credential = await noCredentials.find({ registry: '', repository: '' });
		const get = (scope: string) =>
			tokens.get({
				endpoint: endpointOf(server.host, []),
				reach: 'named',
				realm: new URL(`http://${server.host}/token`),
				scope,
				credential,
			});
		await Promise.all(['a', 'b', 'c'].map(get));
		expect(tokens.size).toBe(3);
		now += 120_000;
		await get('d');
		expect(tokens.size).toBe(1);
	});
});

describe('uploads in parts', () => {
	it('are eight at once, and two where the parts are larger than usual', () => {
		const ways = new UploadWays();
		const enterable = (partBytes: number) => {
			let count = 0;
			while (ways.placesFor(partBytes).enter() === undefined) count += 1;
			return count;
		};
		const counts = [enterable(8 * MiB), enterable(64 * MiB)];
		expect(counts).toEqual([8, 2]);
		expect(8 * 8 * MiB + 2 * 64 * MiB).toBeLessThanOrEqual(200 * MiB);
	});
});
