import { connect } from 'node:net';
import { mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Store } from '../../../proxy/store/store.ts';
import {
	authorization,
	clientOf,
	errorCodes,
	inPieces,
	serveStore,
	temporaryFolder,
	temporaryStore,
	type Client,
} from './fixture.ts';
import { bytesOf, digestFor } from './images.ts';

const content = bytesOf('what is in the blob, in a few pieces');
const digest = digestFor(content);
const base = '/v2/demo/blobs/uploads/';

async function begin(client: Client): Promise<string> {
	const response = await client('POST', base);
	expect(response.status).toBe(202);
	return response.headers.get('location')!;
}

async function expectStored(client: Client, stored = digest) {
	const response = await client('GET', `/v2/demo/blobs/${stored}`, { anonymous: true });
	expect(response.status).toBe(200);
	expect(new Uint8Array(await response.arrayBuffer())).toEqual(content);
}

describe('an upload', () => {
	it('is taken in one PUT after the POST', async () => {
		const client = clientOf(await temporaryStore());
		const location = await begin(client);
		const response = await client('PUT', `${location}?digest=${digest}`, { body: content });
		expect(response.status).toBe(201);
		expect(response.headers.get('location')).toBe(`/v2/demo/blobs/${digest}`);
		expect(response.headers.get('docker-content-digest')).toBe(digest);
		await expectStored(client);
		expect((await client('GET', location)).status).toBe(404);
	});

	it('is taken in one POST', async () => {
		const client = clientOf(await temporaryStore());
		const escaped = encodeURIComponent(digest);
		const response = await client('POST', `${base}?digest=${escaped}`, { body: content });
		expect(response.status).toBe(201);
		await expectStored(client);
	});

	it('is taken in chunks, with or without ranges, under sha256 and sha512', async () => {
		const client = clientOf(await temporaryStore());
		for (const algorithm of ['sha256', 'sha512'] as const) {
			const location = await begin(client);
			const first = await client('PATCH', location, {
				body: content.subarray(0, 10),
				headers: { 'content-range': '0-9', 'content-length': '10' },
			});
			expect([first.status, first.headers.get('range')]).toEqual([202, '0-9']);
			const second = await client('PATCH', location, { body: content.subarray(10, 20) });
			expect([second.status, second.headers.get('range')]).toEqual([202, '0-19']);
			const status = await client('GET', location);
			expect([status.status, status.headers.get('range')]).toEqual([204, '0-19']);
			const wanted = digestFor(content, algorithm);
			const last = await client('PUT', `${location}?digest=${wanted}`, {
				body: content.subarray(20),
				headers: { 'content-range': `20-${content.length - 1}` },
			});
			expect(last.status).toBe(201);
			await expectStored(client, wanted);
		}
	});

	it('may be empty', async () => {
		const client = clientOf(await temporaryStore());
		const empty = digestFor(new Uint8Array());
		const location = await begin(client);
		const response = await client('PUT', `${location}?digest=${empty}`, {
			headers: { 'content-length': '0' },
		});
		expect(response.status).toBe(201);
		const read = await client('GET', `/v2/demo/blobs/${empty}`);
		expect([read.status, await read.text()]).toEqual([200, '']);
	});

	it.each(['5-14', '20-29', 'bytes=10-19', 'x'])(
		'refuses the chunk %j where ten bytes are there, and says where to go on',
		async (range) => {
			const client = clientOf(await temporaryStore());
			const location = await begin(client);
			await client('PATCH', location, { body: content.subarray(0, 10) });
			const response = await client('PATCH', location, {
				body: content.subarray(0, 10),
				headers: { 'content-range': range },
			});
			expect(response.status).toBe(416);
			expect(response.headers.get('location')).toBe(location);
			const status = await client('GET', location);
			expect(status.headers.get('range')).toBe('0-9');
		},
	);

	it('refuses a chunk that is not as long as its range, and keeps none of it', async () => {
		const client = clientOf(await temporaryStore());
		const location = await begin(client);
		const response = await client('PATCH', location, {
			body: content.subarray(0, 10),
			headers: { 'content-range': '0-11' },
		});
		expect(await errorCodes(response)).toEqual(['SIZE_INVALID']);
		expect((await client('GET', location)).headers.get('range')).toBe('0-0');
		const whole = await client('PUT', `${location}?digest=${digest}`, { body: content });
		expect(whole.status).toBe(201);
	});

	it('throws away what has another digest', async () => {
		const store = await temporaryStore();
		const client = clientOf(store);
		const location = await begin(client);
		const wrong = digestFor(bytesOf('other'));
		const response = await client('PUT', `${location}?digest=${wrong}`, { body: content });
		expect(response.status).toBe(400);
		expect(await errorCodes(response)).toEqual(['DIGEST_INVALID']);
		const single = await client('POST', `${base}?digest=${wrong}`, { body: content });
		expect(await errorCodes(single)).toEqual(['DIGEST_INVALID']);
		expect(await readdir(join(store.root, '.uploads'))).toEqual([]);
		expect(await store.repositories()).toEqual([]);
	});

	it.each(['', 'sha256:abc', `sha256:${'A'.repeat(64)}`, 'sha256:../../../etc/passwd', 'md5:00'])(
		'cannot be finished with the digest %j',
		async (bad) => {
			const client = clientOf(await temporaryStore());
			const location = await begin(client);
			const query = new URLSearchParams({ digest: bad }).toString();
			const response = await client('PUT', `${location}?${query}`, { body: content });
			expect(response.status).toBe(400);
			expect(await errorCodes(response)).toEqual(['DIGEST_INVALID']);
			expect((await client('GET', location)).status).toBe(204);
		},
	);

	it('can be cancelled, once', async () => {
		const store = await temporaryStore();
		const client = clientOf(store);
		const location = await begin(client);
		expect((await client('DELETE', location)).status).toBe(204);
		const again = await client('DELETE', location);
		expect(again.status).toBe(404);
		expect(await errorCodes(again)).toEqual(['BLOB_UPLOAD_UNKNOWN']);
		expect(await readdir(join(store.root, '.uploads'))).toEqual([]);
	});

	it('belongs to its repository', async () => {
		const client = clientOf(await temporaryStore());
		const location = await begin(client);
		const elsewhere = location.replace('/demo/', '/other/');
		for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
			const response = await client(method, `${elsewhere}?digest=${digest}`);
			expect([method, response.status]).toEqual([method, 404]);
		}
	});

	it.each(['x', '..%2f..%2findex.json', '00000000-0000-0000-0000-000000000000'])(
		'is unknown by the id %j',
		async (id) => {
			const client = clientOf(await temporaryStore());
			expect((await client('GET', `${base}${id}`)).status).toBe(404);
			expect((await client('PATCH', `${base}${id}`, { body: content })).status).toBe(404);
		},
	);

	it('takes one request at a time', async () => {
		const store = await temporaryStore();
		const id = await store.uploads.start('demo');
		let release = (): void => undefined;
		const released = new Promise<void>((resolve) => (release = resolve));
		async function* slowly() {
			yield content.subarray(0, 10);
			await released;
			yield content.subarray(10);
		}
		const first = store.uploads.append('demo', id, slowly());
		await expect(store.uploads.append('demo', id, inPieces(content))).rejects.toMatchObject({
			kind: 'uploadBusy',
		});
		release();
		expect(await first).toBe(content.length);
	});
});

