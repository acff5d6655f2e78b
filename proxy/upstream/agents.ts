/** Connections: one pool for each origin and reach, to addresses that were checked just before (D11, D16). */
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { buildConnector, Pool, type Dispatcher } from 'undici';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { Authorities, type ClientCertificate } from './authorities.ts';
import { checkLiteral, egressRefusal, type Reach } from './egress.ts';
import type { Endpoint } from './endpoint.ts';
import type { UploadPatience } from './body-sender.ts';
import { direct, type OutgoingProxy, type ProxyFor } from './outgoing-proxy.ts';
import { keepingAlerts } from './tls-alerts.ts';
import { tunnelTo } from './tunnel.ts';

export interface ResolvedAddress {
	readonly address: string;
	readonly family: number;
}

/** All addresses of a host name, in the order in which to try them. */
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export interface Timeouts {
	readonly connectMs: number;
	/** until the answer begins */
	readonly headersMs: number;
	/** between two parts of an answer */
	readonly bodyMs: number;
	/** until the whole of an answer that is kept in memory has come, or the beginning of one that is not */
	readonly answerMs?: number;
	/** until a registry takes the next part of an upload */
	readonly uploadStallMs?: number;
	/** until the answer begins to an upload that was taken whole; large ones get more */
	readonly uploadAnswerMs?: number;
}

export interface AgentsOptions {
	/** PEM text by `HOST` or `HOST:PORT` */
	readonly authorities?: ReadonlyMap<string, string>;
	/** by `HOST` or `HOST:PORT` */
	readonly clientCertificates?: ReadonlyMap<string, ClientCertificate> | undefined;
	/** the proxies of this network; none where it is left out */
	readonly proxyFor?: ProxyFor | undefined;
	readonly resolve?: Resolve;
	readonly timeouts?: Timeouts;
}

const usualTimeouts: Timeouts = { connectMs: 10_000, headersMs: 30_000, bodyMs: 30_000 };
/** The widest metadata width, and as many bodies beside it. */
const connectionsPerOrigin = 128;
const mostPools = 256;

const resolveWithSystem: Resolve = (hostname) =>
	systemLookup(hostname, { all: true, verbatim: true });

/** A lookup that gives out only addresses that may be contacted; one bad address refuses the whole name. */
function checkedLookup(resolve: Resolve, reach: Reach): LookupFunction {
	return (hostname, options, callback) => {
		resolve(hostname).then(
			(addresses) => {
				const refusal = addresses
					.map(({ address }) => egressRefusal(hostname, address, reach))
					.find((problem) => problem !== undefined);
				const [first] = addresses;
				if (refusal) {
					callback(new ProblemError(refusal), '', 0);
					return;
				}
				if (!first) {
					callback(Object.assign(new Error(), { code: 'ENOTFOUND' }), '', 0);
					return;
				}
				if (options.all) {
					callback(null, [...addresses]);
					return;
				}
				callback(null, first.address, first.family);
			},
			(error: unknown) => callback(error instanceof Error ? error : new Error(), '', 0),
		);
	};
}

export class Agents {
	readonly #authorities: Authorities;
	readonly #resolve: Resolve;
	readonly #timeouts: Timeouts;
	readonly #proxyFor: ProxyFor;
	readonly #pools = new Map<string, Pool>();
	/** Connections to the proxies themselves. */
	readonly #proxyPools = new Map<string, Pool>();

	constructor(options: AgentsOptions = {}) {
		const { authorities: extra, clientCertificates, proxyFor = direct } = options;
		this.#authorities = new Authorities({ extra, clientCertificates });
		this.#proxyFor = proxyFor;
		this.#resolve = options.resolve ?? resolveWithSystem;
		this.#timeouts = options.timeouts ?? usualTimeouts;
	}

	/** The deadline of one answer. */
	get answerMs(): number {
		return this.#timeouts.answerMs ?? limits.answerMs;
	}

	/** The deadlines of one upload. */
	get uploadPatience(): UploadPatience {
		const { uploadStallMs = 60_000, uploadAnswerMs = 60_000 } = this.#timeouts;
		return { stallMs: uploadStallMs, answerMs: uploadAnswerMs };
	}

	/**
	 * The pool for an origin. A pool that may go to private addresses is never used by a request that may not, and
	 * one that shows a client certificate by none that `from`, another host, sent there.
	 * @throws ProblemError `egress-blocked` where the host is an address that may not be contacted
	 */
	to(endpoint: Endpoint, reach: Reach, from: Endpoint = endpoint): Dispatcher {
		const isSent = from.hostname !== endpoint.hostname;
		const key = `${reach} ${isSent} ${endpoint.origin}`;
		const known = this.#pools.get(key);
		if (known) return known;
		checkLiteral(endpoint.hostname, reach);
		const pool = this.#open(endpoint, this.#connectTo(endpoint, reach, isSent));
		this.#pools.set(key, pool);
		this.#closeOldest();
		return pool;
	}

	/** Ends all connections, also those in use. */
	async close(): Promise<void> {
		const pools = [...this.#pools.values(), ...this.#proxyPools.values()];
		this.#pools.clear();
		this.#proxyPools.clear();
		await Promise.all(pools.map((pool) => pool.destroy()));
	}

	#open(endpoint: Endpoint, connect: buildConnector.BuildOptions): Pool {
		const { headersMs, bodyMs } = this.#timeouts;
		const proxy = this.#proxyFor(endpoint);
		return new Pool(endpoint.origin, {
			connections: connectionsPerOrigin,
			pipelining: 1,
			allowH2: false,
			keepAliveTimeout: 30_000,
			headersTimeout: headersMs,
			bodyTimeout: bodyMs,
			connect: keepingAlerts(
				proxy ? this.#through(proxy, endpoint, connect) : buildConnector(connect),
			),
		});
	}

	#connectTo(endpoint: Endpoint, reach: Reach, isAnonymous: boolean): buildConnector.BuildOptions {
		const secureContext = endpoint.plainHttp
			? undefined
			: this.#authorities.contextFor(endpoint, isAnonymous);
		return {
			timeout: this.#timeouts.connectMs,
			lookup: checkedLookup(this.#resolve, reach),
			// Said aloud: an environment variable could otherwise switch verification off.
			rejectUnauthorized: true,
			...(secureContext && { secureContext }),
		};
	}

	/**
	 * The proxy looks names up itself, so that what a name leads to is for it to check (D11); addresses that are
	 * written out were checked before.
	 */
	#through(
		proxy: OutgoingProxy,
		endpoint: Endpoint,
		tls: buildConnector.BuildOptions,
	): buildConnector.connector {
		const { connectMs: timeoutMs } = this.#timeouts;
		return tunnelTo(endpoint, { proxy, pool: this.#poolOf(proxy), tls, timeoutMs });
	}

	#poolOf({ endpoint }: OutgoingProxy): Pool {
		const known = this.#proxyPools.get(endpoint.origin);
		if (known) return known;
		checkLiteral(endpoint.hostname, 'named');
		const pool = new Pool(endpoint.origin, {
			allowH2: false,
			connect: this.#connectTo(endpoint, 'named', false),
		});
		this.#proxyPools.set(endpoint.origin, pool);
		return pool;
	}

	/** Content can name any number of hosts; pools beyond the limit finish their requests and go. */
	#closeOldest(): void {
		const [oldest] = this.#pools;
		if (this.#pools.size <= mostPools || !oldest) return;
		this.#pools.delete(oldest[0]);
		void oldest[1].close();
	}
}
