import { randomFillSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { byDigest } from '../../../shared/oci/reference.ts';
import { startDockerRegistry, type DockerRegistry } from '../../support/docker-registry.ts';
import { startFront, type Front, type Meddling } from '../../support/front.ts';
import { Pusher, sha256 } from '../../support/push.ts';
import { describeWithRegistries, getBlob, patienceMs } from '../publish/publishing.ts';
import { all } from '../registry/contract.ts';
import { fakePace, readerWith, stopAll } from '../upstream/scripted-server.ts';

const MiB = 1024 * 1024;

describeWithRegistries('a copy between registries on a bad day', () => {
	let registries: readonly DockerRegistry[];
	let fronts: readonly Front[];
	beforeAll(async () => {
		registries = await Promise.all([
			startDockerRegistry({ inMemory: true }),
			startDockerRegistry({ inMemory: true }),
		]);
		fronts = await Promise.all(registries.map(({ host }) => startFront(host)));
	}, patienceMs);
	afterEach(async () => {
		for (const front of fronts) front.meddle = undefined;
		await stopAll();
	});
	afterAll(async () => {
		await Promise.all(fronts.map((front) => front.stop()));
		await Promise.all(registries.map((registry) => registry.stop()));
	});

	interface Copied {
		readonly state: string | undefined;
		/** what the target was asked for the blob, in order */
		readonly requests: readonly string[];
		/** what the target has then is what its digest says */
		readonly isWhole: boolean;
	}

	/** Twelve mebibytes from the first registry to the second. */
	async function copyBlob(): Promise<Copied> {
		const [from, to] = fronts;
		if (!from || !to) throw new Error('no registries');
		const bytes = randomFillSync(Buffer.alloc(12 * MiB));
		const pusher = new Pusher(registries[0]?.host ?? '');
		await pusher.pushBlob('a/from', bytes);
		await pusher.close();
		const before = to.answered.length;
		const timeouts = { connectMs: 1_000, headersMs: 10_000, bodyMs: 300 };
		const reader = readerWith({ timeouts });
		const transfer = new Transfer({ reader, targetOf: () => reader.target, pace: fakePace() });
		const digest = sha256(bytes);
		const copy = {
			to: byDigest({ registry: to.host, repository: 'a/to' }, digest),
			sizeBytes: bytes.length,
			from: [{ registry: from.host, repository: 'a/from' }],
		};
		const final = (await all(transfer.copyBlobs([copy]))).at(-1);
		return {
			state: final?.state,
			requests: to.answered.slice(before).map(({ method }) => method),
			isWhole: (await getBlob(`${to.host}/a/to`, digest)).digest === digest,
		};
	}

	it.each<[string, Meddling]>([
		['is reset', { kind: 'cut-answer', afterBytes: 5 * MiB }],
		['stalls', { kind: 'stall-answer', afterBytes: 5 * MiB }],
		['is cut short', { kind: 'change', change: (body) => body.subarray(0, 7 * MiB) }],
	])('where its source %s goes on with the very same upload', async (_name, meddling) => {
		const [from] = fronts;
		if (!from) throw new Error('no registry');
		let reads = 0;
		from.meddle = ({ method }) => (method === 'GET' && ++reads === 1 ? meddling : undefined);
		const { state, requests, isWhole } = await copyBlob();
		expect([state, isWhole, reads]).toEqual(['copied', true, 2]);
		expect(requests).toEqual(['HEAD', 'POST', 'PUT']);
	});

	it('where something before the target refuses large bodies goes in parts', async () => {
		const [, to] = fronts;
		if (!to) throw new Error('no registry');
		let puts = 0;
		to.meddle = ({ method }) =>
			method === 'PUT' && ++puts === 1 ? { kind: 'answer', status: 413, isEarly: true } : undefined;
		const { state, requests, isWhole } = await copyBlob();
		expect([state, isWhole]).toEqual(['copied', true]);
		const writes = requests.filter((method) => method === 'PATCH' || method === 'PUT');
		expect(writes).toEqual(['PATCH', 'PATCH', 'PUT']);
	});
});