describe('an upload that breaks off', () => {
	async function cutShort(host: string, path: string, method: string): Promise<void> {
		const [hostname, port] = host.split(':');
		const socket = connect(Number(port), hostname);
		const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n`;
		socket.write(`${head}Content-Length: ${content.length}\r\n\r\n`);
		await new Promise<void>((written) =>
			socket.write(content.subarray(0, 10), () => {
				written();
			}),
		);
		socket.end();
		await new Promise((closed) => socket.once('close', closed).resume());
	}

	it('leaves no blob, and can be continued where it broke off', async () => {
		const store = await temporaryStore();
		const client = clientOf(store);
		const location = await begin(client);
		await cutShort(await serveStore(store), `${location}?digest=${digest}`, 'PUT');
		await vi.waitFor(async () => {
			expect((await client('GET', location)).headers.get('range')).toBe('0-9');
		});
		expect((await client('HEAD', `/v2/demo/blobs/${digest}`)).status).toBe(404);
		await vi.waitFor(async () => {
			const rest = await client('PUT', `${location}?digest=${digest}`, {
				body: content.subarray(10),
				headers: { 'content-range': `10-${content.length - 1}` },
			});
			expect(rest.status).toBe(201);
		});
		await expectStored(client);
	});

	it('leaves nothing at all when it was a single POST', async () => {
		const store = await temporaryStore();
		await cutShort(await serveStore(store), `${base}?digest=${digest}`, 'POST');
		await vi.waitFor(async () => {
			expect(await readdir(join(store.root, '.uploads'))).toEqual([]);
		});
		expect(await store.repositories()).toEqual([]);
	});

	it('goes on after a restart, with what was sent before it', async () => {
		const root = await temporaryFolder();
		const before = clientOf(await Store.open(root));
		const location = await begin(before);
		await before('PATCH', location, { body: content.subarray(0, 10) });
		const after = clientOf(await Store.open(root));
		expect((await after('GET', location)).headers.get('range')).toBe('0-9');
		await after('PATCH', location, { body: content.subarray(10, 20) });
		const end = await after('PUT', `${location}?digest=${digest}`, { body: content.subarray(20) });
		expect(end.status).toBe(201);
		await expectStored(after);
	});

	it('is removed at the next start when it is older than a day', async () => {
		const root = await temporaryFolder();
		const store = await Store.open(root);
		const client = clientOf(store);
		const [old, young] = [await begin(client), await begin(client)];
		const name = (await readdir(join(root, '.uploads'))).find((file) =>
			file.startsWith(old.split('/').at(-1)!),
		)!;
		const twoDaysAgo = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
		await utimes(join(root, '.uploads', name), twoDaysAgo, twoDaysAgo);
		const again = clientOf(await Store.open(root));
		expect((await again('GET', old)).status).toBe(404);
		expect((await again('GET', young)).status).toBe(204);
	});
});

describe('an upload whose client falls silent', () => {
	const patience = { stallMs: 150 };

	/** Sends ten bytes of more, and gives all that is answered until the connection is closed. */
	async function fallSilent(host: string, path: string, method: string): Promise<string> {
		const [hostname, port] = host.split(':');
		const socket = connect(Number(port), hostname);
		const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n`;
		socket.write(`${head}Content-Length: ${content.length}\r\n\r\n`);
		socket.write(content.subarray(0, 10));
		let answered = '';
		socket.on('data', (chunk: Buffer) => (answered += chunk.toString()));
		await new Promise((closed) => socket.once('close', closed));
		return answered;
	}

	it('is given up with an answer, and can be continued with what had arrived', async () => {
		const store = await temporaryStore();
		const client = clientOf(store);
		const host = await serveStore(store, patience);
		for (const method of ['PATCH', 'PUT']) {
			const location = await begin(client);
			const answered = await fallSilent(host, `${location}?digest=${digest}`, method);
			expect(answered).toMatch(/^HTTP\/1\.1 408 /);
			expect(answered).toContain('BLOB_UPLOAD_INVALID');
			expect((await client('GET', location)).headers.get('range')).toBe('0-9');
			const rest = await client('PUT', `${location}?digest=${digest}`, {
				body: content.subarray(10),
				headers: { 'content-range': `10-${content.length - 1}` },
			});
			expect(rest.status).toBe(201);
		}
		await expectStored(client);
	});

	it('leaves nothing when it was a single POST', async () => {
		const store = await temporaryStore();
		const host = await serveStore(store, patience);
		const answered = await fallSilent(host, `${base}?digest=${digest}`, 'POST');
		expect(answered).toMatch(/^HTTP\/1\.1 408 /);
		expect(await readdir(join(store.root, '.uploads'))).toEqual([]);
		expect(await store.repositories()).toEqual([]);
	});

	it('is given up as a manifest too', async () => {
		const store = await temporaryStore();
		const host = await serveStore(store, patience);
		expect(await fallSilent(host, '/v2/demo/manifests/v1', 'PUT')).toMatch(/^HTTP\/1\.1 408 /);
		expect(await store.repositories()).toEqual([]);
	});
});

