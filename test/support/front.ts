/** A front before a real registry, as a load balancer is: passes everything on, except what a test makes of it. */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface FrontRequest {
	readonly method: string;
	/** with its query */
	readonly path: string;
}

export interface FrontAnswer extends FrontRequest {
	readonly status: number;
}

export type Meddling =
	/** instead of the registry's; `isEarly`: before the body of the request is there */
	| {
			readonly kind: 'answer';
			readonly status: number;
			readonly body?: unknown;
			readonly headers?: Readonly<Record<string, string>>;
			readonly isEarly?: boolean;
	  }
	/** The registry's body becomes another; its headers stay, and a shorter one is cut off. */
	| { readonly kind: 'change'; readonly change: (body: Buffer) => Buffer }
	/** The registry's headers become others. */
	| {
			readonly kind: 'headers';
			readonly change: (headers: IncomingHttpHeaders) => IncomingHttpHeaders;
	  }
	/** The body of the request becomes another of the same length. */
	| { readonly kind: 'change-request'; readonly change: (body: Buffer) => Buffer }
	/** The connection is reset after so many bytes of the request's body; the registry gets those. */
	| { readonly kind: 'cut-request'; readonly afterBytes: number }
	/** The connection is reset after so many bytes of the answer's body. */
	| { readonly kind: 'cut-answer'; readonly afterBytes: number }
	/** The answer's body stops after so many bytes, and the connection stays. */
	| { readonly kind: 'stall-answer'; readonly afterBytes: number }
	/** So many bytes of the answer's body at a time. */
	| { readonly kind: 'trickle-answer'; readonly bytes: number; readonly everyMs: number }
	/** Header after header, and never the last of them. */
	| { readonly kind: 'trickle-headers'; readonly everyMs: number }
	/** The registry does its work, and its answer is lost with the connection. */
	| { readonly kind: 'lose-answer' }
	/** The registry gets the request twice; the second answer counts. */
	| { readonly kind: 'twice' };

type MeddlingOf<K extends Meddling['kind']> = Extract<Meddling, { kind: K }>;

export type Meddle = (
	request: FrontRequest,
) => Meddling | undefined | Promise<Meddling | undefined>;

export interface Front {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	/** What happens to each request; everything goes through where it is undefined. */
	meddle: Meddle | undefined;
	/** Under which path the registry is asked. */
	rename: (path: string) => string;
	/** What the registry itself has answered, in order. */
	readonly answered: FrontAnswer[];
	/** How many connections clients hold. */
	readonly connections: number;
	stop(): Promise<void>;
}

/** The form in which the distribution specification has errors. */
export function registryError(code: string, message: string, detail?: unknown) {
	return { errors: [{ code, message, ...(detail !== undefined && { detail }) }] };
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
	const parts: Buffer[] = [];
	for await (const part of incoming) parts.push(part as Buffer);
	return Buffer.concat(parts);
}

/** One request on its way through. */
class Passage {
	readonly #registry: string;
	readonly #front: Front;
	readonly #incoming: IncomingMessage;
	readonly #response: ServerResponse;

	constructor(registry: string, front: Front, incoming: IncomingMessage, response: ServerResponse) {
		this.#registry = registry;
		this.#front = front;
		this.#incoming = incoming;
		this.#response = response;
	}

	async run(meddling: Meddling | undefined): Promise<void> {
		switch (meddling?.kind) {
			case 'answer':
				return this.#answer(meddling);
			case 'trickle-headers':
				return this.#trickleHeaders(meddling);
			case 'cut-request':
				return this.#cutRequest(meddling);
			case 'change-request': {
				this.#send(undefined, meddling.change(await bodyOf(this.#incoming)));
				return;
			}
			case 'twice':
				return this.#twice();
			default: {
				this.#send(meddling);
				return;
			}
		}
	}

	reset(): void {
		this.#incoming.socket.resetAndDestroy();
	}

	async #answer({ status, body, headers, isEarly = false }: MeddlingOf<'answer'>): Promise<void> {
		if (!isEarly) await bodyOf(this.#incoming);
		else this.#response.once('finish', () => this.#incoming.socket.destroySoon());
		this.#response.writeHead(status, { 'content-type': 'application/json', ...headers });
		this.#response.end(body === undefined ? '' : JSON.stringify(body));
	}

