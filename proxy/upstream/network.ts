/** The way to all registries: one set of connections, tokens and widths for whoever reads and writes. */
import { Agents, type Resolve, type Timeouts } from './agents.ts';
import { isUsable, noCredentials, type CredentialSource } from './credentials/credential.ts';
import { EgressPolicy } from './egress.ts';
import type { TrustedRealm } from './realm.ts';
import { RegistryClient } from './registry-client.ts';
import { realPace, type Pace } from './retry.ts';
import { Roads } from './roads.ts';
import { Tokens } from './tokens.ts';
import type { WidthOptions } from './width.ts';

export interface NetworkOptions {
	/** registries without TLS, as `HOST` (any port) or `HOST:PORT`; loopback ones need not be named */
	readonly plainHttp: readonly string[];
	/** authorities beside the system's, PEM text by `HOST` or `HOST:PORT` */
	readonly authorities: ReadonlyMap<string, string>;
	readonly trustedRealms: readonly TrustedRealm[];
	readonly pace?: Pace;
	readonly resolve?: Resolve;
	readonly timeouts?: Timeouts;
	readonly width?: WidthOptions;
}

export interface Network {
	/** A client that logs in with these. Connections, widths and gates are those of all clients. */
	clientFor(credentials: CredentialSource): RegistryClient;
	readonly pace: Pace;
	/** Ends all connections. */
	close(): Promise<void>;
}

export function openNetwork(options: NetworkOptions): Network {
	const { plainHttp, authorities, trustedRealms, width } = options;
	const { resolve, timeouts, pace = realPace } = options;
	const agents = new Agents({
		authorities,
		...(resolve && { resolve }),
		...(timeouts && { timeouts }),
	});
	const roads = new Roads(width);
	const egressFor = (credentials: CredentialSource): EgressPolicy =>
		new EgressPolicy({
			plainHttp,
			authorities: authorities.keys(),
			trustedRealms,
			hasCredential: async (registry, repository) =>
				isUsable(await credentials.find({ registry, repository })),
		});
	const tokens = new Tokens({
		agents,
		egress: egressFor(noCredentials),
		trustedRealms,
		clock: pace.clock,
	});
	return {
		clientFor: (credentials) =>
			new RegistryClient({
				agents,
				egress: egressFor(credentials),
				plainHttp,
				credentials,
				tokens,
				pace,
				roads,
			}),
		pace,
		close: () => agents.close(),
	};
}
