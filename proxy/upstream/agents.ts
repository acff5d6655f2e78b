/** Connections: one pool for each origin and reach, to addresses that were checked just before (D11, D16). */
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { Pool, type Dispatcher } from 'undici';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { Authorities } from './authorities.ts';
import { checkLiteral, egressRefusal, type Reach } from './egress.ts';
import type { Endpoint } from './endpoint.ts';
import type { UploadPatience } from './body-sender.ts';

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
	readonly #pools = new Map<string, Pool>();

	constructor(options: AgentsOptions = {}) {
		this.#authorities = new Authorities(options.authorities ?? new Map());
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
	 * The pool for an origin. A pool that may go to private addresses is never used by a request that may not.
	 * @throws ProblemError `egress-blocked` where the host is an address that may not be contacted
	 */
	to(endpoint: Endpoint, reach: Reach): Dispatcher {
		const key = `${reach} ${endpoint.origin}`;
		const known = this.#pools.get(key);
		if (known) return known;
		checkLiteral(endpoint.hostname, reach);
		const pool = this.#open(endpoint, reach);
		this.#pools.set(key, pool);
		this.#closeOldest();
		return pool;
	}

	/** Ends all connections, also those in use. */
	async close(): Promise<void> {
		const pools = [...this.#pools.values()];
		this.#pools.clear();
		await Promise.all(pools.map((pool) => pool.destroy()));
	}

	#open({ origin, host, hostname, plainHttp }: Endpoint, reach: Reach): Pool {
		const { connectMs, headersMs, bodyMs } = this.#timeouts;
		return new Pool(origin, {
			connections: connectionsPerOrigin,
			pipelining: 1,
			allowH2: false,
			keepAliveTimeout: 30_000,
			headersTimeout: headersMs,
			bodyTimeout: bodyMs,
			connect: {
				timeout: connectMs,
				lookup: checkedLookup(this.#resolve, reach),
				// Said aloud: an environment variable could otherwise switch verification off.
				rejectUnauthorized: true,
				...(!plainHttp && { secureContext: this.#authorities.contextFor(host, hostname) }),
			},
		});
	}

	/** Content can name any number of hosts; pools beyond the limit finish their requests and go. */
	#closeOldest(): void {
		const [oldest] = this.#pools;
		if (this.#pools.size <= mostPools || !oldest) return;
		this.#pools.delete(oldest[0]);
		void oldest[1].close();
	}
}
