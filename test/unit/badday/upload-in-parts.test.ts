import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { openNetwork } from '../../../proxy/upstream/network.ts';
import { RegistryTarget } from '../../../proxy/upstream/registry-target.ts';
import { UploadWays } from '../../../proxy/upstream/upload-ways.ts';
import { seededRandom } from '../../support/faulty-registry.ts';
import { sha256 } from '../../support/push.ts';
import { all } from '../registry/contract.ts';
import { fakePace, readerWith, stopAll } from '../upstream/scripted-server.ts';
import { startPartsRegistry, type PartsRegistryOptions, type Quirk } from './parts-registry.ts';

afterEach(stopAll);

/** Stands for a mebibyte: what holds for parts of 8 of them holds for parts of 8 MiB. */
const unit = 16 * 1024;
const sizes = { usualBytes: 8 * unit, smallestBytes: unit / 4, largestBytes: 64 * unit };
const blob = Buffer.alloc(17 * unit, 'a blob of some length');
const timeouts = {
	connectMs: 5_000,
	headersMs: 5_000,
	bodyMs: 5_000,
	uploadStallMs: 5_000,
	uploadAnswerMs: 5_000,
};

async function* slices(bytes: Buffer): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += 10_000) {
		yield await Promise.resolve(bytes.subarray(at, at + 10_000));
	}
}

/** No body of more than so many bytes, as a front before a registry has it. */
function refusesAbove(most: number, rest: PartsRegistryOptions['quirk'] = () => undefined) {
	return (asked: Parameters<typeof rest>[0]): Quirk =>
		asked.bytes > most ? { status: 413 } : rest(asked);
}

interface Sent {
	readonly outcome: string | undefined;
	readonly log: readonly string[];
	readonly isThere: boolean;
	/** of everything that was sent to this registry, as it grows */
	readonly wholeLog: readonly string[];
	/** The same registry again, with another blob. */
	readonly again: (other: Buffer) => Promise<Sent>;
}

async function send(options: PartsRegistryOptions, bytes = blob): Promise<Sent> {
	const registry = await startPartsRegistry(options);
	const network = openNetwork({
		plainHttp: [],
		authorities: new Map(),
		trustedRealms: [],
		timeouts,
		pace: fakePace(),
	});
	onTestFinished(() => network.close());
	const target = new RegistryTarget(network.clientFor(noCredentials), new UploadWays(sizes));
	const reader = readerWith();
	const transfer = new Transfer({ reader, targetOf: () => target, pace: fakePace() });
	const upload = async (content: Buffer): Promise<Sent> => {
		const before = registry.log.length;
		const digest = sha256(content);
		const to = { registry: registry.server.host, repository: 'a/b', digest };
		const one = { to, sizeBytes: content.length, content: () => slices(content) };
		const events = await all(transfer.putBlobs([one]));
		const final = events.at(-1);
		return {
			outcome: final?.state === 'failed' ? final.problem.code : final?.state,
			log: registry.log.slice(before),
			isThere: registry.blobs.get(digest)?.equals(content) ?? false,
			wholeLog: registry.log,
			again: upload,
		};
	};
	return upload(bytes);
}

const sent = { outcome: 'sent', isThere: true };
const part = (from: number, to: number): string => `PATCH ${from * unit}-${to * unit - 1}`;
const partsOf8 = [part(0, 8), part(8, 16), part(16, 17)];

/** What was asked of uploads, without what is given up behind them. */
function uploads({ log }: Sent): readonly string[] {
	return log.filter((line) => line !== 'DELETE');
}

describe('a registry that refuses large bodies', () => {
	it('gets the blob in parts that it takes, and the next one at once', async () => {
		const first = await send({ quirk: refusesAbove(10 * unit) });
		expect(first).toMatchObject(sent);
		expect(uploads(first)).toEqual(['HEAD', 'POST', 'PUT', 'HEAD', 'POST', ...partsOf8, 'PUT']);
		const second = await first.again(Buffer.alloc(9 * unit, 'other'));
		expect(second).toMatchObject(sent);
		expect(uploads(second)).toEqual(['HEAD', 'POST', part(0, 8), part(8, 9), 'PUT']);
	});

	it('gets small blobs in one request all the same', async () => {
		const first = await send({ quirk: refusesAbove(10 * unit) });
		const second = await first.again(Buffer.alloc(unit, 'small'));
		expect(second.log).toEqual(['HEAD', 'POST', 'PUT']);
	});

	it('gets smaller and smaller parts, until it takes them', async () => {
		const result = await send({ quirk: refusesAbove(unit) });
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(5, 10)).toEqual([
			part(0, 8),
			part(0, 4),
			part(0, 2),
			part(0, 1),
			part(1, 2),
		]);
	});

	it('is told of where it takes no part at all', async () => {
		expect(await send({ quirk: refusesAbove(1000) })).toMatchObject({ outcome: 'too-large' });
	});

	it.each([400, 405, 501])('and answers %i to a part is told of, too', async (status) => {
		const quirk = refusesAbove(10 * unit, ({ method }) =>
			method === 'PATCH' ? { status } : undefined,
		);
		const result = await send({ quirk });
		expect(result.outcome).toBe('too-large');
		expect(result.log.filter((line) => line.startsWith('PATCH'))).toHaveLength(1);
	});

	it('gets no smaller parts than it says', async () => {
		const result = await send({ quirk: refusesAbove(16 * unit), leastPartBytes: 15 * unit });
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(5)).toEqual([part(0, 15), part(15, 17), 'PUT']);
	});
});

