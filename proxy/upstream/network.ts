/** The way to all registries: one set of connections, tokens and widths for whoever reads and writes. */
import { Agents, type Resolve, type Timeouts } from './agents.ts';
import type { Admission } from './admission.ts';
import type { ClientCertificate } from './authorities.ts';
import { isUsable, noCredentials, type CredentialSource } from './credentials/credential.ts';
import { EgressPolicy } from './egress.ts';
import type { ProxyFor } from './outgoing-proxy.ts';
import type { TrustedRealm } from './realm.ts';
import { RegistryClient } from './registry-client.ts';
import { realPace, type Pace } from './retry.ts';
import { Roads } from './roads.ts';
import { Tokens } from './tokens.ts';
import { UploadWays } from './upload-ways.ts';
import type { UpstreamWatch } from './upstream-watch.ts';
import type { WidthOptions } from './width.ts';

export interface NetworkOptions {
	/** registries without TLS, as `HOST` (any port) or `HOST:PORT`; loopback ones need not be named */
	readonly plainHttp: readonly string[];
	/** authorities beside the system's, PEM text by `HOST` or `HOST:PORT` */
	readonly authorities: ReadonlyMap<string, string>;
	/** what Espalier shows of itself, by `HOST` or `HOST:PORT` */
	readonly clientCertificates?: ReadonlyMap<string, ClientCertificate>;
	/** the proxies of this network */
	readonly proxyFor?: ProxyFor;
	readonly trustedRealms: readonly TrustedRealm[];
	readonly pace?: Pace;
	readonly resolve?: Resolve;
	readonly timeouts?: Timeouts;
	readonly width?: WidthOptions;
	readonly watch?: UpstreamWatch;
}

export interface Network {
	/**
	 * A client that logs in with these. Connections, widths and gates are those of all clients.
	 * @param admission what it may ask for; everything where it is left out
	 */
	clientFor(credentials: CredentialSource, admission?: Admission): RegistryClient;
	readonly pace: Pace;
	/** how each registry wants its blobs, whoever sends them */
	readonly ways: UploadWays;
	/** Ends all connections. */
	close(): Promise<void>;
}

function egressOf(
	{ plainHttp, authorities, clientCertificates, trustedRealms }: NetworkOptions,
	credentials: CredentialSource,
	admission?: Admission,
): EgressPolicy {
	return new EgressPolicy({
		plainHttp,
		authorities: authorities.keys(),
		clientCertificates: clientCertificates?.keys(),
		trustedRealms,
		// What is admitted was named by the operator, wherever it is.
		hasCredential: async (registry, repository) =>
			admission !== undefined || isUsable(await credentials.find({ registry, repository })),
	});
}

export function openNetwork(options: NetworkOptions): Network {
	const { plainHttp, authorities, trustedRealms, width, watch } = options;
	const { clientCertificates, proxyFor, resolve, timeouts, pace = realPace } = options;
	const agents = new Agents({
		authorities,
		clientCertificates,
		proxyFor,
		...(resolve && { resolve }),
		...(timeouts && { timeouts }),
	});
	const roads = new Roads(width);
	const tokens = new Tokens({
		agents,
		egress: egressOf(options, noCredentials),
		trustedRealms,
		clock: pace.clock,
	});
	return {
		clientFor: (credentials, admission) =>
			new RegistryClient({
				agents,
				egress: egressOf(options, credentials, admission),
				admission,
				watch,
				plainHttp,
				credentials,
				tokens,
				pace,
				roads,
			}),
		pace,
		ways: new UploadWays(),
		close: () => agents.close(),
	};
}
