/** How much one client of a team's server may ask for, counted in bounded memory. */
import type { Problem } from '../../shared/registry/problem.ts';
import { clientNetwork } from './client-address.ts';

export interface ClientAllowance {
	/** refilled evenly; so many may come at once after a rest */
	readonly requestsPerMinute: number;
	/** of bodies that are sent here; also the largest single one */
	readonly bytesPerMinute: number;
	/** answers of the API that are under way */
	readonly answersAtOnce: number;
	/** of those, the ones that copy, upload or push */
	readonly transfersAtOnce: number;
	/** whose counters are kept */
	readonly clients: number;
}

/** Plenty for a page that publishes a release of full size, and for some people behind one address. */
export const usualAllowance: ClientAllowance = {
	requestsPerMinute: 1_200,
	bytesPerMinute: 2 * 1024 ** 3,
	answersAtOnce: 32,
	transfersAtOnce: 8,
	clients: 10_000,
};

export type RequestKind =
	/** a file of the page, or nothing that there is */
	| 'page'
	| 'answer'
	/** copies, uploads or pushes: it may take hours */
	| 'transfer';

export interface AskedFor {
	readonly kind: RequestKind;
	readonly bodyBytes: number;
}

export type Verdict =
	| { readonly ok: true; readonly leave: () => void }
	| { readonly ok: false; readonly status: 413 | 429; readonly problem: Problem };

interface Client {
	/** when it was last counted, in milliseconds */
	at: number;
	requests: number;
	bytes: number;
	answers: number;
	transfers: number;
}

const minuteMs = 60_000;
/** When something under way ends is not known. */
const lookAgainMs = 5_000;

function tooMuch(what: string, retryAfterMs: number): Verdict {
	const reason = `This address has ${what}; Espalier takes more from it in a while.`;
	const problem: Problem = { code: 'rate-limited', origin: 'proxy', reason, retryAfterMs };
	return { ok: false, status: 429, problem };
}

export class ClientLimits {
	readonly #allowance: ClientAllowance;
	readonly #clock: () => number;
	/** The one that was counted longest ago comes first. */
	readonly #clients = new Map<string, Client>();

	/** @param clock in milliseconds, only going forward */
	constructor(allowance: ClientAllowance = usualAllowance, clock = () => performance.now()) {
		this.#allowance = allowance;
		this.#clock = clock;
	}

	/** How many clients are remembered. */
	get size(): number {
		return this.#clients.size;
	}

	/** Counts a request, or says why it is not taken. Whoever is let in calls `leave` once, at the end. */
	admit(address: string, asked: AskedFor): Verdict {
		const client = this.#client(clientNetwork(address));
		if (!client) return tooMuch('come while too many others are busy', lookAgainMs);
		const refusal = this.#refusal(client, asked);
		if (refusal) return refusal;
		client.requests -= 1;
		client.bytes -= asked.bodyBytes;
		return { ok: true, leave: this.#enter(client, asked.kind) };
	}

	#enter(client: Client, kind: RequestKind): () => void {
		const answers = kind === 'page' ? 0 : 1;
		const transfers = kind === 'transfer' ? 1 : 0;
		client.answers += answers;
		client.transfers += transfers;
		let isInside = true;
		return () => {
			if (!isInside) return;
			isInside = false;
			client.answers -= answers;
			client.transfers -= transfers;
		};
	}

	#refusal(client: Client, { kind, bodyBytes }: AskedFor): Verdict | undefined {
		const { requestsPerMinute, bytesPerMinute, answersAtOnce, transfersAtOnce } = this.#allowance;
		if (bodyBytes > bytesPerMinute) {
			const reason = `The body has ${bodyBytes} bytes; Espalier takes ${bytesPerMinute} at most here.`;
			return { ok: false, status: 413, problem: { code: 'too-large', origin: 'proxy', reason } };
		}
		if (client.requests < 1) {
			const afterMs = ((1 - client.requests) / requestsPerMinute) * minuteMs;
			return tooMuch(`sent ${requestsPerMinute} requests within a minute`, afterMs);
		}
		if (client.bytes < bodyBytes) {
			const afterMs = ((bodyBytes - client.bytes) / bytesPerMinute) * minuteMs;
			return tooMuch(`sent ${bytesPerMinute} bytes within a minute`, afterMs);
		}
		if (kind !== 'page' && client.answers >= answersAtOnce) {
			return tooMuch(`${answersAtOnce} requests under way`, lookAgainMs);
		}
		if (kind === 'transfer' && client.transfers >= transfersAtOnce) {
			return tooMuch(`${transfersAtOnce} copies, uploads or pushes under way`, lookAgainMs);
		}
		return undefined;
	}

	/** The counters of this client, refilled to now; undefined where no more can be kept. */
	#client(key: string): Client | undefined {
		const now = this.#clock();
		const { requestsPerMinute, bytesPerMinute } = this.#allowance;
		const known = this.#clients.get(key);
		if (!known && !this.#hasRoom()) return undefined;
		const client = known ?? {
			at: now,
			requests: requestsPerMinute,
			bytes: bytesPerMinute,
			answers: 0,
			transfers: 0,
		};
		const minutes = (now - client.at) / minuteMs;
		client.requests = Math.min(requestsPerMinute, client.requests + minutes * requestsPerMinute);
		client.bytes = Math.min(bytesPerMinute, client.bytes + minutes * bytesPerMinute);
		client.at = now;
		this.#clients.delete(key);
		this.#clients.set(key, client);
		return client;
	}

	/** Forgets whoever was quiet longest and has nothing under way. */
	#hasRoom(): boolean {
		if (this.#clients.size < this.#allowance.clients) return true;
		for (const [key, { answers }] of this.#clients) {
			if (answers > 0) continue;
			this.#clients.delete(key);
			return true;
		}
		return false;
	}
}
