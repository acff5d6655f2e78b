/**
 * A way through a proxy of this network: CONNECT for registries with and without TLS, so that no proxy sees more of
 * a request than the registry's name where there is TLS.
 */
import { Socket } from 'node:net';
import { buildConnector, type Pool } from 'undici';
import { ProblemError, type Problem } from '../../shared/registry/problem.ts';
import { portOf, type Endpoint } from './endpoint.ts';
import { transportProblem } from './failures.ts';
import type { OutgoingProxy } from './outgoing-proxy.ts';

export interface TunnelOptions {
	readonly proxy: OutgoingProxy;
	/** connections to the proxy */
	readonly pool: Pool;
	/** for TLS with the registry, within the tunnel */
	readonly tls: buildConnector.BuildOptions;
	readonly timeoutMs: number;
}

function refusal(
	endpoint: Endpoint,
	{ endpoint: { host } }: OutgoingProxy,
	status: number,
): string {
	if (status === 407) {
		return `The proxy ${host} wants a login before it connects to ${endpoint.host}.`;
	}
	if (status === 401 || status === 403 || status === 405) {
		return `The proxy ${host} does not connect to ${endpoint.host} (it answered ${status}).`;
	}
	return `The proxy ${host} found no way to ${endpoint.host} (it answered ${status}).`;
}

function failed(endpoint: Endpoint, reason: string, more: Partial<Problem> = {}): Problem {
	const { host: registry } = endpoint;
	return { code: 'outgoing-proxy-failed', origin: 'proxy', reason, registry, ...more };
}

async function open(
	endpoint: Endpoint,
	{ proxy, pool, timeoutMs }: TunnelOptions,
): Promise<Socket> {
	const { hostname, host } = endpoint;
	const bare = hostname.includes(':') ? `[${hostname}]` : hostname;
	const path = `${bare}:${portOf(endpoint)}`;
	const authorization = proxy.authorization?.reveal();
	const headers = { host, ...(authorization && { 'proxy-authorization': authorization }) };
	const signal = AbortSignal.timeout(timeoutMs);
	const { statusCode, socket } = await pool
		.connect({ path, headers, signal })
		.catch((cause: unknown) => {
			const { reason } = transportProblem(cause, proxy.endpoint, host);
			const where = `${host} is reached through the proxy ${proxy.endpoint.host}.`;
			throw new ProblemError(failed(endpoint, `${where} ${reason}`), { cause });
		});
	if (statusCode >= 200 && statusCode < 300 && socket instanceof Socket) return socket;
	socket.on('error', () => undefined).destroy();
	const reason = refusal(endpoint, proxy, statusCode);
	throw new ProblemError(failed(endpoint, reason, { status: statusCode }));
}

/** For a pool of that endpoint. Its errors are problems that name the proxy, or what TLS with the endpoint met. */
export function tunnelTo(endpoint: Endpoint, options: TunnelOptions): buildConnector.connector {
	const secure = buildConnector(options.tls);
	return (wanted, callback) => {
		open(endpoint, options).then(
			(httpSocket) => {
				if (endpoint.plainHttp) callback(null, httpSocket);
				else secure({ ...wanted, httpSocket }, callback);
			},
			(error: unknown) => callback(error instanceof Error ? error : new Error(), null),
		);
	};
}
