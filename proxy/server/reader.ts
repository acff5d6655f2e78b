/** Readers for this user: with the logins and the embedded registry of the host. */
import { homedir } from 'node:os';
import { storeRegistry } from '../../shared/oci/reference.ts';
import type { RegistryReader } from '../../shared/registry/registries.ts';
import type { RegistrySettings } from '../cli/registry-arguments.ts';
import { HostCredentials } from '../upstream/credentials/host-credentials.ts';
import { DirectReader } from '../upstream/direct-reader.ts';
import { readByRegistry } from './reader-by-registry.ts';

export interface ReaderOptions {
	/** the folder of the embedded registry; by default in the user's data directory */
	readonly store?: string | undefined;
	readonly registries: RegistrySettings;
}

/** A reader that holds connections until it is closed. */
export type OpenReader = RegistryReader & { close(): Promise<void> };

/** The Docker and Podman logins of this user. */
export function ownCredentials(): HostCredentials {
	const { env, platform } = process;
	return new HostCredentials({
		host: { variables: env, homeDirectory: homedir(), platform, uid: process.getuid?.() },
	});
}

/** A reader for references of this one registry, and whatever their content leads to. */
export async function openReader(options: ReaderOptions, registry: string): Promise<OpenReader> {
	const network = new DirectReader({ ...options.registries, credentials: ownCredentials() });
	if (registry !== storeRegistry) return network;
	// Commands that have nothing to do with it start faster without it.
	const { openStore, StoreReader } = await import('./embedded-store.ts');
	const store = new StoreReader(await openStore(options.store));
	return Object.assign(readByRegistry(store, network), { close: () => network.close() });
}
