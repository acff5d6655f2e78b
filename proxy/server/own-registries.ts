/** The port for this user: with the logins and the embedded registry of the host. */
import { homedir } from 'node:os';
import { storeRegistry } from '../../shared/oci/reference.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type {
	Registries,
	RegistryReader,
	RegistryWriter,
} from '../../shared/registry/registries.ts';
import type { RegistrySettings } from '../cli/registry-arguments.ts';
import type { Store } from '../store/store.ts';
import { StoreReader } from '../store/store-reader.ts';
import { StoreTarget } from '../store/store-target.ts';
import type { Target } from '../transfer/target.ts';
import type { Traffic } from '../transfer/traffic.ts';
import { Transfer } from '../transfer/transfer.ts';
import type { CredentialSource } from '../upstream/credentials/credential.ts';
import { HostCredentials } from '../upstream/credentials/host-credentials.ts';
import { DirectReader } from '../upstream/direct-reader.ts';
import { openNetwork, type Network } from '../upstream/network.ts';
import { capabilityFinder, type FindCapabilities } from './capability-finder.ts';
import { readByRegistry } from './reader-by-registry.ts';

export interface RegistryOptions {
	/** the folder of the embedded registry; by default in the user's data directory */
	readonly store?: string | undefined;
	readonly registries: RegistrySettings;
}

/** Holds connections until it is closed. */
export type OpenRegistries = Registries & {
	readonly findCapabilities: FindCapabilities;
	close(): Promise<void>;
};

/** A place to read from and to write to. */
export interface Halves {
	readonly reader: RegistryReader;
	readonly target: Target;
}

/** The Docker and Podman logins of this user. */
export function ownCredentials(): HostCredentials {
	const { env, platform } = process;
	return new HostCredentials({
		host: { variables: env, homeDirectory: homedir(), platform, uid: process.getuid?.() },
	});
}

export function remoteHalves(network: Network, credentials: CredentialSource): Halves {
	const reader = new DirectReader(network, credentials);
	return { reader, target: reader.target };
}

export function storeHalves(store: Store): Halves {
	return { reader: new StoreReader(store), target: new StoreTarget(store) };
}

function bothHalves(reader: RegistryReader, writer: RegistryWriter): Registries {
	return {
		readManifests: (requests, options) => reader.readManifests(requests, options),
		readConfigs: (requests, options) => reader.readConfigs(requests, options),
		exists: (requests, options) => reader.exists(requests, options),
		readBlob: (request, options) => reader.readBlob(request, options),
		tags: (repository, options) => reader.tags(repository, options),
		referrers: (subject, options) => reader.referrers(subject, options),
		repositories: (registry, options) => reader.repositories(registry, options),
		copyBlobs: (copies, options) => writer.copyBlobs(copies, options),
		putBlobs: (uploads, options) => writer.putBlobs(uploads, options),
		pushManifests: (pushes, options) => writer.pushManifests(pushes, options),
		moveTags: (moves, options) => writer.moveTags(moves, options),
	};
}

function storeIsClosed(): never {
	throw new ProblemError({
		code: 'unsupported',
		origin: 'proxy',
		reason: 'The embedded registry was not opened for this command.',
		registry: storeRegistry,
	});
}

/** One port: the embedded registry by its reserved name, all others over the network. */
export function joinRegistries(
	network: Halves,
	store: Halves | undefined,
	traffic?: Traffic,
): Registries {
	const reader = store ? readByRegistry(store.reader, network.reader) : network.reader;
	const targetOf = (registry: string): Target =>
		registry === storeRegistry ? (store?.target ?? storeIsClosed()) : network.target;
	return bothHalves(reader, new Transfer({ reader, targetOf, ...(traffic && { traffic }) }));
}

/**
 * Opens what leads to these registries, and to whatever their content names.
 * Commands that have nothing to do with the embedded one start faster without it.
 */
export async function openOwnRegistries(
	options: RegistryOptions,
	named: readonly string[],
): Promise<OpenRegistries> {
	const network = openNetwork(options.registries);
	const credentials = ownCredentials();
	const remote = remoteHalves(network, credentials);
	let store: Halves | undefined;
	if (named.includes(storeRegistry)) {
		const { openStore } = await import('./embedded-store.ts');
		store = storeHalves(await openStore(options.store));
	}
	return {
		...joinRegistries(remote, store),
		findCapabilities: capabilityFinder(network, credentials),
		close: () => network.close(),
	};
}
