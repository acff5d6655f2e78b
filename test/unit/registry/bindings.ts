/** The registries, real and not, that the contracts are held against. */
import 'fake-indexeddb/auto';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp } from '../../../proxy/app.ts';
import { listenOnLoopback } from '../../../proxy/server/listen.ts';
import { toRequestListener } from '../../../proxy/server/request-listener.ts';
import { createStoreRoutes } from '../../../proxy/store/routes.ts';
import { Store } from '../../../proxy/store/store.ts';
import { StoreReader } from '../../../proxy/store/store-reader.ts';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { DirectReader } from '../../../proxy/upstream/direct-reader.ts';
import { encodedOf } from '../../../shared/oci/digest.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { storeRegistry } from '../../../shared/oci/reference.ts';
import { referrersTag } from '../../../shared/registry/distribution.ts';
import { mirrored } from '../../../shared/registry/mirrored.ts';
import type {
	Registries,
	RegistryReader,
	RegistryWriter,
} from '../../../shared/registry/registries.ts';
import { hashBytes } from '../../../web/api/hashing.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyReader } from '../../../web/api/proxy-reader.ts';
import { CachedReader } from '../../../web/cache/cached-reader.ts';
import { Database } from '../../../web/cache/database.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';
import { FakeRegistries } from '../../support/fake-registries.ts';
import { Pusher } from '../../support/push.ts';
import { contentOf, descriptorOf } from '../../support/release-maker.ts';
import { appOptions, token } from '../proxy/fake-reader.ts';
import type { ReaderUnderTest } from './contract.ts';

export async function temporaryFolder(): Promise<string> {
	return await realpath(await mkdtemp(join(tmpdir(), 'espalier-contract-')));
}

export function directReader(): DirectReader {
	return DirectReader.open({
		plainHttp: [],
		authorities: new Map(),
		trustedRealms: [],
		credentials: noCredentials,
		pace: { clock: () => 1_700_000_000_000, wait: () => Promise.resolve(), random: () => 0.5 },
	});
}

export async function* oneChunk(bytes: Uint8Array) {
	yield await Promise.resolve(bytes);
}

export async function fake(): Promise<ReaderUnderTest & { readonly reader: FakeRegistries }> {
	const registries = new FakeRegistries();
	const registry = 'registry.test';
	const putManifest: ReaderUnderTest['putManifest'] = async (repository, content, tag) =>
		void registries.putManifest({ registry, repository }, content, tag);
	return {
		reader: registries,
		registry,
		putBlob: async (repository, { bytes }) =>
			void registries.putBlob({ registry, repository }, bytes),
		putManifest,
		putReferrer: (repository, content) => putManifest(repository, content),
		damage: async (reference, bytes) => registries.corrupt(reference, bytes),
		stop: () => Promise.resolve(),
	};
}

export async function storeOnDisk(): Promise<ReaderUnderTest & { readonly store: Store }> {
	const folder = await temporaryFolder();
	const store = await Store.open(folder);
	const putManifest: ReaderUnderTest['putManifest'] = async (repository, content, tag) => {
		const { mediaType, bytes } = content;
		await store.repository(repository).putManifest(bytes, { mediaType, tag });
	};
	return {
		store,
		reader: new StoreReader(store),
		registry: storeRegistry,
		putBlob: (repository, { digest, bytes }) => store.putBlob(repository, digest, oneChunk(bytes)),
		putManifest,
		putReferrer: (repository, content) => putManifest(repository, content),
		damage: ({ repository, digest }, bytes) =>
			writeFile(join(folder, repository, 'blobs/sha256', encodedOf(digest)), bytes),
		stop: () => rm(folder, { recursive: true, force: true }),
	};
}

export async function serve(options: {
	reader?: RegistryReader;
	writer?: RegistryWriter;
	store?: Store;
}) {
	const { reader, writer, store } = options;
	return listenOnLoopback(0, (port) =>
		toRequestListener(
			createApp(
				appOptions({
					port,
					...(reader && { reader }),
					...(writer && { writer }),
					...(store && { store: createStoreRoutes(store, { token }) }),
				}),
			),
		),
	);
}

export async function overHttp(): Promise<ReaderUnderTest> {
	const onDisk = await storeOnDisk();
	const server = await serve({ store: onDisk.store });
	const reader = directReader();
	return {
		...onDisk,
		reader,
		registry: `127.0.0.1:${server.port}`,
		manifestDamage: 'registry-failure',
		stop: async () => {
			await reader.close();
			await server.close();
			await onDisk.stop();
		},
	};
}

export async function throughProxy(inner: ReaderUnderTest): Promise<ReaderUnderTest> {
	const server = await serve({ reader: inner.reader });
	const client = new ProxyClient({
		token: () => token,
		origin: `http://127.0.0.1:${server.port}`,
	});
	return {
		...inner,
		reader: new ProxyReader(client, hashBytes),
		stop: async () => {
			await server.close();
			await inner.stop();
		},
	};
}

export function cacheOptions(database: Database) {
	return {
		database,
		now: () => 2_000_000,
		keeps: () => true,
		later: (work: () => void) => work(),
	};
}

export async function cached(
	inner: ReaderUnderTest & { readonly reader: Registries },
): Promise<ReaderUnderTest> {
	const database = new Database();
	return {
		...inner,
		reader: new CachedReader(inner.reader, cacheOptions(database)),
		stop: async () => {
			await database.clear();
			await inner.stop();
		},
	};
}

/** With a mirror in front that has nothing. */
export function behindMirror(
	inner: ReaderUnderTest & { readonly reader: Registries },
): ReaderUnderTest {
	const { registry } = inner;
	const mirrors = [{ location: 'empty.test', pulls: 'all' as const }];
	const rule = { source: registry, location: registry, mirrors, contactsSource: true };
	return { ...inner, reader: mirrored(inner.reader, { rules: [rule] }) };
}

export async function dockerRegistry(): Promise<ReaderUnderTest> {
	const folder = await temporaryFolder();
	const filesystem = { rootdirectory: folder };
	const registry = await startDockerRegistry({ storage: { filesystem } });
	const pusher = new Pusher(registry.host);
	const reader = directReader();
	const putManifest: ReaderUnderTest['putManifest'] = async (repository, content, tag) => {
		await pusher.pushManifest(repository, content.bytes, content.mediaType, tag);
	};
	return {
		reader,
		registry: registry.host,
		putBlob: async (repository, { bytes }) => void (await pusher.pushBlob(repository, bytes)),
		putManifest,
		// It has no referrers API: clients keep them under a tag.
		putReferrer: async (repository, content, subject) => {
			await putManifest(repository, content);
			const index = contentOf(mediaTypes.ociIndex, {
				schemaVersion: 2,
				mediaType: mediaTypes.ociIndex,
				manifests: [descriptorOf(content)],
			});
			await putManifest(repository, index, referrersTag(subject.digest));
		},
		damage: ({ digest }, bytes) => {
			const hex = encodedOf(digest);
			const path = ['docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'];
			return writeFile(join(folder, ...path), bytes);
		},
		stop: async () => {
			await reader.close();
			await pusher.close();
			await registry.stop();
			await rm(folder, { recursive: true, force: true });
		},
	};
}
