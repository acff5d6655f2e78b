/** Which addresses a request may go to, decided in one place (D11). */
import { ProblemError, type Problem } from '../../shared/registry/problem.ts';
import { classifyAddress, type AddressClass } from './address.ts';
import { covers, endpointOf, type Endpoint, type RegistryEndpoint } from './endpoint.ts';

/**
 * `named`: the user said so, and it may be anywhere but where no registry can be.
 * `derived`: content, a redirect or a token realm said so, and it must be on the public internet.
 */
export type Reach = 'named' | 'derived';

const never: ReadonlySet<AddressClass> = new Set([
	'link-local',
	'metadata',
	'unspecified',
	'multicast',
	'not-an-address',
]);

const described: Readonly<Record<AddressClass, string>> = {
	public: 'a public address',
	private: 'a private address',
	loopback: 'an address of this computer',
	'carrier-grade-nat': 'an address inside a provider’s network',
	'link-local': 'a link-local address, where clouds keep their metadata',
	metadata: 'the address of a cloud’s metadata service',
	unspecified: 'an unspecified address',
	multicast: 'a multicast address',
	reserved: 'a reserved address',
	'not-an-address': 'not an address',
};

/** Why that address may not be contacted, or undefined where it may. */
export function egressRefusal(host: string, address: string, reach: Reach): Problem | undefined {
	const kind = classifyAddress(address);
	const named = host.includes(':') ? `[${host}]` : host;
	const where = host === address ? `${named} is` : `${named} leads to ${address},`;
	if (never.has(kind)) {
		return {
			code: 'egress-blocked',
			origin: 'proxy',
			reason: `${where} ${described[kind]}. Espalier never connects there.`,
			registry: host,
			isForbidden: true,
		};
	}
	if (reach === 'named' || kind === 'public') return undefined;
	return {
		code: 'egress-blocked',
		origin: 'proxy',
		reason: `${where} ${described[kind]}, and it was named by what a registry sent, not by you.`,
		registry: host,
	};
}

/** @throws ProblemError `egress-blocked` where the host is an address that may not be contacted */
export function checkLiteral(hostname: string, reach: Reach): void {
	if (classifyAddress(hostname) === 'not-an-address') return;
	const refusal = egressRefusal(hostname, hostname, reach);
	if (refusal) throw new ProblemError(refusal);
}

/** True for an address that may be contacted whoever named it, or never: nothing about its namer matters. */
function isDecided(hostname: string): boolean {
	if (classifyAddress(hostname) === 'not-an-address') return false;
	const refusedTo = (reach: Reach) => egressRefusal(hostname, hostname, reach) !== undefined;
	return refusedTo('named') || !refusedTo('derived');
}

export interface EgressOptions {
	readonly plainHttp: readonly string[];
	/** the hosts named in `--ca` */
	readonly authorities: Iterable<string>;
	/** the hosts named in `--client-cert` */
	readonly clientCertificates?: Iterable<string> | undefined;
	/** the realm hosts named in `--trust-realm` */
	readonly trustedRealms: readonly { readonly realmHost: string }[];
	/** True where the user keeps a credential for that registry. */
	readonly hasCredential: (registry: string, repository: string) => Promise<boolean>;
}

export class EgressPolicy {
	readonly #options: EgressOptions;
	readonly #approved: readonly string[];
	/** A certificate kept for a registry is like a credential: it says nothing of where redirects may lead. */
	readonly #identified: readonly string[];

	constructor(options: EgressOptions) {
		this.#options = options;
		this.#identified = [...(options.clientCertificates ?? [])];
		this.#approved = [
			...options.plainHttp,
			...options.authorities,
			...options.trustedRealms.map(({ realmHost }) => realmHost),
		];
	}

	/** Naming a host in `--plain-http`, `--ca` or `--trust-realm` approves it wherever it is. */
	isApproved(endpoint: Endpoint): boolean {
		return this.#approved.some((listed) => covers(listed, endpoint));
	}

	/** How far a registry may be that `namedBy`'s content named; without `namedBy` the user did. */
	async reachOf(
		endpoint: RegistryEndpoint,
		repository: string,
		namedBy: string | undefined,
	): Promise<Reach> {
		if (namedBy === undefined || namedBy === endpoint.registry) return 'named';
		const namer = endpointOf(namedBy, this.#options.plainHttp);
		if (namer.hostname === endpoint.hostname || this.isApproved(endpoint)) return 'named';
		if (this.#identified.some((listed) => covers(listed, endpoint))) return 'named';
		// Looking for a credential may start a helper, so content must not cause it for nothing.
		if (isDecided(endpoint.hostname)) return 'derived';
		return (await this.#options.hasCredential(endpoint.registry, repository)) ? 'named' : 'derived';
	}

	/** How far a realm or redirect target may be: on the registry's own host, or approved, else public. */
	reachOfDerived(from: Endpoint, reach: Reach, target: Endpoint): Reach {
		if (target.hostname === from.hostname) return reach;
		return this.isApproved(target) ? 'named' : 'derived';
	}
}
