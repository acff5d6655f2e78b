import { afterEach, describe, expect, it } from 'vitest';
import { all, readerWith, refer, sendManifest, startScripted, stopAll } from './scripted-server.ts';

afterEach(stopAll);

const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);

describe('many registries at once', () => {
	it('get no more than 256 requests together, and all of them answers', async () => {
		let inFlight = 0;
		let most = 0;
		const server = await startScripted((_request, response) => {
			inFlight += 1;
			most = Math.max(most, inFlight);
			setTimeout(() => {
				inFlight -= 1;
				sendManifest(response);
			}, 100);
		});
		const names = [...Array(600).keys()].map((number) => `r${number}.test`);
		const requests = names.map((name) => ({ reference: refer(`${name}:${server.port}`) }));
		const reader = readerWith({ resolve, plainHttp: names });
		const results = await all(reader.readManifests(requests));
		expect(results.filter(({ ok }) => ok)).toHaveLength(600);
		expect(most).toBeGreaterThan(200);
		expect(most).toBeLessThanOrEqual(256);
	}, 30_000);

	it('leave their places to others when nobody wants their answers any more', async () => {
		const silent = await startScripted(() => undefined);
		const names = [...Array(600).keys()].map((number) => `r${number}.test`);
		const requests = names.map((name) => ({ reference: refer(`${name}:${silent.port}`) }));
		const server = await startScripted((_request, response) => sendManifest(response));
		const reader = readerWith({ resolve, plainHttp: names });
		const quitting = new AbortController();
		const { signal } = quitting;
		const given = all(reader.readManifests(requests, { signal })).catch(() => 'given up');
		while (silent.requests.length < 256) await new Promise((next) => setTimeout(next, 5));
		quitting.abort();
		expect(await given).toBe('given up');
		const [result] = await all(reader.readManifests([{ reference: refer(server.host) }]));
		expect(result?.ok).toBe(true);
	}, 30_000);
});
