import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest, formatReference, type Repository } from '../../../shared/oci/reference.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	RegistryReader,
} from '../../../shared/registry/registries.ts';
import { FakeRegistries, hashOf } from '../../support/fake-registries.ts';
import { contentOf } from '../../support/release-maker.ts';
import { all } from '../registry/contract.ts';
import { instantPace, MemoryTarget, problemWith } from './memory-target.ts';

const source: Repository = { registry: 'source.test', repository: 'from' };
const to: Repository = { registry: 'target.test', repository: 'to' };
const large = 100_000;

let made = 0;

function contentOfSize(size: number): Uint8Array {
	made += 1;
	const seed = made;
	return Uint8Array.from({ length: size }, (_, at) => at + seed * 13 + (at >> 8) * seed);
}

function setUp(options: { reader?: (inner: FakeRegistries) => RegistryReader } = {}) {
	const registries = new FakeRegistries();
	const target = new MemoryTarget();
	const pace = instantPace();
	const reader = options.reader?.(registries) ?? registries;
	const transfer = new Transfer({ reader, targetOf: () => target, pace });
	const blob = (size = large, from = source): BlobCopy => {
		const bytes = contentOfSize(size);
		const { digest } = registries.putBlob(from, bytes);
		return { to: byDigest(to, digest), sizeBytes: size, from: [from] };
	};
	return { registries, target, pace, transfer, blob };
}

async function copy(transfer: Transfer, ...copies: BlobCopy[]): Promise<string[]> {
	const events = await all(transfer.copyBlobs(copies));
	return copies.map((wanted) => {
		const final = events.find((event) => event.copy === wanted && event.state !== 'copying');
		return final?.state === 'failed' ? final.problem.code : (final?.state ?? 'nothing');
	});
}

/** A gate that lets through what waits when it is opened. */
function gate() {
	let open: () => void = () => undefined;
	const opened = new Promise<void>((resolve) => (open = resolve));
	return { opened, open };
}

