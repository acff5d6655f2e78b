import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import { joinRegistries, storeHalves } from '../../../proxy/server/own-registries.ts';
import { storeRegistry, type Repository } from '../../../shared/oci/reference.ts';
import type { RegistryReader } from '../../../shared/registry/registries.ts';
import { hashBytes } from '../../../web/api/hashing.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyRegistries } from '../../../web/api/proxy-registries.ts';
import { CachedReader } from '../../../web/cache/cached-reader.ts';
import { Database } from '../../../web/cache/database.ts';
import { hasDockerRegistry, skippedWithoutDockerRegistry } from '../../support/docker-registry.ts';
import { FakeRegistries } from '../../support/fake-registries.ts';
import type { Content } from '../../support/release-maker.ts';
import { token } from '../proxy/fake-reader.ts';
import { cacheOptions, directReader, dockerRegistry, serve, storeOnDisk } from './bindings.ts';
import type { ReaderUnderTest } from './contract.ts';
import { describeRegistryWriter, type WriterUnderTest } from './writer-contract.ts';

// Node 20 has no navigator; newer ones have no Web Locks either.
beforeAll(() => void vi.stubGlobal('navigator', {}));
afterAll(() => void vi.unstubAllGlobals());

const elsewhere = 'elsewhere.test';

async function fake(): Promise<WriterUnderTest> {
	const registries = new FakeRegistries();
	return {
		registries,
		registry: 'registry.test',
		elsewhere,
		removesTags: true,
		putBlob: async (repository, { bytes }) => void registries.putBlob(repository, bytes),
		putManifest: async (repository, content, tag) =>
			void registries.putManifest(repository, content, tag),
		damage: async (reference, bytes) => registries.corrupt(reference, bytes),
		stop: () => Promise.resolve(),
	};
}

/** What the tests put into a registry or, by its name, into the one elsewhere. */
function putting(inner: ReaderUnderTest, source: FakeRegistries) {
	const isElsewhere = ({ registry }: Repository) => registry === elsewhere;
	return {
		elsewhere,
		registry: inner.registry,
		putBlob: async (repository: Repository, content: Content) => {
			if (isElsewhere(repository)) source.putBlob(repository, content.bytes);
			else await inner.putBlob(repository.repository, content);
		},
		putManifest: async (repository: Repository, content: Content, tag?: string) => {
			if (isElsewhere(repository)) source.putManifest(repository, content, tag);
			else await inner.putManifest(repository.repository, content, tag);
		},
		damage: async (...[reference, bytes]: Parameters<WriterUnderTest['damage']>) =>
			source.corrupt(reference, bytes),
	};
}

async function storeDirect(): Promise<WriterUnderTest> {
	const inner = await storeOnDisk();
	const source = new FakeRegistries();
	const halves = storeHalves(inner.store);
	return {
		...putting(inner, source),
		registries: joinRegistries({ reader: source, target: halves.target }, halves),
		removesTags: true,
		stop: () => inner.stop(),
	};
}

/** The tests never ask for parts of both at once. */
function readingElsewhere(source: FakeRegistries, network: RegistryReader): RegistryReader {
	const readerOf = (reference: Repository | undefined) =>
		reference?.registry === elsewhere ? source : network;
	return {
		readManifests: (requests, options) =>
			readerOf(requests[0]?.reference).readManifests(requests, options),
		readConfigs: (requests, options) =>
			readerOf(requests[0]?.reference).readConfigs(requests, options),
		exists: (requests, options) => readerOf(requests[0]?.reference).exists(requests, options),
		readBlob: (request, options) => readerOf(request.reference).readBlob(request, options),
		tags: (repository, options) => network.tags(repository, options),
		referrers: (subject, options) => network.referrers(subject, options),
		repositories: (registry, options) => network.repositories(registry, options),
	};
}

async function dockerDirect(): Promise<WriterUnderTest> {
	const inner = await dockerRegistry();
	const source = new FakeRegistries();
	const network = directReader();
	return {
		...putting(inner, source),
		registries: joinRegistries(
			{ reader: readingElsewhere(source, network), target: network.target },
			undefined,
		),
		removesTags: false,
		stop: async () => {
			await network.close();
			await inner.stop();
		},
	};
}

async function throughProxy(inner: WriterUnderTest): Promise<WriterUnderTest> {
	const server = await serve({ reader: inner.registries, writer: inner.registries });
	const client = new ProxyClient({
		token: () => token,
		origin: `http://127.0.0.1:${server.port}`,
	});
	return {
		...inner,
		registries: new ProxyRegistries(client, hashBytes),
		stop: async () => {
			await server.close();
			await inner.stop();
		},
	};
}

async function cached(inner: WriterUnderTest): Promise<WriterUnderTest> {
	const database = new Database();
	return {
		...inner,
		registries: new CachedReader(inner.registries, cacheOptions(database)),
		stop: async () => {
			await database.clear();
			await inner.stop();
		},
	};
}

describeRegistryWriter('the fake', fake);
describeRegistryWriter('the embedded store, direct', storeDirect);
describeRegistryWriter('the page, over the proxy to the fake', async () =>
	throughProxy(await fake()),
);
describeRegistryWriter(`the page, over the proxy to ${storeRegistry}`, async () =>
	throughProxy(await storeDirect()),
);
describeRegistryWriter('the page’s cache over the fake', async () => cached(await fake()));

if (hasDockerRegistry) {
	describeRegistryWriter('docker-registry, direct', dockerDirect);
} else {
	describe('docker-registry, direct', () => {
		it.skip(skippedWithoutDockerRegistry, () => undefined);
	});
}
