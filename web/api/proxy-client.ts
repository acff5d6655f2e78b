/** Talks to the proxy: adds the token and the logins that a request needs, and turns every failure into a typed problem. */
import { groupByLogins, loginsFor, loginsHeader, printLogins } from '../../shared/api/logins.ts';
import {
	exchangedSchema,
	failureSchema,
	serverModeSchema,
	tokenHeader,
} from '../../shared/api/schema.ts';
import type { KeyedLogin } from '../../shared/login/login.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import { ProblemError, type Problem } from '../../shared/registry/problem.ts';
import { noPatience, waitBeforeAskingAgain, waited, type Patience } from './ask-again.ts';
import { takeStreamSlot } from './stream-slots.ts';

export interface ProxyClientOptions {
	/** The token to use now; it changes when the proxy was restarted. */
	readonly token: () => string | undefined;
	/** The logins that were typed into this tab; none by default. */
	readonly logins?: () => readonly KeyedLogin[];
	/** Called when the proxy does not take the token that a request had. */
	readonly onrejected?: (token: string | undefined) => void;
	/** Asks again where the way to the proxy breaks off; not at all by default. */
	readonly patience?: () => Patience;
	/** for tests and other hosts; the page's own origin by default */
	readonly origin?: string;
}

/** By these a gateway says that nobody behind it answers. */
const answersOfGateways: ReadonlySet<number> = new Set([502, 503, 504]);

async function problemOfResponse(response: Response): Promise<ProblemError> {
	const body: unknown = await response.json().catch(() => undefined);
	const parsed = failureSchema.safeParse(body);
	if (parsed.success) return new ProblemError(parsed.data.problem);
	const { status } = response;
	if (answersOfGateways.has(status)) {
		const reason = `What stands before the proxy answered ${status} in its place.`;
		return new ProblemError({ code: 'proxy-unreachable', origin: 'browser', reason, status });
	}
	const reason = `The proxy answered ${status} without saying why.`;
	return new ProblemError({ code: 'internal', origin: 'proxy', reason, status });
}

/** The bytes of a response; a connection that breaks is a problem, not the end. */
async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
	if (!response.body) return;
	const reader = response.body.getReader();
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			yield value;
		}
	} catch (cause) {
		if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
		const reason = 'The connection to the proxy broke off before everything had arrived.';
		throw new ProblemError({ code: 'connection-lost', origin: 'browser', reason }, { cause });
	} finally {
		// Leaving early stops the proxy's work too.
		void reader.cancel().catch(() => undefined);
	}
}

function contentTypeOf(body: BodyInit): string {
	return body instanceof Blob ? 'application/octet-stream' : 'application/json';
}

export class ProxyClient {
	readonly #options: ProxyClientOptions;

	constructor(options: ProxyClientOptions) {
		this.#options = options;
	}

	/**
	 * @param about the repositories that it is about: their logins go along, and no others
	 * @throws ProblemError `proxy-unreachable`, `token-missing`, `token-rejected`, `too-large` where those logins do
	 * not fit into one request, or what the proxy says
	 */
	async request(
		path: string,
		init: RequestInit = {},
		about: Iterable<Repository> = [],
	): Promise<Response> {
		const token = this.#options.token();
		const logins = loginsFor(this.#logins(), about);
		const carried = printLogins(logins);
		let response: Response;
		try {
			response = await fetch(`${this.#options.origin ?? ''}${path}`, {
				...init,
				headers: {
					...(token && { [tokenHeader]: token }),
					...(logins.length > 0 && { [loginsHeader]: carried }),
					...(init.body && { 'content-type': contentTypeOf(init.body) }),
				},
				cache: 'no-store',
				credentials: 'omit',
				redirect: 'error',
			});
		} catch (cause) {
			if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
			const reason = 'The page could not reach the proxy that it came from.';
			throw new ProblemError({ code: 'proxy-unreachable', origin: 'browser', reason }, { cause });
		}
		if (response.ok) return response;
		const error = await problemOfResponse(response);
		if (error.problem.code === 'token-rejected' || error.problem.code === 'token-missing') {
			this.#options.onrejected?.(token);
		}
		throw error;
	}

	/**
	 * True, after a while, where it makes sense to ask for the same once more.
	 * @param inVain tries before that brought nothing new
	 */
	async asksAgain(problem: Problem, inVain: number, signal?: AbortSignal): Promise<boolean> {
		const patience = this.#options.patience?.() ?? noPatience;
		const ms = waitBeforeAskingAgain(problem, inVain, patience);
		if (ms === undefined) return false;
		await waited(ms, signal);
		return !signal?.aborted;
	}

	#logins(): readonly KeyedLogin[] {
		return this.#options.logins?.() ?? [];
	}

	/** Parts of one request, in as many requests as their logins need: nearly always one. */
	grouped<Part>(
		parts: readonly Part[],
		about: (part: Part) => readonly Repository[],
	): readonly (readonly Part[])[] {
		return groupByLogins(parts, about, this.#logins());
	}

	/** A long answer, chunk by chunk, holding one of the page's few stream slots while it lasts. */
	async *stream(
		path: string,
		init: RequestInit = {},
		about: Iterable<Repository> = [],
	): AsyncGenerator<Uint8Array> {
		const release = await takeStreamSlot(init.signal ?? undefined);
		try {
			yield* chunksOf(await this.request(path, init, about));
		} finally {
			release();
		}
	}
}

const keyPatienceMs = 10_000;

/** True where the proxy serves everybody who gets to it, and so takes no token. */
export async function needsNoKey(): Promise<boolean> {
	const client = new ProxyClient({ token: () => undefined });
	try {
		const signal = AbortSignal.timeout(keyPatienceMs);
		const response = await client.request('/api/session/mode', { signal });
		return serverModeSchema.parse(await response.json()).mode === 'shared';
	} catch {
		return false;
	}
}

/** True where the proxy takes this token. */
export async function isAccepted(token: string): Promise<boolean> {
	const client = new ProxyClient({ token: () => token });
	try {
		await client.request('/api/session', { signal: AbortSignal.timeout(keyPatienceMs) });
		return true;
	} catch {
		return false;
	}
}

/** The token that this code stands for; undefined where the proxy does not give it. */
export async function exchangeCode(code: string): Promise<string | undefined> {
	const client = new ProxyClient({ token: () => undefined });
	try {
		const response = await client.request('/api/session/exchange', {
			method: 'POST',
			body: JSON.stringify({ code }),
			signal: AbortSignal.timeout(keyPatienceMs),
		});
		return exchangedSchema.parse(await response.json()).token;
	} catch {
		return undefined;
	}
}