	async #trickleHeaders({ everyMs }: MeddlingOf<'trickle-headers'>): Promise<void> {
		const { socket } = this.#incoming;
		this.#incoming.resume();
		socket.write('HTTP/1.1 200 OK\r\n');
		for (let number = 0; !socket.destroyed; number += 1) {
			socket.write(`x-header-${number}: ${number}\r\n`);
			await delay(everyMs);
		}
	}

	async #cutRequest({ afterBytes }: MeddlingOf<'cut-request'>): Promise<void> {
		if (afterBytes === 0) {
			this.reset();
			return;
		}
		const outgoing = this.#open();
		outgoing.on('error', () => undefined);
		let left = afterBytes;
		for await (const part of this.#incoming) {
			outgoing.write((part as Buffer).subarray(0, left));
			left -= (part as Buffer).length;
			if (left <= 0) break;
		}
		// What was handed on is to arrive there, as it would from a client that breaks off.
		await delay(5);
		outgoing.destroy();
		this.reset();
	}

	async #twice(): Promise<void> {
		const body = await bodyOf(this.#incoming);
		const first = this.#open();
		await new Promise<void>((resolve) => {
			first.on('response', (answer) => answer.resume().once('close', resolve));
			first.on('error', () => resolve());
			first.end(body);
		});
		this.#send(undefined, body);
	}

	#open() {
		const { method = '', url: path = '', headers } = this.#incoming;
		const [hostname, port] = this.#registry.split(':');
		const renamed = this.#front.rename(path);
		return httpRequest({ hostname, port, method, path: renamed, headers, agent: false });
	}

	#send(meddling: Meddling | undefined, body?: Buffer): void {
		const { method = '', url: path = '' } = this.#incoming;
		const outgoing = this.#open();
		outgoing.on('response', (upstream) => {
			this.#front.answered.push({ method, path, status: upstream.statusCode ?? 0 });
			this.#give(upstream, meddling).catch(() => this.#response.destroy());
		});
		outgoing.on('error', () => this.#response.destroy());
		this.#response.once('close', () => {
			if (!this.#response.writableEnded) outgoing.destroy();
		});
		if (body) outgoing.end(body);
		else this.#incoming.pipe(outgoing);
	}

	/** Hands the registry's answer on. */
	async #give(upstream: IncomingMessage, meddling: Meddling | undefined): Promise<void> {
		const { statusCode: status = 0, headers } = upstream;
		if (meddling?.kind === 'lose-answer') {
			upstream.resume();
			this.reset();
			return;
		}
		const given = meddling?.kind === 'headers' ? meddling.change(headers) : headers;
		this.#response.writeHead(status, given);
		const hasBody = (status === 200 || status === 206) && this.#incoming.method === 'GET';
		if (meddling?.kind === 'change' && hasBody) await this.#changed(upstream, meddling);
		else if (meddling?.kind === 'cut-answer') await this.#part(upstream, meddling.afterBytes, true);
		else if (meddling?.kind === 'stall-answer') await this.#part(upstream, meddling.afterBytes);
		else if (meddling?.kind === 'trickle-answer') await this.#trickle(upstream, meddling);
		else upstream.pipe(this.#response);
	}

	async #changed(upstream: IncomingMessage, { change }: MeddlingOf<'change'>): Promise<void> {
		const whole = await bodyOf(upstream);
		const body = change(whole);
		this.#response.write(body, () => {
			if (body.length === whole.length) this.#response.end();
			else this.#response.destroy();
		});
	}

	/** The beginning of the body; then the connection is reset, or nothing comes any more. */
	async #part(upstream: IncomingMessage, bytes: number, isReset = false): Promise<void> {
		const beginning = (await bodyOf(upstream)).subarray(0, bytes);
		this.#response.flushHeaders();
		if (beginning.length > 0) {
			await new Promise((resolve) => this.#response.write(beginning, resolve));
		}
		if (!isReset) return;
		// A reset may overtake what was written just before.
		await delay(5);
		this.reset();
	}

	async #trickle(
		upstream: IncomingMessage,
		{ bytes, everyMs }: MeddlingOf<'trickle-answer'>,
	): Promise<void> {
		const body = await bodyOf(upstream);
		for (let at = 0; at < body.length && !this.#response.destroyed; at += bytes) {
			this.#response.write(body.subarray(at, at + bytes));
			await delay(everyMs);
		}
		this.#response.end();
	}
}

/** Passes requests on to `registry`, a host on loopback. */
export async function startFront(registry: string): Promise<Front> {
	const sockets = new Set<Socket>();
	const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
		const { method = '', url: path = '' } = incoming;
		const meddling = await front.meddle?.({ method, path });
		if (response.destroyed || incoming.socket.destroyed) return;
		await new Passage(registry, front, incoming, response).run(meddling);
	};
	const server = createServer((incoming, response) => {
		serve(incoming, response).catch(() => response.destroy());
	});
	server.on('connection', (socket) => {
		sockets.add(socket);
		socket.once('close', () => sockets.delete(socket));
		socket.on('error', () => undefined);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	if (typeof address !== 'object' || address === null) throw new Error('no port');
	const front: Front = {
		host: `127.0.0.1:${address.port}`,
		meddle: undefined,
		rename: (path) => path,
		answered: [],
		get connections() {
			return sockets.size;
		},
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
	return front;
}