describe('copying a blob', () => {
	it('takes three requests: looked for, begun, sent', async () => {
		const { transfer, target, blob } = setUp();
		const one = blob();
		expect(await copy(transfer, one)).toEqual(['copied']);
		const name = formatReference(one.to);
		expect(target.calls).toEqual([`has ${name}`, `start ${name}`, `send ${name}`]);
	});

	it('mounts within one registry without looking first', async () => {
		const { transfer, target, blob } = setUp();
		const one = blob();
		const near = { ...to, repository: 'near' };
		target.blobs.set(formatReference(byDigest(near, one.to.digest)), new Uint8Array());
		expect(await copy(transfer, { ...one, from: [source, near] })).toEqual(['mounted']);
		expect(target.calls).toEqual([`mount ${formatReference(one.to)} near`]);
	});

	it('goes on with the upload that a registry begins instead of mounting', async () => {
		const { transfer, target, registries, blob } = setUp();
		target.mounts = false;
		const near = { ...to, repository: 'near' };
		const one = blob(large, near);
		expect(registries.hasBlob(byDigest(near, one.to.digest))).toBe(true);
		expect(await copy(transfer, one)).toEqual(['copied']);
		const name = formatReference(one.to);
		expect(target.calls).toEqual([`mount ${name} near`, `has ${name}`, `send ${name}`]);
	});

	it.each([
		['begun an upload instead', false, 1],
		['refused', 'refused', 0],
	] as const)(
		'that is at the target already is not sent where a mount was %s',
		async (_name, mounts, cancelled) => {
			let reads = 0;
			const { transfer, target, blob } = setUp({
				reader: (inner) =>
					Object.assign(Object.create(inner) as FakeRegistries, {
						readBlob: (...args: Parameters<FakeRegistries['readBlob']>) => {
							reads += 1;
							return inner.readBlob(...args);
						},
					}),
			});
			target.mounts = mounts;
			const one = blob(large, { ...to, repository: 'near' });
			const name = formatReference(one.to);
			target.blobs.set(name, new Uint8Array());
			expect(await copy(transfer, one)).toEqual(['existed']);
			expect(target.calls.slice(0, 2)).toEqual([`mount ${name} near`, `has ${name}`]);
			expect([reads, target.count('cancel')]).toEqual([0, cancelled]);
			expect(target.count('start')).toBe(0);
		},
	);

	it('is looked for, begun and sent where a mount was refused', async () => {
		const { transfer, target, blob } = setUp();
		target.mounts = 'refused';
		const one = blob(large, { ...to, repository: 'near' });
		expect(await copy(transfer, one)).toEqual(['copied']);
		expect(target.calls.map((call) => call.split(' ')[0])).toEqual([
			'mount',
			'has',
			'start',
			'send',
		]);
	});

	it('closes the upload begun instead of a mount where nobody can tell whether the blob is there', async () => {
		const { transfer, target, blob } = setUp();
		target.mounts = false;
		target.hasBlob = () => Promise.reject(problemWith('denied'));
		expect(await copy(transfer, blob(large, { ...to, repository: 'near' }))).toEqual(['denied']);
		expect([target.count('cancel'), target.count('send')]).toEqual([1, 0]);
	});

	it('is sent once more where the login ran out in the middle, and not a third time', async () => {
		const { transfer, target, pace, blob } = setUp();
		let refusals = 1;
		target.onSend = async () => {
			if (refusals-- > 0) throw problemWith('unauthorized', { status: 401 });
		};
		expect(await copy(transfer, blob())).toEqual(['copied']);
		refusals = 2;
		expect(await copy(transfer, blob())).toEqual(['unauthorized']);
		expect([target.count('send'), target.count('cancel')]).toEqual([4, 3]);
		expect(pace.waits.every((ms) => ms === 0)).toBe(true);
	});

	it('is not tried again where no login is let in from the start', async () => {
		const { transfer, target, blob } = setUp();
		target.onStart = () => {
			throw problemWith('unauthorized', { status: 401 });
		};
		expect(await copy(transfer, blob())).toEqual(['unauthorized']);
		expect(target.count('start')).toBe(1);
	});

	it('closes an upload for which there is no source', async () => {
		const { transfer, target, blob } = setUp();
		target.mounts = false;
		const one = blob();
		const near = { ...to, repository: 'near' };
		expect(await copy(transfer, { ...one, from: [near] })).toEqual(['blob-unknown']);
		expect(target.count('cancel')).toBe(1);
		expect(target.count('send')).toBe(0);
	});

	it('is not begun where it is to come from its own repository', async () => {
		const { transfer, target, blob } = setUp();
		expect(await copy(transfer, { ...blob(), from: [to] })).toEqual(['blob-unknown']);
		expect(target.calls).toHaveLength(1);
	});

	it.each(['connection-lost', 'timeout', 'registry-failure'] as const)(
		'is begun anew after %s, up to three times',
		async (code) => {
			const { transfer, target, pace, blob } = setUp();
			let failures = 2;
			target.onSend = async () => {
				if (failures-- > 0) throw problemWith(code);
			};
			expect(await copy(transfer, blob())).toEqual(['copied']);
			expect(pace.waits).toEqual([125, 250]);
			failures = 3;
			expect(await copy(transfer, blob())).toEqual([code]);
			expect(target.count('cancel')).toBe(5);
		},
	);

	it('is found done where only the answer was lost', async () => {
		const { transfer, target, blob } = setUp();
		target.afterSend = () => {
			throw problemWith('connection-lost');
		};
		expect(await copy(transfer, blob())).toEqual(['copied']);
		expect(target.count('send')).toBe(1);
	});

	it.each(['denied', 'storage-full', 'too-large'] as const)('is given up at %s', async (code) => {
		const { transfer, target, pace, blob } = setUp();
		target.onStart = () => {
			throw problemWith(code);
		};
		expect(await copy(transfer, blob())).toEqual([code]);
		expect(pace.waits).toEqual([]);
	});

	it('waits as long as the registry wants, but not longer than anybody would', async () => {
		const { transfer, target, pace, blob } = setUp();
		let retryAfterMs = 15_000;
		let failures = 1;
		target.onStart = () => {
			if (failures-- > 0) throw problemWith('rate-limited', { retryAfterMs, status: 429 });
		};
		expect(await copy(transfer, blob())).toEqual(['copied']);
		expect(pace.waits).toEqual([15_000]);
		[retryAfterMs, failures] = [60_000, 1];
		expect(await copy(transfer, blob())).toEqual(['rate-limited']);
	});

	it('asks the next source where one is damaged, and tells the damage where all are', async () => {
		const { transfer, target, registries, blob } = setUp();
		const one = blob();
		const spare = { ...source, repository: 'spare' };
		registries.corrupt(byDigest(source, one.to.digest), new Uint8Array(large));
		expect(await copy(transfer, { ...one, from: [source, spare] })).toEqual(['digest-mismatch']);
		expect(target.blobs.size).toBe(0);
		const two = blob(large, spare);
		registries.putBlob(source, new Uint8Array(large), two.to.digest);
		expect(await copy(transfer, { ...two, from: [source, spare] })).toEqual(['copied']);
	});

	it('does not call a blob absent that one source would not show', async () => {
		const { transfer, registries, blob } = setUp();
		const hidden = { ...source, repository: 'hidden' };
		const one = blob();
		registries.remove(byDigest(source, one.to.digest));
		registries.fail(byDigest(hidden, one.to.digest), problemWith('denied').problem);
		expect(await copy(transfer, { ...one, from: [hidden, source] })).toEqual(['denied']);
	});
});

