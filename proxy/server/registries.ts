/** What a server reads from and writes to: the registries of the world, and the embedded one. */
import type { Hono } from 'hono';
import { storeRegistry } from '../../shared/oci/reference.ts';
import type { FindSignatures } from '../../shared/signature/stores.ts';
import type { RegistrySettings } from '../cli/registry-arguments.ts';
import type { Caller, CallerWith, DescribeRegistry } from '../routes/caller.ts';
import { demoReference } from '../demo/demo-release.ts';
import { createStoreRoutes } from '../store/routes.ts';
import { Traffic } from '../transfer/traffic.ts';
import type { CredentialSource } from '../upstream/credentials/credential.ts';
import { TypedCredentials } from '../upstream/credentials/typed-credentials.ts';
import { endpointOf } from '../upstream/endpoint.ts';
import { openNetwork } from '../upstream/network.ts';
import { openSignatureStores } from '../upstream/signature-store.ts';
import { capabilityFinder } from './capability-finder.ts';
import { openStore } from './embedded-store.ts';
import {
	joinRegistries,
	remoteHalves,
	ownCredentials,
	storeHalves,
	type RegistryOptions,
} from './own-registries.ts';

export interface OpenedRegistries {
	readonly callerWith: CallerWith;
	readonly findSignatures: FindSignatures;
	/** the embedded registry's own protocol, to be mounted on `/v2` */
	readonly store: Hono;
	/** the reference of a release that is there to look at */
	readonly demo?: string;
	close(): Promise<void>;
}

function describeBy(
	{ plainHttp }: RegistrySettings,
	credentials: CredentialSource,
): DescribeRegistry {
	return async (repository) => {
		const { registry } = repository;
		if (registry === storeRegistry) {
			return { registry, transport: 'store', credential: { registry, kind: 'none' } };
		}
		const transport = endpointOf(registry, plainHttp).plainHttp ? 'http' : 'https';
		return { registry, transport, credential: await credentials.describe(repository) };
	};
}

/**
 * Opens the embedded registry, and what leads to all others.
 * @param token with which registry clients may write to the embedded one
 */
export async function openRegistries(
	options: RegistryOptions,
	token: string,
): Promise<OpenedRegistries> {
	const { registries } = options;
	const store = await openStore(options.store);
	const network = openNetwork(registries);
	const embedded = storeHalves(store);
	const traffic = new Traffic(network.pace.clock);
	const callerBy = (credentials: CredentialSource): Caller => {
		const joined = joinRegistries(remoteHalves(network, credentials), embedded, traffic);
		return {
			reader: joined,
			writer: joined,
			describeRegistry: describeBy(registries, credentials),
			findCapabilities: capabilityFinder(network, credentials),
		};
	};
	const own = ownCredentials();
	const signatureStores = openSignatureStores(registries);
	const ownCaller = callerBy(own);
	return {
		callerWith: (logins) =>
			logins.length === 0 ? ownCaller : callerBy(new TypedCredentials(logins, own)),
		store: createStoreRoutes(store, { token }),
		demo: demoReference,
		findSignatures: signatureStores.find,
		close: async () => {
			await Promise.all([network.close(), signatureStores.close()]);
		},
	};
}
