/** How this process serves: who may ask, decided in one place and handed to the app (D1–D5). */
import type { AddressRange } from './client-address.ts';
import { ClientLimits } from './client-limits.ts';
import { loopbackHosts } from './host.ts';
import { loopbackOrigins } from './origin.ts';

interface Addressed {
	/** what Host may say */
	readonly hosts: ReadonlySet<string>;
	/** from where pages may use the API */
	readonly origins: ReadonlySet<string>;
}

/** On this computer alone, for whoever has the token. */
export interface LocalServing extends Addressed {
	readonly mode: 'local';
	readonly port: number;
	readonly token: string;
	/** whose pages may use the API with the token, though they come from elsewhere: static hosts */
	readonly allowedOrigins: ReadonlySet<string>;
}

/** At a team's URL, for everybody who gets there: without a token, as nothing of the host's can be reached. */
export interface SharedServing extends Addressed {
	readonly mode: 'shared';
	/** what is read and written, as the operator listed it */
	readonly registries: readonly string[];
	/** whose word counts on whom they were asked by */
	readonly trustedProxies: readonly AddressRange[];
	readonly limits: ClientLimits;
	/** true from the moment on at which the process is to end */
	readonly isStopping: () => boolean;
}

export type Serving = LocalServing | SharedServing;

export interface LocalSettings {
	/** the port that is listened on */
	readonly port: number;
	readonly token: string;
	/** origins beside the server's own, for development */
	readonly moreOrigins?: readonly string[];
	/** of pages on static hosts */
	readonly allowedOrigins?: readonly string[];
}

export function localServing(settings: LocalSettings): LocalServing {
	const { port, token, moreOrigins, allowedOrigins } = settings;
	const hosts = loopbackHosts(port);
	const origins = loopbackOrigins(port, moreOrigins);
	return { mode: 'local', hosts, origins, port, token, allowedOrigins: new Set(allowedOrigins) };
}

export interface SharedSettings {
	/** where people open it: an origin, and nothing more */
	readonly publicUrl: URL;
	readonly registries: readonly string[];
	readonly trustedProxies?: readonly AddressRange[];
	readonly limits?: ClientLimits;
	readonly isStopping?: () => boolean;
}

/** The host alone, and with the port that its scheme goes without: some proxies in front write that. */
function hostsOf({ host, port, protocol }: URL): ReadonlySet<string> {
	return new Set(port === '' ? [host, `${host}:${protocol === 'https:' ? 443 : 80}`] : [host]);
}

export function sharedServing(settings: SharedSettings): SharedServing {
	const { publicUrl, registries, trustedProxies = [], limits = new ClientLimits() } = settings;
	const hosts = hostsOf(publicUrl);
	const origins = new Set([publicUrl.origin]);
	const { isStopping = () => false } = settings;
	return { mode: 'shared', hosts, origins, registries, trustedProxies, limits, isStopping };
}