describe('many blobs', () => {
	it('that are equal go once, over all calls', async () => {
		const { transfer, target, blob } = setUp();
		const one = blob();
		const two = { ...one };
		expect(await Promise.all([copy(transfer, one, { ...one }), copy(transfer, two)])).toEqual([
			['copied', 'copied'],
			['copied'],
		]);
		expect(target.count('send')).toBe(1);
	});

	it('go on for who stays when who began them leaves', async () => {
		const { transfer, target, blob } = setUp();
		const { opened, open } = gate();
		target.onSend = () => opened;
		const one = blob();
		const abort = new AbortController();
		const leader = all(transfer.copyBlobs([one], { signal: abort.signal }));
		const follower = copy(transfer, { ...one });
		while (target.sending === 0) await turn();
		abort.abort();
		expect(problemOf(await leader.catch((error: unknown) => error)).code).toBe('cancelled');
		open();
		expect(await follower).toEqual(['copied']);
		expect(target.count('send')).toBe(1);
	});

	it('are eight large and up to 32 small at a time', async () => {
		const { transfer, target, blob } = setUp();
		const { opened, open } = gate();
		target.onSend = () => opened;
		const work = copy(transfer, ...Array.from({ length: 20 }, () => blob()));
		while (target.sending < 8) await turn();
		await turn();
		expect(target.mostSending).toBe(8);
		const small = copy(transfer, ...Array.from({ length: 40 }, () => blob(10)));
		while (target.sending < 40) await turn();
		await turn();
		expect(target.mostSending).toBe(40);
		open();
		expect(new Set([...(await work), ...(await small)])).toEqual(new Set(['copied']));
	});

	it('are fewer at a time where the registry chokes', async () => {
		const { transfer, target, blob } = setUp();
		let failures = 8;
		target.onSend = async () => {
			if (failures-- > 0) throw problemWith('registry-failure', { status: 503 });
			await turn();
		};
		await copy(transfer, ...Array.from({ length: 8 }, () => blob()));
		target.mostSending = 0;
		const { opened, open } = gate();
		target.onSend = () => opened;
		const work = copy(transfer, ...Array.from({ length: 20 }, () => blob()));
		for (let at = 0; at < 50; at += 1) await turn();
		expect(target.mostSending).toBeLessThan(8);
		open();
		await work;
	});

	it('end at once where the call is aborted, and cancel what was begun', async () => {
		const { transfer, target, blob } = setUp();
		const signals: AbortSignal[] = [];
		target.onSend = (_, signal) =>
			new Promise((_resolve, reject) => {
				signals.push(signal!);
				signal!.addEventListener('abort', () => reject(problemWith('cancelled')));
			});
		const abort = new AbortController();
		const copies = Array.from({ length: 12 }, () => blob());
		const work = all(transfer.copyBlobs(copies, { signal: abort.signal }));
		while (target.sending < 8) await turn();
		abort.abort();
		expect(problemOf(await work.catch((error: unknown) => error)).code).toBe('cancelled');
		while (target.sending > 0) await turn();
		await turn();
		expect(target.count('cancel')).toBe(8);
		expect(target.count('send')).toBe(8);
		expect(signals.every((signal) => signal.aborted)).toBe(true);
		// The places are free again.
		target.onSend = () => Promise.resolve();
		expect(await copy(transfer, blob())).toEqual(['copied']);
	});

	it('go on while nobody takes their events, of which the newest is kept', async () => {
		const { transfer, target, pace, blob } = setUp({
			reader: (inner) =>
				Object.assign(Object.create(inner) as FakeRegistries, {
					readBlob: async () => ({
						sizeBytes: large,
						chunks: (async function* () {
							for (let at = 0; at < 50; at += 1) {
								await pace.wait(1_000);
								yield new Uint8Array(large / 50);
							}
						})(),
					}),
				}),
		});
		const events = transfer.copyBlobs([blob(), blob()])[Symbol.asyncIterator]();
		const first = await events.next();
		expect(first.value).toMatchObject({ state: 'copying' });
		while (target.blobs.size < 2) await turn();
		await turn();
		const rest: BlobCopyEvent[] = [];
		for (let next = await events.next(); !next.done; next = await events.next()) {
			rest.push(next.value);
		}
		expect(rest.map(({ state }) => state)).toEqual(['copied', 'copied']);
	});

	it('tell their progress four times a second at most', async () => {
		const pace = instantPace();
		const registries = new FakeRegistries();
		const target = new MemoryTarget();
		const reader = Object.assign(Object.create(registries) as FakeRegistries, {
			readBlob: async () => ({
				sizeBytes: large,
				chunks: (async function* () {
					for (let at = 0; at < 100; at += 1) {
						await pace.wait(10);
						await turn();
						yield new Uint8Array(large / 100);
					}
				})(),
			}),
		});
		const transfer = new Transfer({ reader, targetOf: () => target, pace });
		const { digest } = registries.putBlob(source, contentOfSize(large));
		const events = await all(
			transfer.copyBlobs([{ to: byDigest(to, digest), sizeBytes: large, from: [source] }]),
		);
		expect(events.filter(({ state }) => state === 'copying')).toHaveLength(4);
	});

	it('fail one by one where there is no such target', async () => {
		const { registries } = setUp();
		const transfer = new Transfer({
			reader: registries,
			targetOf: () => {
				throw problemWith('unsupported');
			},
		});
		const bytes = contentOfSize(10);
		const { digest } = registries.putBlob(source, bytes);
		const one = { to: byDigest(to, digest), sizeBytes: 10, from: [source] };
		expect(await copy(transfer, one)).toEqual(['unsupported']);
	});
});