describe('an upload that breaks off', () => {
	it('goes in parts the next time', async () => {
		const result = await send({
			quirk: ({ method, time }) => (method === 'PUT' && time === 1 ? { keeps: unit } : undefined),
		});
		expect(result).toMatchObject(sent);
		const writes = uploads(result).filter((line) => line !== 'HEAD');
		expect(writes).toEqual(['POST', 'PUT', 'POST', ...partsOf8, 'PUT']);
	});

	const parts = (quirk: PartsRegistryOptions['quirk']) =>
		send({ quirk: refusesAbove(10 * unit, quirk) });

	it('is taken up where the registry says that it is', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PATCH' && time === 2 ? { keeps: 3 * unit } : undefined,
		);
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(5)).toEqual([
			partsOf8[0],
			partsOf8[1],
			'GET',
			part(11, 16),
			partsOf8[2],
			'PUT',
		]);
	});

	it('sends nothing twice where only the answer to a part was lost', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PATCH' && time === 2 ? 'loses-answer' : undefined,
		);
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(5)).toEqual([partsOf8[0], partsOf8[1], 'GET', partsOf8[2], 'PUT']);
	});

	it.each([408, 429, 500, 502, 503, 504])('goes on after a %i', async (status) => {
		const result = await parts(({ method, time }) =>
			method === 'PATCH' && time === 2 ? { status } : undefined,
		);
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(5)).toEqual([
			partsOf8[0],
			partsOf8[1],
			'GET',
			partsOf8[1],
			partsOf8[2],
			'PUT',
		]);
	});

	it('asks where it is where a part is out of place', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PATCH' && time === 3 ? { status: 416 } : undefined,
		);
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(7)).toEqual([partsOf8[2], 'GET', partsOf8[2], 'PUT']);
	});

	it('asks again where the registry does not say at once how far it is', async () => {
		const result = await parts(({ method, time }) => {
			if (method === 'PATCH' && time === 2) return { keeps: unit };
			return method === 'GET' && time < 3 ? { status: 503 } : undefined;
		});
		expect(result).toMatchObject(sent);
		expect(uploads(result).filter((line) => line === 'GET')).toHaveLength(3);
	});

	it('begins anew where the registry has forgotten it', async () => {
		const result = await parts(({ method, time }) => {
			if (method === 'PATCH' && time === 2) return { keeps: unit };
			return method === 'GET' ? { status: 404 } : undefined;
		});
		expect(result).toMatchObject(sent);
		expect(result.log.filter((line) => line === 'POST')).toHaveLength(3);
	});

	it('ends where nothing gets through', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PATCH' && time > 1 ? { keeps: 0 } : undefined,
		);
		expect(result.outcome).toBe('connection-lost');
		expect(result.log.length).toBeLessThan(60);
	});

	it('does not begin anew where its last answer was lost', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PUT' && time === 2 ? 'loses-answer' : undefined,
		);
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(8)).toEqual(['PUT', 'HEAD']);
	});

	it('ends once more where its end was not heard', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PUT' && time === 2 ? { status: 502 } : undefined,
		);
		expect(result).toMatchObject(sent);
		expect(uploads(result).slice(8)).toEqual(['PUT', 'HEAD', 'PUT']);
	});

	it('is given up at the registry once, where it is given up here', async () => {
		const result = await parts(({ method, time }) =>
			method === 'PUT' && time === 2 ? { status: 507 } : undefined,
		);
		expect(result.outcome).toBe('storage-full');
		const given = () => result.wholeLog.filter((line) => line === 'DELETE').length;
		await vi.waitUntil(() => given() === 2);
		// A third would be there before the next blob is.
		await result.again(Buffer.from('small'));
		expect(given()).toBe(2);
	});
});

describe('a login that is shorter than an upload', () => {
	it('is renewed for each part', async () => {
		let refused = 0;
		const result = await send({
			quirk: ({ method, bytes }) => {
				if (method !== 'PUT' || bytes === 0) return undefined;
				refused += 1;
				return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
			},
		});
		expect(result).toMatchObject(sent);
		expect(refused).toBe(1);
		expect(uploads(result).slice(5)).toEqual([...partsOf8, 'PUT']);
	});
});

describe('uploads on random bad days', () => {
	const statuses = [401, 404, 408, 413, 416, 429, 500, 502, 503];
	const days = process.env['ESPALIER_LONG'] ? 500 : 50;

	function quirkOf(random: () => number): Quirk {
		const choice = random();
		if (choice < 0.7) return undefined;
		if (choice < 0.8) return { keeps: Math.floor(random() * 9 * unit) };
		if (choice < 0.9) return 'loses-answer';
		return { status: statuses[Math.floor(random() * statuses.length)] ?? 500 };
	}

	it.each(Array.from({ length: days }, (_, at) => at + 1))(
		'end with the blob there, or with a typed problem and without it (seed %i)',
		async (seed) => {
			const random = seededRandom(`upload ${seed}`);
			const result = await send({ quirk: refusesAbove(10 * unit, () => quirkOf(random)) });
			expect(result.outcome).not.toBe('internal');
			if (result.outcome === 'sent' || result.outcome === 'existed') {
				expect(result.isThere).toBe(true);
			}
			expect(result.log.length).toBeLessThan(400);
		},
	);
});
