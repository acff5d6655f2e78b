/** A front before a real registry, as a load balancer is: passes everything on, except what a test makes of it. */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface FrontRequest {
	readonly method: string;
	/** with its query */
	readonly path: string;
}

export interface FrontAnswer extends FrontRequest {
	readonly status: number;
}

export type Meddling =
	/** instead of the registry's */
	| { readonly kind: 'answer'; readonly status: number; readonly body?: unknown }
	/** The registry's body becomes another; its headers stay, and a shorter one is cut off. */
	| { readonly kind: 'change'; readonly change: (body: Buffer) => Buffer };

export type Meddle = (
	request: FrontRequest,
) => Meddling | undefined | Promise<Meddling | undefined>;

export interface Front {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	/** What happens to each request; everything goes through where it is undefined. */
	meddle: Meddle | undefined;
	/** What the registry itself has answered, in order. */
	readonly answered: FrontAnswer[];
	stop(): Promise<void>;
}

/** The form in which the distribution specification has errors. */
export function registryError(code: string, message: string, detail?: unknown) {
	return { errors: [{ code, message, ...(detail !== undefined && { detail }) }] };
}

function answer(
	{ status, body }: Extract<Meddling, { kind: 'answer' }>,
	incoming: IncomingMessage,
	response: ServerResponse,
): void {
	incoming.resume();
	incoming.once('end', () => {
		response.writeHead(status, { 'content-type': 'application/json' });
		response.end(body === undefined ? '' : JSON.stringify(body));
	});
}

async function changed(
	upstream: IncomingMessage,
	response: ServerResponse,
	change: (body: Buffer) => Buffer,
): Promise<void> {
	const parts: Buffer[] = [];
	for await (const part of upstream) parts.push(part as Buffer);
	const whole = Buffer.concat(parts);
	const body = change(whole);
	response.write(body, () => {
		if (body.length === whole.length) response.end();
		else response.destroy();
	});
}

/** Passes requests on to `registry`, a host on loopback. */
export async function startFront(registry: string): Promise<Front> {
	const [hostname, port] = registry.split(':');
	const answered: FrontAnswer[] = [];
	const pass = (
		incoming: IncomingMessage,
		response: ServerResponse,
		meddling: Meddling | undefined,
	): void => {
		const { method = '', url: path = '', headers } = incoming;
		const outgoing = httpRequest({ hostname, port, method, path, headers, agent: false });
		outgoing.on('response', (upstream) => {
			const { statusCode: status = 0 } = upstream;
			answered.push({ method, path, status });
			response.writeHead(status, upstream.headers);
			if (meddling?.kind === 'change' && status === 200 && method === 'GET') {
				changed(upstream, response, meddling.change).catch(() => response.destroy());
			} else upstream.pipe(response);
		});
		outgoing.on('error', () => response.destroy());
		response.once('close', () => {
			if (!response.writableEnded) outgoing.destroy();
		});
		incoming.pipe(outgoing);
	};
	const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
		const { method = '', url: path = '' } = incoming;
		const meddling = await front.meddle?.({ method, path });
		if (response.destroyed || incoming.socket.destroyed) return;
		if (meddling?.kind === 'answer') answer(meddling, incoming, response);
		else pass(incoming, response, meddling);
	};
	const server = createServer((incoming, response) => {
		serve(incoming, response).catch(() => response.destroy());
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	if (typeof address !== 'object' || address === null) throw new Error('no port');
	const front: Front = {
		host: `127.0.0.1:${address.port}`,
		meddle: undefined,
		answered,
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
	return front;
}
