/** Watches every request that a server gets, from its first byte to its last, for logs and numbers. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientAddress, comesFromProxy, type AddressRange } from '../guard/client-address.ts';

/** A request that is over. Nothing of its query, headers or body. */
export interface ServedRequest {
	readonly id: string;
	readonly method: string;
	/** without the query, and no longer than anything that is served */
	readonly path: string;
	readonly status: number;
	/** The connection ended before the answer did. */
	readonly isBrokenOff: boolean;
	readonly ms: number;
	/** over the wire, headers included */
	readonly bytesIn: number;
	readonly bytesOut: number;
	readonly client: string;
}

export interface RequestWatch {
	readonly onBegun: () => void;
	readonly onServed: (request: ServedRequest) => void;
	readonly trustedProxies: readonly AddressRange[];
	/** Connections are not kept for further requests any more. */
	readonly isStopping: () => boolean;
}

const longestPath = 200;
const requestIdHeader = 'x-request-id';
const requestIdPattern = /^[\w.-]{8,64}$/;

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
	const value = headers[name];
	return Array.isArray(value) ? value.join(',') : value;
}

/** Only a proxy in front may choose it: it is to be found in its log too. */
function requestIdOf(incoming: IncomingMessage, proxies: readonly AddressRange[]): string {
	const given = headerOf(incoming, requestIdHeader) ?? '';
	const socketAddress = incoming.socket.remoteAddress;
	const isTrusted = requestIdPattern.test(given) && comesFromProxy({ socketAddress }, proxies);
	return isTrusted ? given : randomUUID();
}

function pathOf({ url = '' }: IncomingMessage): string {
	return (url.split('?', 1)[0] ?? '').slice(0, longestPath);
}

interface Counted {
	readonly bytesRead: number;
	readonly bytesWritten: number;
}

/** Tells after each request what has gone over its connection since the one before. */
class ConnectionBytes {
	readonly #counted = new WeakMap<Socket, Counted>();

	since(socket: Socket): { readonly bytesIn: number; readonly bytesOut: number } {
		const before = this.#counted.get(socket) ?? { bytesRead: 0, bytesWritten: 0 };
		const { bytesRead, bytesWritten } = socket;
		this.#counted.set(socket, { bytesRead, bytesWritten });
		return {
			bytesIn: bytesRead - before.bytesRead,
			bytesOut: bytesWritten - before.bytesWritten,
		};
	}
}

export function watchRequests(listener: RequestListener, watch: RequestWatch): RequestListener {
	const bytes = new ConnectionBytes();
	return (incoming: IncomingMessage, outgoing: ServerResponse & { req: IncomingMessage }) => {
		const begunAt = performance.now();
		const { socket, method = '' } = incoming;
		const { remoteAddress: socketAddress } = socket;
		const forwardedFor = headerOf(incoming, 'x-forwarded-for');
		const client = clientAddress({ socketAddress, forwardedFor }, watch.trustedProxies);
		const id = requestIdOf(incoming, watch.trustedProxies);
		outgoing.setHeader(requestIdHeader, id);
		if (watch.isStopping()) outgoing.shouldKeepAlive = false;
		watch.onBegun();
		outgoing.once('close', () => {
			watch.onServed({
				id,
				method,
				path: pathOf(incoming),
				status: outgoing.statusCode,
				isBrokenOff: !outgoing.writableFinished,
				ms: Math.round(performance.now() - begunAt),
				...bytes.since(socket),
				client,
			});
		});
		listener(incoming, outgoing);
	};
}
