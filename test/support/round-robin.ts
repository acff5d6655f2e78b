/** The plainest load balancer: each request goes to the next replica, or to the one after where that is gone. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';

export interface RoundRobin {
	readonly origin: string;
	readonly port: number;
	/** ports of the replicas, which may come and go */
	readonly replicas: number[];
	/** method and path of every request, and the port of the replica that took it */
	readonly passed: { readonly method: string; readonly path: string; readonly replica: number }[];
	stop(): Promise<void>;
}

/** @param headers added to every request */
export async function startRoundRobin(
	headers: Readonly<Record<string, string>> = {},
): Promise<RoundRobin> {
	let turn = 0;
	const pass = (incoming: IncomingMessage, outgoing: ServerResponse, left: number): void => {
		const replica = balancer.replicas[turn++ % balancer.replicas.length];
		if (replica === undefined || left === 0) {
			outgoing.writeHead(502).end();
			return;
		}
		const { method = '', url: path = '' } = incoming;
		const onward = request({
			host: '127.0.0.1',
			port: replica,
			method,
			path,
			headers: { ...incoming.headers, ...headers },
			agent: false,
		});
		onward.once('socket', (socket) => {
			socket.once('connect', () => {
				balancer.passed.push({ method, path, replica });
				incoming.pipe(onward);
			});
		});
		onward.once('response', (answer) => {
			outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
			outgoing.flushHeaders();
			answer.pipe(outgoing);
			answer.once('error', () => outgoing.destroy());
			answer.once('aborted', () => outgoing.destroy());
		});
		onward.once('error', (error: NodeJS.ErrnoException) => {
			if (error.code === 'ECONNREFUSED') pass(incoming, outgoing, left - 1);
			else outgoing.destroy();
		});
		outgoing.once('close', () => {
			if (!outgoing.writableFinished) onward.destroy();
		});
	};
	const server = createServer((incoming, outgoing) => {
		pass(incoming, outgoing, balancer.replicas.length);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	const port = typeof address === 'object' && address ? address.port : 0;
	const balancer: RoundRobin = {
		origin: `http://127.0.0.1:${port}`,
		port,
		replicas: [],
		passed: [],
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
	return balancer;
}