describe('putting content', () => {
	it('asks for it again where the upload has to start over', async () => {
		const { transfer, target } = setUp();
		const bytes = contentOfSize(large);
		let [asked, failures] = [0, 1];
		target.onSend = async () => {
			if (failures-- > 0) throw problemWith('connection-lost');
		};
		const content = () => {
			asked += 1;
			return (async function* () {
				yield await Promise.resolve(bytes);
			})();
		};
		const upload = { to: byDigest(to, hashOf('sha256', bytes)), sizeBytes: large, content };
		const events = await all(transfer.putBlobs([upload]));
		expect(events.at(-1)).toEqual({ upload, state: 'sent' });
		expect(asked).toBe(2);
	});

	it('tells why the first time failed where it cannot be had a second time', async () => {
		const { transfer, target } = setUp();
		const bytes = contentOfSize(large);
		target.onSend = () => Promise.reject(problemWith('timeout'));
		let isTaken = false;
		const content = () => {
			if (isTaken) throw problemWith('request-invalid');
			isTaken = true;
			return (async function* () {
				yield await Promise.resolve(bytes);
			})();
		};
		const upload = { to: byDigest(to, hashOf('sha256', bytes)), sizeBytes: large, content };
		const [final] = await all(transfer.putBlobs([upload]));
		expect(final?.state === 'failed' && final.problem.code).toBe('timeout');
	});
});

