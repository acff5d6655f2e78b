/** A small proxy as networks have them: takes CONNECT alone, resolves names itself, and may want a login. */
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ConnectProxyOptions {
	/** where names lead to; others are tried as they are */
	readonly hosts?: Readonly<Record<string, string>>;
	/** the value of Proxy-Authorization that is wanted */
	readonly authorization?: string;
	/** answers with this status instead of connecting; undefined connects */
	readonly refuse?: (target: string) => number | undefined;
	/** takes requests and never answers */
	readonly isSilent?: boolean;
}

export interface ConnectRequest {
	/** `HOST:PORT` */
	readonly target: string;
	readonly headers: IncomingMessage['headers'];
}

export interface ConnectProxy {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	/** every CONNECT, in order */
	readonly asked: readonly ConnectRequest[];
	/** what was asked otherwise, which nothing should */
	readonly otherwise: readonly string[];
	stop(): Promise<void>;
}

function pass(client: Duplex, target: string, hosts: Readonly<Record<string, string>>): Socket {
	const at = target.lastIndexOf(':');
	const name = target.slice(0, at).replace(/^\[|\]$/g, '');
	const upstream = connect(Number(target.slice(at + 1)), hosts[name] ?? name);
	upstream.once('connect', () => {
		client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
		upstream.pipe(client).pipe(upstream);
	});
	upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'));
	client.on('error', () => upstream.destroy());
	client.once('close', () => upstream.destroy());
	return upstream;
}

export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
	const { hosts = {}, authorization, refuse, isSilent = false } = options;
	const asked: ConnectRequest[] = [];
	const otherwise: string[] = [];
	const sockets = new Set<Duplex>();
	const server = createServer((request, response) => {
		otherwise.push(`${request.method ?? ''} ${request.url ?? ''}`);
		response.writeHead(405).end();
	});
	server.on('connect', (request: IncomingMessage, client: Duplex) => {
		const target = request.url ?? '';
		asked.push({ target, headers: request.headers });
		sockets.add(client);
		client.on('error', () => client.destroy());
		if (isSilent) return;
		const isLetIn =
			authorization === undefined || request.headers['proxy-authorization'] === authorization;
		const status = isLetIn ? refuse?.(target) : 407;
		if (status === undefined) sockets.add(pass(client, target, hosts));
		else client.end(`HTTP/1.1 ${status} No\r\ncontent-length: 6\r\n\r\nBasic!`);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	if (typeof address !== 'object' || address === null) throw new Error('no port');
	return {
		host: `127.0.0.1:${address.port}`,
		asked,
		otherwise,
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
				for (const socket of sockets) socket.destroy();
			}),
	};
}
