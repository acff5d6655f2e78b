/** What a team's server reads from and writes to: the listed registries, and nothing of the host's. */
import type { RegistrySettings } from '../cli/registry-arguments.ts';
import type { Caller, CallerWith } from '../routes/caller.ts';
import type { KeyedLogin } from '../../shared/login/login.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { FindSignatures } from '../../shared/signature/stores.ts';
import { Traffic } from '../transfer/traffic.ts';
import { sharedAdmission } from '../upstream/admission.ts';
import type { CredentialSource } from '../upstream/credentials/credential.ts';
import { TypedCredentials } from '../upstream/credentials/typed-credentials.ts';
import { endpointOf } from '../upstream/endpoint.ts';
import { openNetwork, type Network } from '../upstream/network.ts';
import { officialStoreHosts, openSignatureStores } from '../upstream/signature-store.ts';
import type { ServedRegistries } from '../upstream/served-registries.ts';
import type { UpstreamWatch } from '../upstream/upstream-watch.ts';
import { capabilityFinder } from './capability-finder.ts';
import { joinRegistries, remoteHalves } from './own-registries.ts';

export interface SharedRegistryOptions {
	readonly registries: RegistrySettings;
	readonly served: ServedRegistries;
	/** what the operator named for reading */
	readonly readLogins: CredentialSource;
	readonly watch?: UpstreamWatch;
}

export interface SharedRegistries {
	readonly callerWith: CallerWith;
	/** asks the official stores alone: strangers choose what a payload names */
	readonly findSignatures: FindSignatures;
	close(): Promise<void>;
}

const renewedAfterMs = 60_000;

/**
 * One for all who ask without logins, and now and then a new one: strangers choose the repositories of which a
 * caller remembers something.
 */
function renewed(open: () => Caller, clock: () => number): () => Caller {
	let current = open();
	let until = clock() + renewedAfterMs;
	return () => {
		if (clock() < until) return current;
		current = open();
		until = clock() + renewedAfterMs;
		return current;
	};
}

interface Connections {
	readonly network: Network;
	readonly traffic: Traffic;
}

function openCaller(
	logins: readonly KeyedLogin[],
	{ registries, served, readLogins }: SharedRegistryOptions,
	{ network, traffic }: Connections,
): Caller {
	const credentials = new TypedCredentials(logins, readLogins);
	const entries = logins.map(({ entry }) => entry);
	const admission = sharedAdmission(served, entries);
	const admitted: Network = {
		...network,
		clientFor: (source) => network.clientFor(source, admission),
	};
	const joined = joinRegistries(remoteHalves(admitted, credentials), undefined, traffic);
	return {
		reader: joined,
		writer: joined,
		describeRegistry: async (repository) => {
			const { registry } = repository;
			if (!served.serves(repository)) {
				const reason = served.refusal(repository);
				throw new ProblemError({ code: 'not-served', origin: 'proxy', reason, registry });
			}
			const transport = endpointOf(registry, registries.plainHttp).plainHttp ? 'http' : 'https';
			return { registry, transport, credential: await credentials.describe(repository) };
		},
		findCapabilities: capabilityFinder(admitted, credentials),
	};
}

export function openSharedRegistries(options: SharedRegistryOptions): SharedRegistries {
	const { registries, watch } = options;
	const network = openNetwork({ ...registries, ...(watch && { watch }) });
	const { clock } = network.pace;
	const connections = { network, traffic: new Traffic(clock) };
	const open = (logins: readonly KeyedLogin[]) => openCaller(logins, options, connections);
	const stores = openSignatureStores({ ...registries, onlyHosts: officialStoreHosts });
	const withoutLogins = renewed(() => open([]), clock);
	return {
		callerWith: (logins) => (logins.length === 0 ? withoutLogins() : open(logins)),
		findSignatures: stores.find,
		close: async () => {
			await Promise.all([network.close(), stores.close()]);
		},
	};
}
