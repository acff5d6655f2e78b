import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loginsHeader, parseLogins } from '../../../shared/api/logins.ts';
import type { KeyedLogin } from '../../../shared/login/login.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyReader } from '../../../web/api/proxy-reader.ts';
import { ProxyRegistries } from '../../../web/api/proxy-registries.ts';
import { hashBytes } from '../../../web/api/hashing.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest } from '../../../shared/oci/reference.ts';
import { contentOf } from '../../support/release-maker.ts';

const fetching = vi.fn<typeof fetch>();
const onrejected = vi.fn();
const client = new ProxyClient({ token: () => 'T', onrejected });
const reader = new ProxyReader(client, hashBytes);
const repository = { registry: 'quay.io', repository: 'a/b' };
const manifest = contentOf(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] });
const reference = byDigest(repository, manifest.digest);

beforeEach(() => {
	vi.stubGlobal('fetch', fetching);
	vi.stubGlobal('navigator', {});
});
afterEach(() => {
	vi.unstubAllGlobals();
	vi.resetAllMocks();
});

function failing(promise: Promise<unknown>): Promise<string> {
	return promise.then(
		() => 'no failure',
		(error: unknown) => problemOf(error).code,
	);
}

function line(changes: object = {}): string {
	const { digest, mediaType, bytes } = manifest;
	const text = new TextDecoder().decode(bytes);
	return `${JSON.stringify({ index: 0, ok: true, digest, mediaType, checkedAt: 7, text, ...changes })}\n`;
}

async function outcomes(body: BodyInit, count = 1): Promise<string[]> {
	fetching.mockResolvedValueOnce(new Response(body));
	const requests = Array.from({ length: count }, () => ({ reference }));
	const found: string[] = [];
	for await (const result of reader.readManifests(requests)) {
		found.push(result.ok ? 'ok' : result.problem.code);
	}
	return found;
}

describe('the client of the proxy', () => {
	it('sends the token in its header, no cookies, and takes nothing from a cache', async () => {
		fetching.mockResolvedValueOnce(new Response('{}'));
		await client.request('/api/session');
		const [path, init] = fetching.mock.calls[0]!;
		expect(path).toBe('/api/session');
		expect(init).toMatchObject({
			headers: { [tokenHeader]: 'T' },
			cache: 'no-store',
			credentials: 'omit',
			redirect: 'error',
		});
	});

	it('says that the proxy cannot be reached', async () => {
		fetching.mockRejectedValueOnce(new TypeError('Failed to fetch'));
		expect(await failing(client.request('/api/session'))).toBe('proxy-unreachable');
	});

	it('passes on what the proxy says', async () => {
		const problem = { code: 'host-unknown', origin: 'registry', reason: 'No such host.' };
		fetching.mockResolvedValueOnce(Response.json({ problem }, { status: 502 }));
		expect(await failing(client.request('/api/blob'))).toBe('host-unknown');
		expect(onrejected).not.toHaveBeenCalled();
	});

	it.each(['token-missing', 'token-rejected'])('tells the session of %s', async (code) => {
		const problem = { code, origin: 'proxy', reason: 'No.' };
		fetching.mockResolvedValueOnce(Response.json({ problem }, { status: 401 }));
		expect(await failing(client.request('/api/session'))).toBe(code);
		expect(onrejected).toHaveBeenCalledOnce();
	});

	it('calls an answer without a reason a defect', async () => {
		fetching.mockResolvedValueOnce(new Response('<html>', { status: 500 }));
		expect(await failing(client.request('/api/session'))).toBe('internal');
	});
});

describe('the reader over the proxy', () => {
	it('does not believe the proxy either: other bytes than the digest are refused', async () => {
		expect(await outcomes(line({ text: '{}' }))).toEqual(['digest-mismatch']);
	});

	it('says of every part that the answer left out that it was lost', async () => {
		expect(await outcomes(line(), 3)).toEqual(['ok', 'connection-lost', 'connection-lost']);
	});

	it('takes each part once, whatever the proxy repeats or invents', async () => {
		expect(await outcomes(line() + line() + line({ index: 9 }))).toEqual(['ok']);
	});

	it('ends at a line that it does not understand, and keeps what came before', async () => {
		expect(await outcomes(`${line()}{"index":1}\n`, 2)).toEqual(['ok', 'internal']);
		expect(await outcomes(`${line()}{"ind`, 2)).toEqual(['ok', 'internal']);
	});

	it('ends where the connection breaks, and keeps what came before', async () => {
		const chunks = [new TextEncoder().encode(line())];
		const body = new ReadableStream<Uint8Array>(
			{
				pull(controller) {
					const chunk = chunks.pop();
					if (chunk) controller.enqueue(chunk);
					else controller.error(new TypeError('network error'));
				},
			},
			{ highWaterMark: 0 },
		);
		expect(await outcomes(body, 2)).toEqual(['ok', 'connection-lost']);
	});

	it('fails a listing where the proxy says so in the middle', async () => {
		const problem = { code: 'rate-limited', origin: 'registry', reason: 'Wait.' };
		const lines = [
			{ ok: true, item: 'v1' },
			{ ok: false, problem },
		];
		fetching.mockResolvedValueOnce(
			new Response(lines.map((each) => `${JSON.stringify(each)}\n`).join('')),
		);
		const tags: string[] = [];
		const read = async () => {
			for await (const tag of reader.tags(repository)) tags.push(tag);
		};
		expect(await failing(read())).toBe('rate-limited');
		expect(tags).toEqual(['v1']);
	});
});

