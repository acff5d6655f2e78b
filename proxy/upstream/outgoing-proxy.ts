/** Which requests leave through a proxy of this network, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say (Go's rules). */
import ipaddr from 'ipaddr.js';
import { Secret } from './credentials/secret.ts';
import { endpointOfUrl, isLoopback, portOf, type Endpoint } from './endpoint.ts';

export interface OutgoingProxy {
	readonly endpoint: Endpoint;
	/** the value of Proxy-Authorization */
	readonly authorization?: Secret;
}

/** The proxy on the way to an endpoint; undefined where the way is direct. */
export type ProxyFor = (endpoint: Endpoint) => OutgoingProxy | undefined;

/** Nothing is set: every way is direct. */
export const direct: ProxyFor = () => undefined;

type Variables = Readonly<Record<string, string | undefined>>;

export type ReadProxies =
	| { readonly ok: true; readonly proxyFor: ProxyFor }
	/** `reason` quotes nothing of a value, as a password may be in it */
	| { readonly ok: false; readonly reason: string };

/** Go programs, and so the other registry clients on this machine, look at the upper-case name first. */
function valueOf(variables: Variables, name: string): string {
	return (variables[name] || variables[name.toLowerCase()] || '').trim();
}

function decoded(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

function proxyOf(url: URL): OutgoingProxy {
	const { username, password } = url;
	const login = Buffer.from(`${decoded(username)}:${decoded(password)}`, 'utf8').toString('base64');
	return {
		endpoint: endpointOfUrl(new URL(url.origin)),
		...(username !== '' && { authorization: new Secret(`Basic ${login}`) }),
	};
}

type ReadProxy =
	| { readonly ok: true; readonly proxy: OutgoingProxy | undefined }
	| { readonly ok: false; readonly reason: string };

function readProxy(variables: Variables, name: string): ReadProxy {
	const value = valueOf(variables, name);
	if (value === '') return { ok: true, proxy: undefined };
	const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
	if (!URL.canParse(written)) {
		return { ok: false, reason: `The address of the proxy in ${name} cannot be understood.` };
	}
	const url = new URL(written);
	if (url.protocol !== 'http:' && url.protocol !== 'https:') {
		const reason = `The proxy in ${name} is a “${url.protocol}//” one; Espalier knows “http://” and “https://” proxies.`;
		return { ok: false, reason };
	}
	return { ok: true, proxy: proxyOf(url) };
}

/** One entry of NO_PROXY. */
type Exception = (hostname: string, port: string) => boolean;

/** Compared as addresses: IPv6 has several ways to write one. */
function addressOf(text: string): string | undefined {
	return ipaddr.isValid(text) ? ipaddr.process(text).toString() : undefined;
}

function isWithin(hostname: string, range: string): boolean {
	if (!ipaddr.isValid(hostname)) return false;
	const address = ipaddr.process(hostname);
	const [network, bits] = ipaddr.parseCIDR(range);
	return address.kind() === network.kind() && address.match(network, bits);
}

function hostException(host: string): (hostname: string) => boolean {
	const address = addressOf(host);
	if (address !== undefined) return (hostname) => addressOf(hostname) === address;
	if (host.startsWith('.')) return (hostname) => hostname.endsWith(host);
	return (hostname) => hostname === host || hostname.endsWith(`.${host}`);
}

function exceptionOf(entry: string): Exception {
	if (entry === '*') return () => true;
	if (ipaddr.isValidCIDR(entry)) return (hostname) => isWithin(hostname, entry);
	if (ipaddr.isValid(entry)) return hostException(entry);
	const [, written = entry, wantedPort] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
	const isCovered = hostException(written.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, ''));
	return (hostname, port) =>
		(wantedPort === undefined || wantedPort === port) && isCovered(hostname);
}

function exceptionsOf(list: string): readonly Exception[] {
	const entries = list.toLowerCase().split(/[\s,]+/);
	return entries.filter((entry) => entry !== '').map(exceptionOf);
}

/** Loopback is never left to a proxy: it would be the proxy's own. */
export function readProxies(variables: Variables): ReadProxies {
	const secure = readProxy(variables, 'HTTPS_PROXY');
	if (!secure.ok) return secure;
	const plain = readProxy(variables, 'HTTP_PROXY');
	if (!plain.ok) return plain;
	if (!secure.proxy && !plain.proxy) return { ok: true, proxyFor: direct };
	const exceptions = exceptionsOf(valueOf(variables, 'NO_PROXY'));
	const proxyFor: ProxyFor = (endpoint) => {
		const { hostname, plainHttp } = endpoint;
		if (isLoopback(hostname)) return undefined;
		const port = portOf(endpoint);
		if (exceptions.some((covers) => covers(hostname, port))) return undefined;
		return plainHttp ? plain.proxy : secure.proxy;
	};
	return { ok: true, proxyFor };
}
