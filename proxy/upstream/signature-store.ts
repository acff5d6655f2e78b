/** Fetches release signatures from their stores: plain files, without login, from hosts that mostly content named (D11). */
import { signatureLimits } from '../../shared/signature/limits.ts';
import {
	readStore,
	signatureUrl,
	type FindSignatures,
	type SignatureQuery,
	type SignatureStore,
	type StoreAnswer,
} from '../../shared/signature/stores.ts';
import { ProblemError, type Problem } from '../../shared/registry/problem.ts';
import { Agents, type AgentsOptions } from './agents.ts';
import { EgressPolicy, type Reach } from './egress.ts';
import { endpointOfUrl, type Endpoint } from './endpoint.ts';
import { abortReason, collect, type Answer } from './exchange.ts';
import { transportProblem } from './failures.ts';
import { followRedirects, type Hop } from './redirects.ts';
import { backoffMs, isPassingProblem, isPassingStatus, realPace, type Pace } from './retry.ts';
import type { TrustedRealm } from './realm.ts';

export interface SignatureStoresOptions extends AgentsOptions {
	/** hosts named in these may be anywhere, whoever names them again */
	readonly plainHttp: readonly string[];
	readonly authorities: ReadonlyMap<string, string>;
	readonly trustedRealms: readonly TrustedRealm[];
	readonly pace?: Pace;
	/** Where others than its own user can ask: the only hosts that are. Redirects lead to public addresses anyway. */
	readonly onlyHosts?: readonly string[] | undefined;
}

/** Holds connections until it is closed. */
export interface SignatureStores {
	readonly find: FindSignatures;
	close(): Promise<void>;
}

/** Where OpenShift's own signatures are. */
export const officialStoreHosts = ['mirror.openshift.com', 'storage.googleapis.com'] as const;

const attempts = 3;

function refusedStore(reason: string, registry?: string): ProblemError {
	const code = 'egress-blocked';
	return new ProblemError({ code, origin: 'proxy', reason, ...(registry && { registry }) });
}

function unexpected(url: URL, status: number): Problem {
	const reason = `The signature store at ${url.host} answered with ${status}, neither a signature nor that it has none.`;
	return { code: 'registry-failure', origin: 'registry', reason, registry: url.host, status };
}

/** What a connection met is said of registries there, and of the store here. */
function storeProblem(error: unknown, url: URL): Problem {
	const { reference: _, ...problem } = transportProblem(error, endpointOfUrl(url), url.host);
	return problem;
}

interface Place {
	readonly endpoint: Endpoint;
	readonly reach: Reach;
	/** who sent us there; never shown a client certificate that is for its own host */
	readonly from: Endpoint;
}

class StoreClient {
	readonly #options: SignatureStoresOptions;
	readonly #agents: Agents;
	readonly #egress: EgressPolicy;
	readonly #pace: Pace;

	constructor(options: SignatureStoresOptions) {
		const { plainHttp, authorities, trustedRealms, pace = realPace } = options;
		this.#options = options;
		this.#pace = pace;
		this.#agents = new Agents(options);
		this.#egress = new EgressPolicy({
			plainHttp,
			authorities: authorities.keys(),
			trustedRealms,
			hasCredential: () => Promise.resolve(false),
		});
	}

	close(): Promise<void> {
		return this.#agents.close();
	}

	/** Throws only when it is aborted. */
	async look(
		store: SignatureStore,
		digest: SignatureQuery['digest'],
		signal: AbortSignal | undefined,
	): Promise<StoreAnswer> {
		const signatures: Uint8Array[] = [];
		try {
			const { base, place } = this.#placeOf(store);
			for (let number = 1; number <= signatureLimits.signatures; number += 1) {
				const bytes = await this.#read(signatureUrl(base, digest, number), place, signal);
				if (!bytes) break;
				signatures.push(bytes);
			}
			return { store: store.url, signatures };
		} catch (error) {
			if (signal?.aborted) throw abortReason(signal);
			if (!(error instanceof ProblemError)) throw error;
			return { store: store.url, signatures, problem: error.problem };
		}
	}

	/** @throws ProblemError where this store may not be asked */
	#placeOf(store: SignatureStore): { readonly base: URL; readonly place: Place } {
		const read = readStore(store);
		if (!read.ok) throw refusedStore(read.reason);
		const { onlyHosts } = this.#options;
		if (onlyHosts && !onlyHosts.includes(read.url.host)) {
			const reason = `This server does not ask ${read.url.host} for signatures.`;
			throw refusedStore(reason, read.url.host);
		}
		const endpoint = endpointOfUrl(read.url);
		const isNamed = store.namedBy === 'user' || this.#egress.isApproved(endpoint);
		const from = store.namedBy === 'user' ? endpoint : { ...endpoint, hostname: '' };
		return { base: read.url, place: { endpoint, reach: isNamed ? 'named' : 'derived', from } };
	}

	/** Undefined where the store says that there is none. @throws ProblemError for all else */
	async #read(
		url: URL,
		place: Place,
		signal: AbortSignal | undefined,
	): Promise<Uint8Array | undefined> {
		for (let attempt = 1; ; attempt += 1) {
			const outcome = await this.#get(url, place, signal);
			const isLast = attempt === attempts;
			if (outcome instanceof ProblemError) {
				if (isLast || !isPassingProblem(outcome.problem.code)) throw outcome;
			} else {
				if (outcome.status === 200) return outcome.bytes;
				if (outcome.status === 404) return undefined;
				if (isLast || !isPassingStatus(outcome.status)) {
					throw new ProblemError(unexpected(url, outcome.status));
				}
			}
			await this.#pace.wait(backoffMs(attempt, this.#pace.random), signal);
		}
	}

	async #get(
		url: URL,
		{ endpoint, reach, from }: Place,
		signal: AbortSignal | undefined,
	): Promise<Answer | ProblemError> {
		const common = { method: 'GET', signal, withinMs: this.#agents.answerMs } as const;
		const send = async (target: Place, { url: at, headers }: Hop): Promise<Answer> => {
			try {
				const agent = this.#agents.to(target.endpoint, target.reach, target.from);
				const outgoing = { ...common, path: at.pathname + at.search, headers };
				return await collect(agent, outgoing, signatureLimits.signatureBytes);
			} catch (error) {
				if (signal?.aborted) throw abortReason(signal);
				throw new ProblemError(storeProblem(error, at), { cause: error });
			}
		};
		const first: Hop = { url, headers: { accept: '*/*', 'accept-encoding': 'identity' } };
		const follow = (hop: Hop): Promise<Answer> => {
			const target = endpointOfUrl(hop.url);
			const onward = this.#egress.reachOfDerived(endpoint, reach, target);
			return send({ endpoint: target, reach: onward, from: endpoint }, hop);
		};
		try {
			const answer = await send({ endpoint, reach, from }, first);
			return await followRedirects(first, answer, follow, () => undefined);
		} catch (error) {
			if (error instanceof ProblemError) return error;
			throw error;
		}
	}
}

/** Opens the way to signature stores. They are asked side by side, each for one signature after the other. */
export function openSignatureStores(options: SignatureStoresOptions): SignatureStores {
	const client = new StoreClient(options);
	return {
		find: ({ digest, stores }, signal) =>
			Promise.all(stores.map((store) => client.look(store, digest, signal))),
		close: () => client.close(),
	};
}
