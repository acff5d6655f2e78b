/** D1: listens on the loopback addresses and on no other, unless it is told one. */
import { once } from 'node:events';
import {
	createServer,
	STATUS_CODES,
	type RequestListener,
	type Server,
	type ServerOptions,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

const serverOptions: ServerOptions = {
	maxHeaderSize: 16 * 1024,
	headersTimeout: 10_000,
	// Uploads take as long as they take; bodies of the API have their own limit of time.
	requestTimeout: 0,
	connectionsCheckingInterval: 5_000,
	requireHostHeader: true,
	insecureHTTPParser: false,
};

/** What is in progress gets this long when the server closes. */
const graceMs = 1_000;

export interface Listening {
	readonly port: number;
	/** Takes no more connections, and ends those that are left when what is in progress has had its time. */
	close(graceMs?: number): Promise<void>;
}

/** An address that somebody names to listen on. */
export interface ListenAddress {
	readonly host: string;
	/** 0 for any that is free */
	readonly port: number;
}

/** Something else listens on the port. */
export class PortTaken extends Error {
	readonly port: number;

	constructor(port: number, options?: ErrorOptions) {
		super(`Port ${port} is taken by another program.`, options);
		this.name = 'PortTaken';
		this.port = port;
	}
}

function refuseSocket(_: unknown, socket: Duplex): void {
	socket.end(`HTTP/1.1 403 ${STATUS_CODES[403]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function createGuardedServer(): Server {
	const server = createServer(serverOptions);
	// Neither WebSockets nor tunnels are offered.
	server.on('upgrade', refuseSocket);
	server.on('connect', refuseSocket);
	return server;
}

function errorCode(error: unknown): unknown {
	return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function bind(server: Server, host: string, port: number): Promise<number> {
	try {
		server.listen({ host, port, exclusive: true });
		await once(server, 'listening');
	} catch (error) {
		const code = errorCode(error);
		if (code === 'EADDRINUSE') throw new PortTaken(port, { cause: error });
		if (code === 'EACCES') {
			throw new Error(`Port ${port} needs more rights than this user has.`, { cause: error });
		}
		throw error;
	}
	// A listening TCP server has an address with a port; only pipes have none.
	return (server.address() as AddressInfo).port;
}

async function closeServer(server: Server, ms = graceMs): Promise<void> {
	if (!server.listening) return;
	const closed = once(server, 'close');
	server.close();
	const timer = setTimeout(() => {
		server.closeAllConnections();
	}, ms);
	await closed;
	clearTimeout(timer);
}

/** IPv6 may be switched off; then localhost does not lead there either. */
async function bindWhereAvailable(server: Server, host: string, port: number): Promise<void> {
	try {
		await bind(server, host, port);
	} catch (error) {
		const code = errorCode(error);
		if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') throw error;
	}
}

/**
 * Listens on both loopback addresses, and asks for the listener once the port is known, before the first
 * request can arrive. A port that another program has on one of the two counts as taken: browsers choose
 * either when they see `localhost`.
 * @throws PortTaken
 */
export async function listenOnLoopback(
	port: number,
	createListener: (port: number) => RequestListener,
): Promise<Listening> {
	const [v4, v6] = [createGuardedServer(), createGuardedServer()];
	const bound = await bind(v4, '127.0.0.1', port);
	const listener = createListener(bound);
	v4.on('request', listener);
	v6.on('request', listener);
	try {
		await bindWhereAvailable(v6, '::1', bound);
	} catch (error) {
		await closeServer(v4);
		// A free port of one address need not be free on the other.
		if (port === 0 && error instanceof PortTaken) return listenOnLoopback(0, createListener);
		throw error;
	}
	return {
		port: bound,
		close: async (ms) => {
			await Promise.all([closeServer(v4, ms), closeServer(v6, ms)]);
		},
	};
}

/** Listens where the operator says, behind whatever ends TLS. @throws PortTaken */
export async function listenOn(
	{ host, port }: ListenAddress,
	listener: RequestListener,
): Promise<Listening> {
	const server = createGuardedServer();
	server.on('request', listener);
	const bound = await bind(server, host, port);
	return { port: bound, close: (ms) => closeServer(server, ms) };
}
