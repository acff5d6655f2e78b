/** Token servers: where a challenge may send us, and who may see a password there (D13). */
import { ProblemError } from '../../shared/registry/problem.ts';
import { covers, endpointOfUrl, hostnameOf, type RegistryEndpoint } from './endpoint.ts';

export interface TrustedRealm {
	/** as references write it */
	readonly registry: string;
	readonly realmHost: string;
}

/** Registries whose token server is known to have another host name. */
const knownRealms: ReadonlyMap<string, string> = new Map([
	['docker.io', 'auth.docker.io'],
	['registry.gitlab.com', 'gitlab.com'],
	['registry.connect.redhat.com', 'sso.redhat.com'],
	['registry.suse.com', 'scc.suse.com'],
	['registry.digitalocean.com', 'api.digitalocean.com'],
]);

/** Registry families whose members hand out each other's tokens. */
const families = ['gcr.io', 'pkg.dev', 'quay.io', 'ghcr.io'];

function isWithin(hostname: string, domain: string): boolean {
	return hostname === domain || hostname.endsWith(`.${domain}`);
}

function refused({ registry }: RegistryEndpoint, why: string): ProblemError {
	return new ProblemError({
		code: 'redirect-refused',
		origin: 'token-server',
		reason: `${registry} wants tokens from ${why}, so it was not asked.`,
		registry,
	});
}

/**
 * The realm of a challenge as a URL; relative ones are of the registry itself.
 * @throws ProblemError `redirect-refused` for one without TLS where the registry has it, and for anything but a web address
 */
export function realmUrl(endpoint: RegistryEndpoint, realm: string): URL {
	if (!URL.canParse(realm, endpoint.origin)) throw refused(endpoint, 'nowhere');
	const url = new URL(realm, endpoint.origin);
	if (url.protocol !== 'https:' && url.protocol !== 'http:') {
		throw refused(endpoint, `a ${url.protocol} address`);
	}
	if (url.protocol === 'http:' && !endpoint.plainHttp) {
		throw refused(endpoint, `${url.host} without TLS`);
	}
	if (url.username !== '' || url.password !== '') {
		throw refused(endpoint, 'an address with a user name in it');
	}
	url.hash = '';
	return url;
}

/** True where a password or identity token for the registry may be sent to the realm. */
export function mayHaveCredentials(
	endpoint: RegistryEndpoint,
	realm: URL,
	trusted: readonly TrustedRealm[],
): boolean {
	const host = hostnameOf(realm);
	if (host === endpoint.hostname) return true;
	const target = endpointOfUrl(realm);
	const isTrusted = trusted.some(
		({ registry, realmHost }) => registry === endpoint.registry && covers(realmHost, target),
	);
	if (isTrusted) return true;
	if (realm.protocol !== 'https:') return false;
	return (
		knownRealms.get(endpoint.registry) === host ||
		families.some((domain) => isWithin(endpoint.hostname, domain) && isWithin(host, domain))
	);
}
