import { readdir, readlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { encodedOf } from '../../../shared/oci/digest.ts';
import { manifestAccept, mediaTypes } from '../../../shared/oci/media-type.ts';
import {
	authorization,
	clientOf,
	errorCodes,
	inPieces,
	putImage,
	serveStore,
	temporaryStore,
	token,
} from './fixture.ts';
import { bytesOf, descriptor, digestFor, image, indexOf } from './images.ts';

const amd64 = image('amd64');
const arm64 = image('arm64');
const both = indexOf([amd64, arm64]);

async function filled() {
	const store = await temporaryStore();
	await putImage(store, 'demo', amd64);
	await putImage(store, 'demo', arm64);
	await store.repository('demo').putManifest(both.bytes, { tag: 'v1' });
	return { store, client: clientOf(store) };
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('the guard', () => {
	it.each([
		['GET', '/v2/', { origin: 'https://evil.test' }],
		['GET', '/v2/demo/tags/list', { origin: 'null' }],
		['GET', '/v2/demo/tags/list', { 'sec-fetch-site': 'same-origin' }],
		['GET', '/v2/demo/manifests/v1', { 'sec-fetch-site': 'none' }],
		['OPTIONS', '/v2/demo/tags/list', { origin: 'https://evil.test' }],
		['PUT', '/v2/demo/manifests/v1', { origin: 'http://127.0.0.1' }],
	])('refuses %s %s of a web page, also with the token', async (method, path, headers) => {
		const { client } = await filled();
		const response = await client(method, path, { headers });
		expect(response.status).toBe(403);
		expect(await errorCodes(response)).toEqual(['DENIED']);
		expect(response.headers.get('access-control-allow-origin')).toBeNull();
	});

	it.each([
		['no credentials', undefined],
		['another password', basic('x:other')],
		['the start of the token', basic(`x:${token.slice(0, 5)}`)],
		['the token as user', basic(`${token}:`)],
		['no colon', basic(token)],
		['another scheme', `Bearer ${token}`],
		['what is not base64', 'Basic ***'],
	])('challenges a write and a ping with %s', async (_what, header) => {
		const { client } = await filled();
		const headers: Record<string, string> = header ? { authorization: header } : {};
		const requests = [
			client('GET', '/v2/', { headers, anonymous: true }),
			client('POST', '/v2/demo/blobs/uploads/', { headers, anonymous: true }),
			client('PUT', '/v2/demo/manifests/v2', { headers, anonymous: true, body: both.bytes }),
			client('DELETE', '/v2/demo/manifests/v1', { headers, anonymous: true }),
			client('PATCH', '/v2/demo/blobs/uploads/x', { headers, anonymous: true }),
		];
		for (const response of await Promise.all(requests)) {
			expect(response.status).toBe(401);
			expect(response.headers.get('www-authenticate')).toBe('Basic realm="espalier"');
		}
		expect((await client('GET', '/v2/demo/manifests/v1')).status).toBe(200);
	});

	it('lets everybody read, and any user with the token write', async () => {
		const { client } = await filled();
		const read = await client('GET', '/v2/demo/tags/list', { anonymous: true });
		expect(await read.json()).toEqual({ name: 'demo', tags: ['v1'] });
		const ping = await client('GET', '/v2/');
		expect([ping.status, await ping.json()]).toEqual([200, {}]);
		const headers = { authorization: basic(`somebody:${token}`) };
		const write = await client('POST', '/v2/demo/blobs/uploads/', { headers, anonymous: true });
		expect(write.status).toBe(202);
	});

	it('answers a large write without the token though nobody reads its body', async () => {
		const { store } = await filled();
		const host = await serveStore(store);
		const response = await fetch(`http://${host}/v2/demo/blobs/uploads/?digest=${both.digest}`, {
			method: 'POST',
			body: new Uint8Array(8 * 1024 * 1024),
		});
		expect(response.status).toBe(401);
	});
});

describe('manifests', () => {
	it('are served by tag and digest with their bytes, type and digest', async () => {
		const { client } = await filled();
		for (const [reference, blob] of [
			['v1', both],
			[both.digest, both],
			[arm64.manifest.digest, arm64.manifest],
			[arm64.manifest.digest.replace(':', '%3A'), arm64.manifest],
		] as const) {
			const response = await client('GET', `/v2/demo/manifests/${reference}`, {
				headers: { accept: manifestAccept },
			});
			expect(response.status).toBe(200);
			expect(new Uint8Array(await response.arrayBuffer())).toEqual(blob.bytes);
			expect(response.headers.get('content-type')).toBe(blob.mediaType);
			expect(response.headers.get('docker-content-digest')).toBe(blob.digest);
			expect(response.headers.get('etag')).toBe(`"${blob.digest}"`);
			expect(response.headers.get('x-content-type-options')).toBe('nosniff');
		}
	});

	it('answer 304 to a client that has them', async () => {
		const { client } = await filled();
		const headers = { 'if-none-match': `"other", W/"${both.digest}"` };
		expect((await client('GET', '/v2/demo/manifests/v1', { headers })).status).toBe(304);
	});

	it.each([
		['/v2/demo/manifests/absent', 404, 'MANIFEST_UNKNOWN'],
		['/v2/demo/manifests/.not-a-tag', 404, 'MANIFEST_UNKNOWN'],
		[`/v2/demo/manifests/${digestFor(bytesOf('absent'))}`, 404, 'MANIFEST_UNKNOWN'],
		[`/v2/demo/manifests/${amd64.config.digest}`, 404, 'MANIFEST_UNKNOWN'],
		[`/v2/demo/manifests/${amd64.layer.digest}`, 404, 'MANIFEST_UNKNOWN'],
		['/v2/other/manifests/v1', 404, 'NAME_UNKNOWN'],
		[`/v2/other/manifests/${both.digest}`, 404, 'NAME_UNKNOWN'],
		['/v2/demo/manifests/sha256:abc', 400, 'DIGEST_INVALID'],
		['/v2/demo/manifests/sha256:..%2f..%2fetc', 400, 'DIGEST_INVALID'],
		[`/v2/demo/blobs/${digestFor(bytesOf('absent'))}`, 404, 'BLOB_UNKNOWN'],
		[`/v2/demo/blobs/sha256:${'a'.repeat(63)}`, 400, 'DIGEST_INVALID'],
		[`/v2/demo/blobs/sha512:${'a'.repeat(64)}`, 400, 'DIGEST_INVALID'],
		[`/v2/demo/blobs/sha256:${'０'.repeat(64)}`, 400, 'DIGEST_INVALID'],
		['/v2/demo/referrers/x', 400, 'DIGEST_INVALID'],
		['/v2/DEMO/tags/list', 400, 'NAME_INVALID'],
		['/v2/demo%2f..%2f../tags/list', 400, 'NAME_INVALID'],
		['/v2/demo/%00/tags/list', 400, 'NAME_INVALID'],
		['/v2/.uploads/tags/list', 400, 'NAME_INVALID'],
		['/v2/a/blobs/b/tags/list', 400, 'NAME_INVALID'],
		['/v2/a/index.json/tags/list', 400, 'NAME_INVALID'],
		[`/v2/${'a'.repeat(256)}/tags/list`, 400, 'NAME_INVALID'],
		['/v2/demo/nothing', 404, 'UNSUPPORTED'],
		['/v2/demo/tags/list?n=x', 400, 'PAGINATION_NUMBER_INVALID'],
		['/v2/other/tags/list', 404, 'NAME_UNKNOWN'],
	])('answer GET %s with %i %s', async (path, status, code) => {
		const { client } = await filled();
		const response = await client('GET', path);
		expect([response.status, await errorCodes(response)]).toEqual([status, [code]]);
	});

	it('are pushed by tag and by digest', async () => {
		const { client } = await filled();
		const headers = { 'content-type': `${both.mediaType}; charset=utf-8` };
		for (const reference of ['v2', both.digest]) {
			const response = await client('PUT', `/v2/demo/manifests/${reference}`, {
				body: both.bytes,
				headers,
			});
			expect(response.status).toBe(201);
			expect(response.headers.get('docker-content-digest')).toBe(both.digest);
			expect(response.headers.get('location')).toBe(`/v2/demo/manifests/${both.digest}`);
			expect(response.headers.get('oci-subject')).toBeNull();
		}
	});

	it.each([
		['v2', both.bytes, mediaTypes.dockerList, '400 MANIFEST_INVALID'],
		['v2', 'no JSON', mediaTypes.ociIndex, '400 MANIFEST_INVALID'],
		['.v2', both.bytes, mediaTypes.ociIndex, '400 TAG_INVALID'],
		['sha256:00', both.bytes, mediaTypes.ociIndex, '400 DIGEST_INVALID'],
		[amd64.layer.digest, both.bytes, mediaTypes.ociIndex, '400 DIGEST_INVALID'],
		['v2', new Uint8Array(4 * 1024 * 1024 + 1), mediaTypes.ociIndex, '413 MANIFEST_INVALID'],
	])('pushed as %s are refused where they are wrong', async (tag, body, type, refusal) => {
		const { client } = await filled();
		const response = await client('PUT', `/v2/demo/manifests/${tag}`, {
			body,
			headers: { 'content-type': type },
		});
		expect([response.status, ...(await errorCodes(response))].join(' ')).toBe(refusal);
	});

	it('without their children are refused with one error for each', async () => {
		const client = clientOf(await temporaryStore());
		const response = await client('PUT', '/v2/demo/manifests/v1', { body: both.bytes });
		expect(response.status).toBe(400);
		expect(await response.json()).toMatchObject({
			errors: [
				{ code: 'MANIFEST_BLOB_UNKNOWN', detail: amd64.manifest.digest },
				{ code: 'MANIFEST_BLOB_UNKNOWN', detail: arm64.manifest.digest },
			],
		});
	});

	it('are set only under the condition that the tag is where it was seen', async () => {
		const { client } = await filled();
		const put = async (headers: Record<string, string>, tag = 'v1') =>
			(await client('PUT', `/v2/demo/manifests/${tag}`, { body: amd64.manifest.bytes, headers }))
				.status;
		expect(await put({ 'if-match': `"${arm64.manifest.digest}"` })).toBe(412);
		expect(await put({ 'if-none-match': '*' })).toBe(412);
		expect(await put({ 'if-match': '*' }, 'new')).toBe(412);
		expect(await put({ 'if-match': `"${both.digest}"` })).toBe(201);
		expect(await put({ 'if-match': amd64.manifest.digest })).toBe(201);
		expect(await put({ 'if-none-match': '*' }, 'new')).toBe(201);
	});

	it('are deleted by tag and by digest', async () => {
		const { client } = await filled();
		await client('PUT', '/v2/demo/manifests/v2', { body: both.bytes });
		expect((await client('DELETE', '/v2/demo/manifests/v2')).status).toBe(202);
		expect((await client('DELETE', '/v2/demo/manifests/v2')).status).toBe(404);
		expect((await client('GET', '/v2/demo/manifests/v1')).status).toBe(200);
		expect((await client('DELETE', `/v2/demo/manifests/${both.digest}`)).status).toBe(202);
		expect((await client('DELETE', `/v2/demo/manifests/${both.digest}`)).status).toBe(404);
		expect((await client('GET', '/v2/demo/manifests/v1')).status).toBe(404);
		const child = await client('GET', `/v2/demo/manifests/${amd64.manifest.digest}`);
		expect(child.status).toBe(200);
	});

	it('refuse methods that they do not have', async () => {
		const { client } = await filled();
		const response = await client('POST', '/v2/demo/manifests/v1');
		expect([response.status, response.headers.get('allow')]).toEqual([
			405,
			'GET, HEAD, PUT, DELETE',
		]);
	});
});

describe('blobs', () => {
	const path = `/v2/demo/blobs/${amd64.layer.digest}`;
	const whole = new TextDecoder().decode(amd64.layer.bytes);

	it.each([
		['bytes=4-8', 'layer', `bytes 4-8/${whole.length}`],
		['bytes=-5', 'amd64', `bytes ${whole.length - 5}-${whole.length - 1}/${whole.length}`],
	])('give the range %s', async (range, text, contentRange) => {
		const { client } = await filled();
		const response = await client('GET', path, { headers: { range } });
		expect([response.status, await response.text()]).toEqual([206, text]);
		expect(response.headers.get('content-range')).toBe(contentRange);
		expect(response.headers.get('content-length')).toBe('5');
	});

	it('refuse a range behind their end, and say how long they are', async () => {
		const { client } = await filled();
		const response = await client('GET', path, { headers: { range: 'bytes=100-' } });
		expect(response.status).toBe(416);
		expect(response.headers.get('content-range')).toBe(`bytes */${whole.length}`);
	});

	it('ignore a range that was meant for other content', async () => {
		const { client } = await filled();
		const headers = { range: 'bytes=4-8', 'if-range': '"other"' };
		const response = await client('GET', path, { headers });
		expect([response.status, await response.text()]).toEqual([200, whole]);
	});

	it('are deleted, once', async () => {
		const { client } = await filled();
		expect((await client('DELETE', path)).status).toBe(202);
		expect((await client('DELETE', path)).status).toBe(404);
		expect((await client('GET', path)).status).toBe(404);
		expect((await client('DELETE', `/v2/demo/blobs/${both.digest}`)).status).toBe(405);
	});

	it('that lose their end on disk break the transfer instead of ending it', async () => {
		const { store } = await filled();
		const bytes = new Uint8Array(3 * 1024 * 1024).fill(7);
		const digest = digestFor(bytes);
		await store.putBlob('demo', digest, inPieces(bytes, 65_536));
		const file = join(store.root, 'demo', 'blobs', 'sha256', encodedOf(digest));
		const host = await serveStore(store);
		const logged = vi.spyOn(console, 'error').mockReturnValue();
		onTestFinished(() => logged.mockRestore());
		const response = await fetch(`http://${host}/v2/demo/blobs/${digest}`);
		await truncate(file, 10);
		await expect(response.arrayBuffer()).rejects.toThrow();
	});
});

describe('a client that goes away', () => {
	it.skipIf(process.platform !== 'linux')('leaves no file open', async () => {
		const { store } = await filled();
		const bytes = new Uint8Array(32 * 1024 * 1024);
		const digest = digestFor(bytes);
		await store.putBlob('demo', digest, inPieces(bytes, 1024 * 1024));
		const host = await serveStore(store);
		const openFiles = async () => {
			const all = await readdir('/proc/self/fd');
			const targets = await Promise.all(
				all.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
			);
			return targets.filter((path) => path.startsWith(store.root)).length;
		};
		const leave = new AbortController();
		const url = `http://${host}/v2/demo/blobs/${digest}`;
		const response = await fetch(url, { signal: leave.signal });
		await response.body!.getReader().read();
		expect(await openFiles()).toBe(1);
		leave.abort();
		await vi.waitFor(async () => {
			expect(await openFiles()).toBe(0);
		});
	});
});

describe('HEAD over a socket', () => {
	it('has the headers of GET and no body', async () => {
		const { store } = await filled();
		const host = await serveStore(store);
		const layer = `/v2/demo/blobs/${amd64.layer.digest}`;
		for (const path of ['/v2/demo/manifests/v1', layer, '/v2/demo/tags/list', '/v2/_catalog']) {
			const get = await fetch(`http://${host}${path}`);
			const { byteLength } = await get.arrayBuffer();
			const head = await fetch(`http://${host}${path}`, { method: 'HEAD' });
			expect([path, head.status, await head.text()]).toEqual([path, 200, '']);
			for (const name of ['content-type', 'docker-content-digest', 'etag', 'accept-ranges']) {
				expect([path, name, head.headers.get(name)]).toEqual([path, name, get.headers.get(name)]);
			}
			expect([path, head.headers.get('content-length')]).toEqual([path, `${byteLength}`]);
		}
		const absent = await fetch(`http://${host}/v2/demo/manifests/absent`, { method: 'HEAD' });
		expect([absent.status, await absent.text()]).toEqual([404, '']);
		const ping = await fetch(`http://${host}/v2/`, { headers: { authorization } });
		expect(ping.status).toBe(200);
	});
});

describe('listings', () => {
	it('page through tags by following Link', async () => {
		const { store, client } = await filled();
		for (const tag of ['b', 'a', 'B', 'c']) {
			await store.repository('demo').putManifest(both.bytes, { tag });
		}
		const seen: string[][] = [];
		let next: string | undefined = '/v2/demo/tags/list?n=2';
		while (next) {
			const response: Response = await client('GET', next);
			seen.push(((await response.json()) as { tags: string[] }).tags);
			next = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
		}
		expect(seen).toEqual([['B', 'a'], ['b', 'c'], ['v1']]);
	});

	it('page through repositories', async () => {
		const { store, client } = await filled();
		await putImage(store, 'demo/nested', amd64);
		const first = await client('GET', '/v2/_catalog?n=1');
		expect(await first.json()).toEqual({ repositories: ['demo'] });
		expect(first.headers.get('link')).toBe('</v2/_catalog?n=1&last=demo>; rel="next"');
		const rest = await client('GET', '/v2/_catalog?n=1&last=demo');
		expect(await rest.json()).toEqual({ repositories: ['demo/nested'] });
		expect(rest.headers.get('link')).toBeNull();
	});

	it('has no tags for a repository with nothing but untagged manifests', async () => {
		const store = await temporaryStore();
		await putImage(store, 'demo', amd64);
		const response = await clientOf(store)('GET', '/v2/demo/tags/list');
		expect(await response.json()).toEqual({ name: 'demo', tags: [] });
	});
});

describe('referrers', () => {
	const signature = image('signature', {
		extra: { subject: descriptor(both), artifactType: 'application/x-signature' },
	});
	const sbom = indexOf([], {
		extra: {
			subject: descriptor(both),
			artifactType: 'application/x-sbom',
			annotations: { a: 'b' },
		},
	});

	async function signed() {
		const { store, client } = await filled();
		await putImage(store, 'demo', signature);
		const response = await client('PUT', '/v2/demo/manifests/sbom', { body: sbom.bytes });
		expect(response.headers.get('oci-subject')).toBe(both.digest);
		return client;
	}

	it('lists images and indexes that name the subject', async () => {
		const client = await signed();
		const response = await client('GET', `/v2/demo/referrers/${both.digest}`);
		expect(response.headers.get('content-type')).toBe(mediaTypes.ociIndex);
		expect(response.headers.get('oci-filters-applied')).toBeNull();
		expect(await response.json()).toEqual({
			schemaVersion: 2,
			mediaType: mediaTypes.ociIndex,
			manifests: [
				{ ...descriptor(signature.manifest), artifactType: 'application/x-signature' },
				{ ...descriptor(sbom), artifactType: 'application/x-sbom', annotations: { a: 'b' } },
			],
		});
	});

	it('filters by artifact type, and says so', async () => {
		const client = await signed();
		const path = `/v2/demo/referrers/${both.digest}?artifactType=application%2Fx-sbom`;
		const response = await client('GET', path);
		expect(response.headers.get('oci-filters-applied')).toBe('artifactType');
		expect(await response.json()).toMatchObject({ manifests: [{ digest: sbom.digest }] });
	});

	it('is empty, never 404, for what is not there', async () => {
		const client = await signed();
		for (const path of [
			`/v2/demo/referrers/${amd64.layer.digest}`,
			`/v2/other/referrers/${both.digest}`,
		]) {
			const response = await client('GET', path);
			expect(response.status).toBe(200);
			expect(await response.json()).toMatchObject({ manifests: [] });
		}
	});

	it('forgets what is deleted', async () => {
		const client = await signed();
		await client('DELETE', `/v2/demo/manifests/${sbom.digest}`);
		const response = await client('GET', `/v2/demo/referrers/${both.digest}`);
		expect(await response.json()).toMatchObject({
			manifests: [{ digest: signature.manifest.digest }],
		});
	});
});
