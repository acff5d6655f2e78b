import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startGeneratedRegistry } from '../../support/generated-registry.ts';
import { isLong } from '../../support/long.ts';
import { startServedProxy, type ServedProxy } from '../../support/served-proxy.ts';
import { bytesOf, digestFor, indexOf } from './images.ts';

const tagCount = 10_000;
const mostMs = 50;

async function expectFluent(proxy: ServedProxy, what: string): Promise<void> {
	const { longestDelayMs, longestTurnMs } = await proxy.measure();
	const numbers = `longest delay ${longestDelayMs.toFixed(0)} ms, longest turn ${longestTurnMs.toFixed(0)} ms`;
	if (isLong) console.info(`${what}: ${numbers}`);
	// The delay itself depends on what else the machine does.
	expect(longestTurnMs, what).toBeLessThan(mostMs);
}

async function proxyForTest(): Promise<ServedProxy> {
	const proxy = await startServedProxy();
	onTestFinished(() => proxy.stop());
	await proxy.api('session');
	await proxy.measure();
	return proxy;
}

async function listThroughApi(proxy: ServedProxy, repository: string): Promise<string[]> {
	const text = await proxy.api(`tags?repository=${encodeURIComponent(repository)}`);
	return text
		.trim()
		.split('\n')
		.map((line) => (JSON.parse(line) as { item: string }).item);
}

async function writeLargeRepository(store: string): Promise<string> {
	const folder = join(store, 'large');
	const manifest = indexOf([]);
	const name = (number: number) => `v1.${String(number).padStart(6, '0')}`;
	const entry = (number: number) => ({
		mediaType: manifest.mediaType,
		digest: number === 0 ? manifest.digest : digestFor(bytesOf(`manifest ${number}`)),
		size: manifest.bytes.length,
		annotations: { 'org.opencontainers.image.ref.name': name(number) },
	});
	const manifests = Array.from({ length: tagCount }, (_, number) => entry(number));
	await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
	await writeFile(join(folder, 'blobs', 'sha256', manifest.digest.slice(7)), manifest.bytes);
	await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
	await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
	return name(0);
}

it('lists ten thousand tags of the embedded registry without freezing', async () => {
	const proxy = await proxyForTest();
	const tag = await writeLargeRepository(proxy.store);
	expect(new Set(await listThroughApi(proxy, 'store/large')).size).toBe(tagCount);
	await expectFluent(proxy, '10 000 tags of the embedded registry, cold');
	await listThroughApi(proxy, 'store/large');
	await expectFluent(proxy, '10 000 tags of the embedded registry, again');
	const reference = { registry: 'store', repository: 'large', tag };
	await proxy.api('manifests', { requests: Array.from({ length: 500 }, () => ({ reference })) });
	await expectFluent(proxy, '500 tags resolved among 10 000');
}, 60_000);

it('lists ten thousand tags of another registry, page by page, without freezing', async () => {
	const registry = await startGeneratedRegistry();
	onTestFinished(() => registry.stop());
	const proxy = await proxyForTest();
	const tags = await listThroughApi(proxy, `${registry.host}/tags/${tagCount}`);
	expect(new Set(tags).size).toBe(tagCount);
	await expectFluent(proxy, '10 000 tags of another registry');
}, 60_000);
