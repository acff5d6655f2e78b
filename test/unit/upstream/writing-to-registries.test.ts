import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../../proxy/app.ts';
import { listenOnLoopback } from '../../../proxy/server/listen.ts';
import { toRequestListener } from '../../../proxy/server/request-listener.ts';
import { createStoreRoutes } from '../../../proxy/store/routes.ts';
import { Store } from '../../../proxy/store/store.ts';
import {
	noCredentials,
	type CredentialSource,
} from '../../../proxy/upstream/credentials/credential.ts';
import { Secret } from '../../../proxy/upstream/credentials/secret.ts';
import type { RegistryTarget } from '../../../proxy/upstream/registry-target.ts';
import { realPace } from '../../../proxy/upstream/retry.ts';
import type { Document } from '../../../shared/oci/document.ts';
import { byDigest, type Repository } from '../../../shared/oci/reference.ts';
import { problemOf, type ProblemCode } from '../../../shared/registry/problem.ts';
import { hasDockerRegistry, startDockerRegistry } from '../../support/docker-registry.ts';
import { jsonBytes, sha256 } from '../../support/push.ts';
import { appOptions, token } from '../proxy/fake-reader.ts';
import { readerWith, stopAll } from './scripted-server.ts';

const imageType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const patienceMs = 60_000;

/** A real registry, and whether it knows what the second one asks for. */
interface Registry {
	readonly host: string;
	readonly removesTags: boolean;
	readonly credentials: CredentialSource;
	stop(): Promise<void>;
}

async function dockerRegistry(): Promise<Registry> {
	const registry = await startDockerRegistry();
	return { ...registry, removesTags: false, credentials: noCredentials };
}

async function embeddedStore(): Promise<Registry> {
	const folder = await mkdtemp(path.join(tmpdir(), 'espalier-target-'));
	const store = createStoreRoutes(await Store.open(folder), { token });
	const server = await listenOnLoopback(0, (port) =>
		toRequestListener(createApp(appOptions({ port, store }))),
	);
	const login = { username: 'any', source: 'a test', entry: 'x', password: new Secret(token) };
	return {
		host: `127.0.0.1:${server.port}`,
		removesTags: true,
		credentials: { ...noCredentials, find: async () => ({ kind: 'password', ...login }) },
		stop: async () => {
			await server.close();
			await rm(folder, { recursive: true, force: true });
		},
	};
}

function documentOf(mediaType: string, content: object): Document {
	const bytes = jsonBytes({ schemaVersion: 2, mediaType, ...content });
	return { mediaType, digest: sha256(bytes), bytes };
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += 65_536) {
		yield await Promise.resolve(bytes.subarray(at, at + 65_536));
	}
}

async function codeOf(work: Promise<unknown>): Promise<ProblemCode | undefined> {
	return work.then(
		() => undefined,
		(error: unknown) => problemOf(error).code,
	);
}