describe('pushing a manifest', () => {
	const manifest = contentOf(mediaTypes.ociManifest, {
		schemaVersion: 2,
		mediaType: mediaTypes.ociManifest,
	});
	const target = (digest = manifest.digest) => byDigest(to, digest);

	it.each([
		['under another digest', { to: target(hashOf('sha256', new Uint8Array())) }, 'digest-mismatch'],
		['as another media type', { mediaType: mediaTypes.ociIndex }, 'malformed'],
	])('%s is refused before anything is sent', async (_, changes, code) => {
		const { transfer, target: memory } = setUp();
		const push = { to: target(), mediaType: manifest.mediaType, bytes: manifest.bytes, ...changes };
		const [result] = await all(transfer.pushManifests([push]));
		expect(result?.state === 'failed' && result.problem.code).toBe(code);
		expect(memory.calls).toEqual([]);
	});

	it('is refused where the source has it as another media type', async () => {
		const { transfer, registries, target: memory } = setUp();
		registries.putManifest(source, manifest);
		const push = { to: target(), mediaType: mediaTypes.dockerManifest, from: [source] };
		const [result] = await all(transfer.pushManifests([push]));
		expect(result?.state === 'failed' && result.problem.code).toBe('malformed');
		expect(memory.manifests.size).toBe(0);
	});
});

describe('moving tags', () => {
	it('tells one that was moved by somebody else between looking and setting', async () => {
		const { transfer, registries, target } = setUp();
		const [one, two] = [1, 2].map((version) =>
			contentOf(mediaTypes.ociManifest, { schemaVersion: 2, version }),
		);
		for (const content of [one!, two!]) registries.putManifest(to, content);
		const move = { ...to, tag: 'v1', digest: one!.digest, expect: 'absent' as const };
		registries.beforeRead = async () => {
			target.tags.set('target.test/to:v1', two!.digest);
		};
		expect(await all(transfer.moveTags([move]))).toEqual([
			{ move, state: 'conflict', found: two!.digest },
		]);
		expect(target.tags.get('target.test/to:v1')).toBe(two!.digest);
	});

	it('reads what they shall point to as who writes there, and sources as anybody', async () => {
		const asked: string[] = [];
		const { transfer, registries } = setUp({
			reader: (inner) =>
				Object.assign(Object.create(inner) as FakeRegistries, {
					readManifests: (...args: Parameters<FakeRegistries['readManifests']>) => {
						for (const { reference, forWriting } of args[0]) {
							asked.push(`${reference.repository} ${forWriting ?? false}`);
						}
						return inner.readManifests(...args);
					},
				}),
		});
		const content = contentOf(mediaTypes.ociManifest, { schemaVersion: 2, version: 4 });
		for (const place of [source, to]) registries.putManifest(place, content);
		const { digest, mediaType } = content;
		await all(transfer.pushManifests([{ to: byDigest(to, digest), mediaType, from: [source] }]));
		await all(transfer.moveTags([{ ...to, tag: 'v1', digest, expect: 'absent' }]));
		expect(asked).toEqual(['from false', 'to true']);
	});

	it('moves none where one cannot be looked at', async () => {
		const { transfer, registries, target } = setUp();
		const content = contentOf(mediaTypes.ociManifest, { schemaVersion: 2, version: 3 });
		registries.putManifest(to, content);
		const moves = ['v1', 'v2'].map((tag) => ({
			...to,
			tag,
			digest: content.digest,
			expect: 'absent' as const,
		}));
		const look = target.resolveTag.bind(target);
		target.resolveTag = (repository, tag) =>
			tag === 'v2' ? Promise.reject(problemWith('denied')) : look(repository, tag);
		const results = await all(transfer.moveTags(moves));
		expect(results.map(({ state }) => state)).toEqual(['held-back', 'failed']);
		expect(target.count('tag')).toBe(0);
	});
});
