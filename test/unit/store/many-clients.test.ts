import { createHash } from 'node:crypto';
import { Agent, type Dispatcher } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { generatedBlob, type GeneratedBlob } from '../../support/generated-blob.ts';
import { startGeneratedRegistry } from '../../support/generated-registry.ts';
import { isLong } from '../../support/long.ts';
import { oneOf, seededBytes, seededRandom, type Random } from '../../support/seeded.ts';
import type { Measured } from '../../support/measured-process.ts';
import { startServedProxy, type ServedProxy } from '../../support/served-proxy.ts';
import { image, type Image } from './images.ts';

const clientCount = 64;
const requestsPerClient = isLong ? 40 : 8;
const mostPeakMiB = 300;
/** What a client may wait for one answer, on a machine that does much else meanwhile. */
const mostPatienceMs = 60_000;

const kinds = ['copy', 'manifests', 'tags', 'blob', 'v2 manifest', 'v2 blob'] as const;
type Kind = (typeof kinds)[number];

interface World {
	readonly proxy: ServedProxy;
	/** the registry that copies come from */
	readonly source: string;
	readonly blobs: readonly [GeneratedBlob, ...GeneratedBlob[]];
	readonly stored: Image;
}

const repository = 'busy/app';
const tag = 'v1';

function digestOfBytes(bytes: Uint8Array): string {
	return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function read(agent: Dispatcher, url: string): Promise<Uint8Array> {
	const { origin, pathname } = new URL(url);
	const { statusCode, body } = await agent.request({ origin, path: pathname, method: 'GET' });
	expect([url, statusCode]).toEqual([url, 200]);
	return new Uint8Array(await body.arrayBuffer());
}

async function storeImage({ origin, authorization }: ServedProxy, stored: Image): Promise<void> {
	const agent = new Agent();
	const send = async (method: 'POST' | 'PUT', path: string, bytes: Uint8Array, type: string) => {
		const headers = { authorization, 'content-type': type };
		const answer = await agent.request({ origin, path, method, headers, body: bytes });
		expect([path, answer.statusCode]).toEqual([path, 201]);
		await answer.body.dump();
	};
	const base = `/v2/${repository}`;
	for (const { digest, bytes } of [stored.config, stored.layer]) {
		await send(
			'POST',
			`${base}/blobs/uploads/?digest=${digest}`,
			bytes,
			'application/octet-stream',
		);
	}
	const { bytes, mediaType } = stored.manifest;
	await send('PUT', `${base}/manifests/${tag}`, bytes, mediaType);
	await agent.destroy();
}

function lastLine(text: string): unknown {
	return JSON.parse(text.trim().split('\n').at(-1) ?? '');
}

/** A request of a page or of a registry client, whose answer is held against what is known. */
async function ask(kind: Kind, world: World, client: Client): Promise<void> {
	const { proxy, source, blobs, stored } = world;
	const { origin } = proxy;
	switch (kind) {
		case 'copy': {
			const blob = oneOf(client.random, blobs);
			const { digest, sizeBytes } = blob;
			const to = { registry: 'store', repository: `copied/${client.name}`, digest };
			const from = [{ registry: source, repository: blob.repository }];
			const line = lastLine(await proxy.api('copies', { copies: [{ to, sizeBytes, from }] }));
			expect(line).toMatchObject({
				state: expect.stringMatching(/^(?:copied|existed)$/) as string,
			});
			const bytes = await read(client.agent, `${origin}/v2/copied/${client.name}/blobs/${digest}`);
			expect(digestOfBytes(bytes)).toBe(digest);
			return;
		}
		case 'manifests': {
			const reference = { registry: 'store', repository, tag };
			const requests = Array.from({ length: 20 }, () => ({ reference }));
			const lines = (await proxy.api('manifests', { requests })).trim().split('\n');
			const digests = lines.map((line) => (JSON.parse(line) as { digest: string }).digest);
			expect(digests).toEqual(requests.map(() => stored.manifest.digest));
			return;
		}
		case 'tags': {
			const text = await proxy.api(`tags?repository=${encodeURIComponent(`${source}/tags/2000`)}`);
			expect(text.trim().split('\n')).toHaveLength(2000);
			return;
		}
		case 'blob': {
			const reference = encodeURIComponent(`store/${repository}@${stored.layer.digest}`);
			expect(await proxy.api(`blob?reference=${reference}`)).toHaveLength(
				new TextDecoder().decode(stored.layer.bytes).length,
			);
			return;
		}
		case 'v2 manifest':
			expect(
				digestOfBytes(await read(client.agent, `${origin}/v2/${repository}/manifests/${tag}`)),
			).toBe(stored.manifest.digest);
			return;
		case 'v2 blob':
			expect(
				digestOfBytes(
					await read(client.agent, `${origin}/v2/${repository}/blobs/${stored.layer.digest}`),
				),
			).toBe(stored.layer.digest);
	}
}

interface Client {
	readonly name: string;
	readonly random: Random;
	readonly agent: Agent;
}

interface Answered {
	readonly kind: Kind;
	readonly ms: number;
}

async function runClient(name: string, world: World): Promise<Answered[]> {
	const client = { name, random: seededRandom(Number(name)), agent: new Agent() };
	const answered: Answered[] = [];
	for (let number = 0; number < requestsPerClient; number += 1) {
		const startedAt = performance.now();
		const kind = oneOf(client.random, [...kinds]);
		await ask(kind, world, client);
		answered.push({ kind, ms: performance.now() - startedAt });
	}
	await client.agent.destroy();
	return answered;
}

/** The median, the 95th and 99th of a hundred, and the longest. */
function distribution(answers: readonly Answered[]): string {
	const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
	const at = (part: number) =>
		sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
	return [0.5, 0.95, 0.99, 1].map((part) => at(part)?.toFixed(0)).join(' / ');
}

function report(answers: readonly Answered[], measured: Measured): void {
	const of = (kind: Kind) => distribution(answers.filter((answer) => answer.kind === kind));
	const { peakMiB, longestDelayMs, longestTurnMs } = measured;
	console.info(
		`${answers.length} requests, ms: all ${distribution(answers)}; ${kinds.map((kind) => `${kind} ${of(kind)}`).join('; ')};`,
		`peak ${peakMiB.toFixed(0)} MiB, longest delay ${longestDelayMs.toFixed(0)} ms, longest turn ${longestTurnMs.toFixed(0)} ms`,
	);
}

it(`answers ${clientCount} clients at once: all rightly, none of them late, and in bounded memory`, async () => {
	const [registry, proxy] = await Promise.all([startGeneratedRegistry(), startServedProxy()]);
	onTestFinished(async () => {
		await Promise.all([registry.stop(), proxy.stop()]);
	});
	const stored = image('amd64', { layer: seededBytes(seededRandom(2), 300_000) });
	await storeImage(proxy, stored);
	await proxy.measure();
	const blobs = [generatedBlob(1), generatedBlob(2), generatedBlob(4)] as const;
	const world: World = { proxy, source: registry.host, blobs, stored };
	const names = Array.from({ length: clientCount }, (_, number) => String(number));
	const answers = (await Promise.all(names.map((name) => runClient(name, world)))).flat();
	const measured = await proxy.measure();
	if (isLong) report(answers, measured);
	expect(answers).toHaveLength(clientCount * requestsPerClient);
	expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(mostPatienceMs);
	expect(measured.peakMiB).toBeLessThan(mostPeakMiB);
}, 240_000);
