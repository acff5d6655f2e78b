/** Talks to the proxy: adds the token, and turns every failure into a typed problem. */
import { exchangedSchema, failureSchema, tokenHeader } from '../../shared/api/schema.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { takeStreamSlot } from './stream-slots.ts';

export interface ProxyClientOptions {
	/** The token to use now; it changes when the proxy was restarted. */
	readonly token: () => string | undefined;
	/** Called when the proxy does not take the token that a request had. */
	readonly onrejected?: (token: string | undefined) => void;
	/** for tests and other hosts; the page's own origin by default */
	readonly origin?: string;
}

async function problemOfResponse(response: Response): Promise<ProblemError> {
	const body: unknown = await response.json().catch(() => undefined);
	const parsed = failureSchema.safeParse(body);
	if (parsed.success) return new ProblemError(parsed.data.problem);
	const reason = `The proxy answered ${response.status} without saying why.`;
	return new ProblemError({ code: 'internal', origin: 'proxy', reason, status: response.status });
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

	/** @throws ProblemError `proxy-unreachable`, `token-missing`, `token-rejected`, or what the proxy says */
	async request(path: string, init: RequestInit = {}): Promise<Response> {
		const token = this.#options.token();
		let response: Response;
		try {
			response = await fetch(`${this.#options.origin ?? ''}${path}`, {
				...init,
				headers: {
					...(token && { [tokenHeader]: token }),
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

	/** A long answer, chunk by chunk, holding one of the page's few stream slots while it lasts. */
	async *stream(path: string, init: RequestInit = {}): AsyncGenerator<Uint8Array> {
		const release = await takeStreamSlot(init.signal ?? undefined);
		try {
			yield* chunksOf(await this.request(path, init));
		} finally {
			release();
		}
	}
}

const keyPatienceMs = 10_000;

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