describe.each([
	['docker-registry', hasDockerRegistry, dockerRegistry],
	['the embedded registry over HTTP', true, embeddedStore],
])('writing to %s', (_name, isThere, start) => {
	describe.skipIf(!isThere)('', () => {
		let registry: Registry;
		let target: RegistryTarget;
		beforeAll(async () => {
			registry = await start();
		}, patienceMs);
		afterEach(stopAll);
		afterAll(() => registry.stop());

		const at = (repository: string): Repository => ({ registry: registry.host, repository });
		const open = (): RegistryTarget => {
			target = readerWith({ credentials: registry.credentials, pace: realPace }).target;
			return target;
		};

		async function push(repository: string, bytes: Uint8Array): Promise<number> {
			const blob = byDigest(at(repository), sha256(bytes));
			const upload = await target.startUpload(blob);
			let sent = 0;
			const onBytes = (count: number): void => void (sent += count);
			await upload.send({ sizeBytes: bytes.length, chunks: chunksOf(bytes), onBytes }, undefined);
			return sent;
		}

		/** An image whose parts are there. */
		async function image(repository: string, number: number): Promise<Document> {
			const config = jsonBytes({ architecture: 'amd64', os: 'linux', number });
			await push(repository, config);
			const mediaType = 'application/vnd.oci.image.config.v1+json';
			const descriptor = { mediaType, digest: sha256(config), size: config.length };
			const manifest = documentOf(imageType, { config: descriptor, layers: [] });
			await target.putManifest(at(repository), manifest);
			return manifest;
		}

		it('takes a blob that was not there, and has it then', async () => {
			open();
			const bytes = Buffer.alloc(3_000_000, 'layer');
			const blob = byDigest(at('a/b'), sha256(bytes));
			expect(await target.hasBlob(blob)).toBe(false);
			expect(await push('a/b', bytes)).toBe(bytes.length);
			expect(await target.hasBlob(blob)).toBe(true);
		});

		it('takes many blobs at once', async () => {
			open();
			const blobs = [...Array(40).keys()].map((number) => Buffer.alloc(300_000, `blob ${number}`));
			const sent = await Promise.all(blobs.map((bytes) => push('many/parts', bytes)));
			expect(new Set(sent)).toEqual(new Set([300_000]));
			const there = blobs.map((bytes) => target.hasBlob(byDigest(at('many/parts'), sha256(bytes))));
			expect(new Set(await Promise.all(there))).toEqual(new Set([true]));
		});

		it('takes an empty blob', async () => {
			open();
			await push('a/b', new Uint8Array());
			expect(await target.hasBlob(byDigest(at('a/b'), sha256(new Uint8Array())))).toBe(true);
		});

		it('mounts a blob from another repository, and begins an upload where it is not', async () => {
			open();
			const bytes = Buffer.from('to be mounted');
			await push('mount/from', bytes);
			const blob = byDigest(at('mount/to'), sha256(bytes));
			expect(await target.mount(blob, at('mount/from'))).toBe('mounted');
			expect(await target.hasBlob(blob)).toBe(true);
			const other = byDigest(at('mount/to'), sha256(Buffer.from('nowhere')));
			const upload = await target.mount(other, at('mount/from'));
			expect(upload).not.toBe('mounted');
			if (upload !== 'mounted') await upload?.cancel();
		});

		it('refuses bytes of another digest', async () => {
			open();
			const blob = byDigest(at('a/b'), sha256(Buffer.from('promised')));
			const upload = await target.startUpload(blob);
			const chunks = chunksOf(Buffer.from('wrongful'));
			const work = upload.send({ sizeBytes: 8, chunks, onBytes: () => undefined }, undefined);
			expect(await codeOf(work)).toBe('digest-mismatch');
			expect(await target.hasBlob(blob)).toBe(false);
		});

		it('takes manifests by digest, and says which parts of an index are missing', async () => {
			open();
			const manifest = await image('a/b', 1);
			expect(await target.hasManifest(byDigest(at('a/b'), manifest.digest))).toBe(true);
			const absent = sha256(Buffer.from('absent'));
			const child = { mediaType: imageType, digest: absent, size: 6 };
			const index = documentOf(indexType, { manifests: [child] });
			const problem = problemOf(
				await target.putManifest(at('a/b'), index).catch((error: unknown) => error),
			);
			expect(problem.code).toBe('parts-missing');
			expect(problem.reason).toContain(absent);
		});

		it('sets a tag only where it is as expected', async () => {
			open();
			const [one, two] = [await image('tags/set', 1), await image('tags/set', 2)];
			const tag = { ...at('tags/set'), tag: 'v1' };
			expect(await target.resolveTag(tag, 'v1')).toBe('absent');
			expect(await target.setTag({ ...tag, expect: 'absent' }, one)).toBe('set');
			expect(await target.setTag({ ...tag, expect: 'absent' }, one)).toBe('set');
			expect(await target.setTag({ ...tag, expect: 'absent' }, two)).toEqual({ found: one.digest });
			expect(await target.setTag({ ...tag, expect: one.digest }, two)).toBe('set');
			expect(await target.resolveTag(tag, 'v1')).toBe(two.digest);
		});

		it('puts many tags on one manifest at once', async () => {
			open();
			const manifest = await image('tags/many', 4);
			const tags = [...Array(20).keys()].map((number) => ({
				...at('tags/many'),
				tag: `t${number}`,
				expect: 'absent' as const,
			}));
			const set = await Promise.all(tags.map((tag) => target.setTag(tag, manifest)));
			expect(new Set(set)).toEqual(new Set(['set']));
		});

		it('removes a tag, or says that it cannot, and keeps the manifest', async () => {
			open();
			const manifest = await image('tags/gone', 3);
			const tag = { ...at('tags/gone'), tag: 'v1' };
			await target.setTag({ ...tag, expect: 'absent' }, manifest);
			const work = target.removeTag({ ...tag, expect: manifest.digest });
			if (registry.removesTags) expect(await work).toBe('removed');
			else expect(await codeOf(work)).toBe('unsupported');
			const left = registry.removesTags ? 'absent' : manifest.digest;
			expect(await target.resolveTag(tag, 'v1')).toBe(left);
			expect(await target.hasManifest(byDigest(at('tags/gone'), manifest.digest))).toBe(true);
		});
	});
});

describe('writing to the embedded registry without its token', () => {
	it('is unauthorized', async () => {
		const registry = await embeddedStore();
		const { target } = readerWith();
		const blob = byDigest({ registry: registry.host, repository: 'a/b' }, sha256(Buffer.from('x')));
		expect(await codeOf(target.startUpload(blob))).toBe('unauthorized');
		await stopAll();
		await registry.stop();
	});
});
