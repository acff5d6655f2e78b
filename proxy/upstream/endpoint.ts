/** Where a registry is reached: its origin, and whether in the clear. */
import { storeRegistry } from '../../shared/oci/reference.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { classifyAddress } from './address.ts';

/** A place that answers HTTP. */
export interface Endpoint {
	/** scheme, host and port, as `URL.origin` prints them */
	readonly origin: string;
	/** lower case, without port and without the brackets of IPv6 */
	readonly hostname: string;
	/** with the port where one was given */
	readonly host: string;
	readonly plainHttp: boolean;
}

/** A registry, and where it is. */
export interface RegistryEndpoint extends Endpoint {
	/** as references write it */
	readonly registry: string;
}

const apiHosts: ReadonlyMap<string, string> = new Map([
	['docker.io', 'registry-1.docker.io'],
	['index.docker.io', 'registry-1.docker.io'],
]);

/** The host name of a URL without the brackets of IPv6. */
export function hostnameOf(url: URL): string {
	return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

export function endpointOfUrl(url: URL): Endpoint {
	return {
		origin: url.origin,
		hostname: hostnameOf(url),
		host: url.host,
		plainHttp: url.protocol === 'http:',
	};
}

/** The port as digits, also where it is the scheme's own and so left out of `host`. */
export function portOf({ origin, plainHttp }: Endpoint): string {
	return new URL(origin).port || (plainHttp ? '80' : '443');
}

/** True where `listed` (`HOST` for any port, or `HOST:PORT`) covers that endpoint. */
export function covers(listed: string, endpoint: Endpoint): boolean {
	const [, name = '', port] = /^(\[.*\]|[^:]*)(?::(\d+))?$/.exec(listed.toLowerCase()) ?? [];
	if (name.replace(/^\[|\]$/g, '') !== endpoint.hostname) return false;
	return port === undefined || port === portOf(endpoint);
}

/** What is listed for an endpoint: by `HOST:PORT`, else by `HOST`. */
export function listedFor<T>(listed: ReadonlyMap<string, T>, endpoint: Endpoint): T | undefined {
	const covering = [...listed].filter(([name]) => covers(name, endpoint));
	const exact = covering.find(([name]) => /:\d+$/.test(name));
	return (exact ?? covering[0])?.[1];
}

/** True for names and addresses of this computer itself. */
export function isLoopback(hostname: string): boolean {
	return hostname === 'localhost' || classifyAddress(hostname) === 'loopback';
}

/**
 * Loopback registries and those listed in `plainHttp` are reached over HTTP, all others over HTTPS.
 * Numbers that mean an address (`2130706433`) come out as that address.
 * @throws TypeError for text that is no host; `isRegistry` was asked before
 */
export function endpointOf(registry: string, plainHttp: readonly string[]): RegistryEndpoint {
	const written = apiHosts.get(registry) ?? registry;
	const secure = endpointOfUrl(new URL(`https://${written}`));
	const listed = plainHttp.some((entry) => covers(entry, secure) || entry === registry);
	if (!listed && !isLoopback(secure.hostname)) return { registry, ...secure };
	return { registry, ...endpointOfUrl(new URL(`http://${written}`)) };
}

/** @throws ProblemError `unsupported` for the embedded registry, which is not reached over the network */
export function refuseStore(registry: string): void {
	if (registry !== storeRegistry) return;
	throw new ProblemError({
		code: 'unsupported',
		origin: 'proxy',
		reason: 'The embedded registry is not reached over the network.',
		registry,
	});
}
