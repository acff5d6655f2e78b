import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../../../proxy/app.ts';
import { listenOnLoopback, PortTaken, type Listening } from '../../../proxy/server/listen.ts';
import { toRequestListener } from '../../../proxy/server/request-listener.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { ProblemError } from '../../../shared/registry/problem.ts';
import type { RegistryReader } from '../../../shared/registry/registries.ts';
import { appOptions, digestOfBytes, fakeReader, token } from './fake-reader.ts';

let server: Listening;
let reader: Partial<RegistryReader> = {};

beforeEach(async () => {
	server = await listenOnLoopback(0, (port) =>
		toRequestListener(
			createApp(
				appOptions({
					port,
					reader: fakeReader({
						readBlob: (...given) => reader.readBlob!(...given),
						readManifests: (...given) => reader.readManifests!(...given),
					}),
				}),
			),
		),
	);
});
afterEach(() => server.close());

/** What comes back for these very bytes, until the connection ends. */
async function raw(lines: readonly string[], host = '127.0.0.1'): Promise<string> {
	const socket = connect(server.port, host);
	socket.end([...lines, '', ''].join('\r\n'));
	let answer = '';
	socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
	await once(socket, 'close');
	return answer;
}

const close = 'Connection: close';
const withToken = `${tokenHeader}: ${token}`;
const host = () => `Host: localhost:${server.port}`;

describe('the server', () => {
	it('listens on both loopback addresses', async () => {
		for (const address of ['127.0.0.1', '::1']) {
			const answer = await raw(['GET /api/session HTTP/1.1', host(), withToken, close], address);
			expect(answer).toMatch(/^HTTP\/1\.1 200 .*"version":"1\.2\.3"/s);
		}
	});

	it.each([
		['a foreign Host', (at: number) => ['GET /api/session HTTP/1.1', `Host: evil.test:${at}`]],
		['two Hosts', (at: number) => ['GET / HTTP/1.1', `Host: localhost:${at}`, 'Host: evil.test']],
		[
			'the same Host twice',
			(at: number) => ['GET / HTTP/1.1', `Host: localhost:${at}`, `host: localhost:${at}`],
		],
		['no Host', () => ['GET / HTTP/1.1']],
		['no Host in HTTP/1.0', () => ['GET /api/session HTTP/1.0']],
		['an empty Host', () => ['GET / HTTP/1.1', 'Host:']],
		[
			'an absolute target',
			(at: number) => [`GET http://localhost:${at}/api/session HTTP/1.1`, `Host: localhost:${at}`],
		],
		[
			'an absolute target of elsewhere',
			(at: number) => ['GET http://evil.test/api/session HTTP/1.1', `Host: localhost:${at}`],
		],
		['the asterisk', (at: number) => ['OPTIONS * HTTP/1.1', `Host: localhost:${at}`]],
		['user info', (at: number) => ['GET / HTTP/1.1', `Host: a@localhost:${at}`]],
		['a space in Host', (at: number) => ['GET / HTTP/1.1', `Host: localhost:${at} evil.test`]],
	])('refuses %s', async (_, lines) => {
		const answer = await raw([...lines(server.port), withToken, close]);
		expect(answer).toMatch(/^HTTP\/1\.1 (?:400|403) /);
		expect(answer).not.toContain('1.2.3');
	});

	it.each([
		['CONNECT', ['CONNECT evil.test:443 HTTP/1.1']],
		['an upgrade', ['GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket']],
	])('refuses %s', async (_, lines) => {
		expect(await raw([...lines, host()])).toMatch(/^HTTP\/1\.1 403 .*Connection: close/s);
	});

	it('refuses headers of more than 16 KiB', async () => {
		const answer = await raw(['GET / HTTP/1.1', host(), `X: ${'x'.repeat(17_000)}`, close]);
		expect(answer).toMatch(/^HTTP\/1\.1 431 /);
	});

	it('says that a port is taken, whichever address another program has it on', async () => {
		const listener = () => () => undefined;
		await expect(listenOnLoopback(server.port, listener)).rejects.toThrow(PortTaken);
		const other = createServer().listen(0, '::1');
		await once(other, 'listening');
		const { port } = other.address() as AddressInfo;
		await expect(listenOnLoopback(port, listener)).rejects.toThrow(`Port ${port} is taken`);
		other.close();
	});
});

describe('a client', () => {
	const digest = digestOfBytes(new Uint8Array());

	it('sees a blob that breaks at its end as broken', async () => {
		async function* broken() {
			yield Buffer.from('one ');
			await turn();
			yield Buffer.from('two');
			throw new ProblemError({ code: 'digest-mismatch', origin: 'content', reason: 'Wrong.' });
		}
		for (const sizeBytes of [7, undefined]) {
			reader = { readBlob: () => Promise.resolve({ sizeBytes, chunks: broken() }) };
			const path = `/api/blob?reference=quay.io/a@${digest}`;
			const outgoing = request({
				port: server.port,
				path,
				headers: { host: `localhost:${server.port}`, [tokenHeader]: token },
			}).end();
			const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
			let seen = '';
			incoming.on('data', (chunk: Buffer) => (seen += chunk.toString()));
			await expect(once(incoming, 'end')).rejects.toThrow('aborted');
			expect('one '.startsWith(seen)).toBe(true);
		}
	});

	it('that goes away ends the work that was done for it', async () => {
		let aborted: () => void = () => undefined;
		const whenAborted = new Promise<void>((resolve) => (aborted = resolve));
		reader = {
			async *readManifests([one], options) {
				options?.signal?.addEventListener('abort', aborted);
				const problem = { code: 'denied', origin: 'registry', reason: 'No.' } as const;
				yield { ok: false, request: one!, problem };
				await whenAborted;
			},
		};
		const item = { reference: { registry: 'quay.io', repository: 'a', tag: '1' } };
		const outgoing = request({
			port: server.port,
			path: '/api/manifests',
			method: 'POST',
			headers: {
				host: `localhost:${server.port}`,
				[tokenHeader]: token,
				'content-type': 'application/json',
			},
		});
		outgoing.end(JSON.stringify({ requests: [item, item] }));
		const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
		// The first line is here while the second is still being worked on.
		const [line] = (await once(incoming, 'data')) as [Buffer];
		expect(line.toString()).toMatch(/^\{"index":0,.*\}\n$/);
		outgoing.destroy();
		await whenAborted;
	});

	it('that sends a body without an end meets the limit', async () => {
		const outgoing = request({
			port: server.port,
			path: '/api/manifests',
			method: 'POST',
			headers: {
				host: `localhost:${server.port}`,
				[tokenHeader]: token,
				'content-type': 'application/json',
			},
		});
		outgoing.on('error', () => undefined);
		const send = (): void => {
			while (!outgoing.destroyed && outgoing.write(Buffer.alloc(65_536, 0x20)));
		};
		outgoing.on('drain', send);
		send();
		const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
		expect(incoming.statusCode).toBe(413);
		outgoing.destroy();
	});
});