describe('logins of the tab', () => {
	const loginFor = (entry: string, password = 'secret'): KeyedLogin => ({
		entry,
		login: { kind: 'password', username: 'me', password },
	});
	let logins: readonly KeyedLogin[] = [];
	const registries = new ProxyRegistries(
		new ProxyClient({ token: () => 'T', logins: () => logins }),
		hashBytes,
	);
	const at = (registry: string) => byDigest({ registry, repository: 'a/b' }, manifest.digest);

	beforeEach(() => {
		logins = ['quay.io', 'from.test', 'to.test', 'other.test'].map((entry) => loginFor(entry));
		fetching.mockImplementation(() => Promise.resolve(new Response('')));
	});

	/** The entries that each request took along. */
	function carried(): (readonly string[])[] {
		return fetching.mock.calls.map(([, init]) => {
			const header = new Headers(init?.headers).get(loginsHeader);
			return header === null ? [] : parseLogins(header).map(({ entry }) => entry);
		});
	}

	async function drain(items: AsyncIterable<unknown>): Promise<void> {
		for await (const _ of items);
	}

	it.each<[string, () => Promise<unknown>, readonly string[]]>([
		['manifests', () => drain(registries.readManifests([{ reference }])), ['quay.io']],
		['what is there', () => drain(registries.exists([{ kind: 'blob', reference }])), ['quay.io']],
		['tags', () => drain(registries.tags(repository)), ['quay.io']],
		['referrers', () => drain(registries.referrers(reference)), ['quay.io']],
		['repositories', () => drain(registries.repositories('quay.io')), ['quay.io']],
		['a blob', () => registries.readBlob({ reference }).catch(() => undefined), ['quay.io']],
		[
			'copies',
			() =>
				drain(registries.copyBlobs([{ to: at('to.test'), sizeBytes: 1, from: [at('from.test')] }])),
			['from.test', 'to.test'],
		],
		[
			'pushes',
			() =>
				drain(
					registries.pushManifests([
						{ to: at('to.test'), mediaType: manifest.mediaType, from: [at('from.test')] },
					]),
				),
			['from.test', 'to.test'],
		],
		[
			'tag moves',
			() =>
				drain(
					registries.moveTags([
						{
							registry: 'to.test',
							repository: 'a',
							tag: 't',
							digest: manifest.digest,
							expect: 'absent',
						},
					]),
				),
			['to.test'],
		],
		[
			'an unknown registry',
			() => drain(registries.readManifests([{ reference: at('x.test') }])),
			[],
		],
	])('go along with %s, and no others', async (_, ask, entries) => {
		await ask();
		expect(carried()).toEqual([entries]);
	});

	it('never go along with what is about no repository', async () => {
		await new ProxyClient({ token: () => 'T', logins: () => logins }).request('/api/session');
		expect(carried()).toEqual([[]]);
	});

	it('that do not fit into one request are spread over several', async () => {
		logins = ['a.test', 'b.test', 'c.test'].map((entry) => loginFor(entry, 'p'.repeat(6000)));
		const requests = logins.map(({ entry }) => ({ reference: at(entry) }));
		await drain(registries.readManifests(requests));
		expect(carried()).toEqual([['a.test'], ['b.test'], ['c.test']]);
	});

	it('that are too much for a single request fail it, without a secret and without asking', async () => {
		logins = ['a.test', 'b.test'].map((entry) => loginFor(entry, 'secret'.repeat(1000)));
		const copy = { to: at('a.test'), sizeBytes: 1, from: [at('b.test')] };
		const events: unknown[] = [];
		for await (const event of registries.copyBlobs([copy])) events.push(event);
		expect(events).toMatchObject([{ state: 'failed', problem: { code: 'too-large' } }]);
		expect(JSON.stringify(events)).not.toContain('secret');
		expect(fetching).not.toHaveBeenCalled();
	});
});
