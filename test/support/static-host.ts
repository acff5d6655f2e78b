/** A static host: the built page below a path, and another page under the same origin. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { Certificate } from './certificates.ts';

const pages = join(import.meta.dirname, '../../dist/web');
const below = '/tools/espalier/';

const contentTypes: Readonly<Record<string, string>> = {
	'.css': 'text/css',
	'.html': 'text/html',
	'.js': 'text/javascript',
	'.svg': 'image/svg+xml',
};

export interface StaticHost {
	readonly origin: string;
	readonly port: number;
	/** where Espalier's page lies; ends with a slash */
	readonly site: string;
	/** a page of the same origin that has nothing to do with it */
	readonly neighbour: string;
	stop(): Promise<void>;
}

async function fileFor(path: string): Promise<{ readonly type: string; readonly body: Buffer }> {
	if (path === '/favicon.ico') return { type: 'image/x-icon', body: Buffer.of() };
	if (path === '/neighbour.html') return { type: 'text/html', body: Buffer.from('<p>hello') };
	if (!path.startsWith(below)) throw new Error(`there is no ${path}`);
	const name = normalize(path.slice(below.length)) || 'index.html';
	const file = join(pages, name === '.' ? 'index.html' : name);
	return { type: contentTypes[extname(file)] ?? 'text/plain', body: await readFile(file) };
}

/** @param tls where the host is to be reached under this name, with this certificate; else by its address */
export async function startStaticHost(tls?: {
	readonly name: string;
	readonly certificate: Certificate;
}): Promise<StaticHost> {
	const server = tls
		? createTlsServer({ cert: tls.certificate.cert, key: tls.certificate.key })
		: createServer();
	server.on('request', (request, response) => {
		const { pathname } = new URL(request.url ?? '/', 'http://host');
		fileFor(pathname).then(
			({ type, body }) => response.setHeader('content-type', type).end(body),
			() => {
				response.statusCode = 404;
				response.end();
			},
		);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const origin = tls ? `https://${tls.name}:${port}` : `http://127.0.0.1:${port}`;
	return {
		origin,
		port,
		site: `${origin}${below}`,
		neighbour: `${origin}/neighbour.html`,
		stop: async () => {
			server.close();
			server.closeAllConnections();
			await once(server, 'close');
		},
	};
}