describe('the folder of uploads', () => {
	const longAgo = new Date(0);
	const id = '01234567-89ab-4cde-8f01-23456789abcd';

	async function writeOld(path: string): Promise<void> {
		await writeFile(path, 'kept');
		await utimes(path, longAgo, longAgo);
	}

	/** A folder elsewhere with an old file that is named like an upload, and one inside a folder. */
	async function folderElsewhere(): Promise<{ folder: string; files: () => Promise<string[]> }> {
		const folder = await temporaryFolder();
		await mkdir(join(folder, 'photos'));
		await writeOld(join(folder, 'photos', 'a'));
		await writeOld(join(folder, `${id}.tmp`));
		await utimes(join(folder, 'photos'), longAgo, longAgo);
		const files = async () => (await readdir(folder, { recursive: true })).sort();
		return { folder, files };
	}

	it('is refused where it is a symbolic link, and nothing is removed behind it', async () => {
		const root = await temporaryFolder();
		const { folder, files } = await folderElsewhere();
		const before = await files();
		await symlink(folder, join(root, '.uploads'));
		await expect(Store.open(root)).rejects.toMatchObject({ kind: 'layoutDamaged' });
		expect(await files()).toEqual(before);
	});

	it('is refused where it is a file, or a symbolic link that leads nowhere', async () => {
		const [one, other] = [await temporaryFolder(), await temporaryFolder()];
		await writeFile(join(one, '.uploads'), '');
		await symlink(join(other, 'nowhere'), join(other, '.uploads'));
		for (const root of [one, other]) {
			await expect(Store.open(root)).rejects.toMatchObject({ kind: 'layoutDamaged' });
		}
		expect(await readdir(other)).toEqual(['.uploads']);
	});

	it('is looked at again whenever an upload starts or goes on', async () => {
		const store = await temporaryStore();
		const { folder, files } = await folderElsewhere();
		const before = await files();
		const started = await store.uploads.start('demo');
		const [name] = await readdir(join(store.root, '.uploads'));
		await rm(join(store.root, '.uploads'), { recursive: true });
		await symlink(folder, join(store.root, '.uploads'));
		const response = await clientOf(store)('POST', base);
		expect(response.status).toBe(500);
		expect(await files()).toEqual(before);
		await writeFile(join(folder, name!), '');
		await expect(store.uploads.append('demo', started, inPieces(content))).rejects.toMatchObject({
			kind: 'uploadUnknown',
		});
		expect(await readFile(join(folder, name!), 'utf8')).toBe('');
	});

	it('is made again where somebody removed it', async () => {
		const store = await temporaryStore();
		await rm(join(store.root, '.uploads'), { recursive: true });
		await store.putBlob('demo', digest, inPieces(content));
		await expectStored(clientOf(store));
	});

	it('loses only old files that uploads and writes have left', async () => {
		const root = await temporaryFolder();
		const folder = join(root, '.uploads');
		const other = id.replace('0', 'f');
		await mkdir(join(folder, `${other}.tmp`), { recursive: true });
		await writeOld(join(folder, `${other}.tmp`, 'inside'));
		await utimes(join(folder, `${other}.tmp`), longAgo, longAgo);
		const left = [`${id}.0123456789abcdef.upload`, `${id}.tmp`];
		const kept = ['notes.txt', `${id}.tmp.txt`, `${id}.upload`];
		for (const name of [...left, ...kept]) await writeOld(join(folder, name));
		await Store.open(root);
		expect((await readdir(folder)).sort()).toEqual([...kept, `${other}.tmp`].sort());
		expect(await readdir(join(folder, `${other}.tmp`))).toEqual(['inside']);
	});
});

