/** One reader over two: the embedded registry by its reserved name, all others over the network. */
import { storeRegistry, type Reference, type Repository } from '../../shared/oci/reference.ts';
import { Confluence } from '../../shared/registry/confluence.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';

async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
	const streams = new Confluence(sources);
	try {
		for (let item = await streams.next(); item !== undefined; item = await streams.next()) {
			yield item;
		}
	} finally {
		streams.stop();
	}
}

function isInStore({ reference }: { readonly reference: Reference }): boolean {
	return reference.registry === storeRegistry;
}

/** Sends each part of a batch to the reader that it is for. */
function split<Q extends { readonly reference: Reference }, R>(
	requests: readonly Q[],
	fromStore: (requests: readonly Q[]) => AsyncIterable<R>,
	fromNetwork: (requests: readonly Q[]) => AsyncIterable<R>,
): AsyncIterable<R> {
	const inStore = requests.filter(isInStore);
	if (inStore.length === 0) return fromNetwork(requests);
	if (inStore.length === requests.length) return fromStore(requests);
	return merge([
		fromStore(inStore),
		fromNetwork(requests.filter((request) => !isInStore(request))),
	]);
}

/** Joins the embedded registry and the network into one port. */
export function readByRegistry(store: RegistryReader, network: RegistryReader): RegistryReader {
	const readerOf = ({ registry }: Pick<Repository, 'registry'>) =>
		registry === storeRegistry ? store : network;
	return {
		readManifests: (requests, options) =>
			split(
				requests,
				(part) => store.readManifests(part, options),
				(part) => network.readManifests(part, options),
			),
		readConfigs: (requests, options) =>
			split(
				requests,
				(part) => store.readConfigs(part, options),
				(part) => network.readConfigs(part, options),
			),
		exists: (requests, options) =>
			split(
				requests,
				(part) => store.exists(part, options),
				(part) => network.exists(part, options),
			),
		readBlob: (request, options) => readerOf(request.reference).readBlob(request, options),
		tags: (repository, options) => readerOf(repository).tags(repository, options),
		referrers: (subject, options) => readerOf(subject).referrers(subject, options),
		repositories: (registry, options) => readerOf({ registry }).repositories(registry, options),
	};
}
