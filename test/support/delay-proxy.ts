/** A wire that is long: passes bytes on unchanged, each a fixed time after it came, in both directions. */
import { connect, createServer, type Socket } from 'node:net';

export interface DelayProxy {
	/** `127.0.0.1:PORT` */
	readonly host: string;
	stop(): Promise<void>;
}

/** More than this on its way, and whoever sends has to wait. */
const mostOnTheWayBytes = 16 * 1024 * 1024;

function passOn(from: Socket, to: Socket, oneWayMs: number): void {
	let onTheWay = 0;
	const later = (work: () => void): void => void setTimeout(work, oneWayMs);
	from.on('data', (chunk: Buffer) => {
		onTheWay += chunk.length;
		if (onTheWay > mostOnTheWayBytes) from.pause();
		later(() => {
			onTheWay -= chunk.length;
			if (from.isPaused() && onTheWay < mostOnTheWayBytes / 2) from.resume();
			if (to.destroyed) return;
			to.write(chunk);
		});
	});
	from.on('end', () => later(() => to.end()));
	from.on('error', () => later(() => to.destroy()));
	from.on('close', () => later(() => to.destroy()));
}

/** @param roundTripMs half of it in each direction; 0 passes on at once */
export async function startDelayProxy(target: string, roundTripMs: number): Promise<DelayProxy> {
	const [hostname = '', port = ''] = target.split(':');
	const sockets = new Set<Socket>();
	const server = createServer({ allowHalfOpen: true, noDelay: true }, (incoming) => {
		const outgoing = connect({
			host: hostname,
			port: Number(port),
			allowHalfOpen: true,
			noDelay: true,
		});
		for (const socket of [incoming, outgoing]) {
			sockets.add(socket);
			socket.once('close', () => sockets.delete(socket));
		}
		passOn(incoming, outgoing, roundTripMs / 2);
		passOn(outgoing, incoming, roundTripMs / 2);
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	if (typeof address !== 'object' || address === null) throw new Error('no port');
	return {
		host: `127.0.0.1:${address.port}`,
		stop: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				for (const socket of sockets) socket.destroy();
			}),
	};
}