describe('a mount', () => {
	const mount = (from: string, wanted: string = digest) =>
		`/v2/other/blobs/uploads/?mount=${encodeURIComponent(wanted)}&from=${from}`;

	it('links the blob of another repository', async () => {
		const store = await temporaryStore();
		await store.putBlob('demo', digest, inPieces(content));
		const client = clientOf(store);
		const response = await client('POST', mount('demo'));
		expect(response.status).toBe(201);
		expect(response.headers.get('location')).toBe(`/v2/other/blobs/${digest}`);
		const paths = ['demo', 'other'].map((name) =>
			join(store.root, name, 'blobs', 'sha256', digest.slice(7)),
		);
		const [one, two] = await Promise.all(paths.map((path) => stat(path)));
		expect(one!.ino).toBe(two!.ino);
		expect((await client('POST', mount('demo'))).status).toBe(201);
		await client('DELETE', `/v2/demo/blobs/${digest}`);
		expect(new Uint8Array(await readFile(paths[1]!))).toEqual(content);
	});

	it.each(['demo', 'nothing', '..', 'blobs', ''])(
		'of what %j does not have becomes an upload',
		async (from) => {
			const store = await temporaryStore();
			const client = clientOf(store);
			const response = await client('POST', mount(from));
			expect(response.status).toBe(202);
			const location = response.headers.get('location')!;
			const put = await client('PUT', `${location}?digest=${digest}`, { body: content });
			expect(put.status).toBe(201);
		},
	);

	it('without a source, or with a bad digest, becomes an upload', async () => {
		const store = await temporaryStore();
		await store.putBlob('demo', digest, inPieces(content));
		const client = clientOf(store);
		const path = `/v2/other/blobs/uploads/?mount=${digest}`;
		expect((await client('POST', path)).status).toBe(202);
		expect((await client('POST', mount('demo', 'sha256:../../x'))).status).toBe(202);
	});
});
