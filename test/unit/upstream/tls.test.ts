import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Resolve } from '../../../proxy/upstream/agents.ts';
import {
	manifestBytes,
	readerWith,
	readOne,
	sendManifest,
	startScripted,
	stopAll,
} from './scripted-server.ts';

const text = new TextDecoder().decode(manifestBytes());
const toLoopback: Resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);

describe('TLS', () => {
	let folder: string;
	let key: string;
	let cert: string;
	let expired: string;

	function openssl(...parameters: string[]): void {
		execFileSync('openssl', parameters, { cwd: folder, stdio: 'ignore' });
	}

	function certificate(file: string, days: string): string {
		const validity = ['-days', days, '-copy_extensions', 'copy'];
		openssl('x509', '-req', '-in', 'request.pem', '-signkey', 'key.pem', '-out', file, ...validity);
		return readFileSync(path.join(folder, file), 'utf8');
	}

	beforeAll(() => {
		folder = mkdtempSync(path.join(tmpdir(), 'espalier-tls-'));
		openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem');
		key = readFileSync(path.join(folder, 'key.pem'), 'utf8');
		const subject = ['-subj', '/CN=registry.test', '-addext', 'subjectAltName=DNS:registry.test'];
		openssl('req', '-new', '-key', 'key.pem', '-out', 'request.pem', ...subject);
		cert = certificate('cert.pem', '30');
		expired = certificate('expired.pem', '-1');
	});
	afterEach(stopAll);
	afterAll(() => rmSync(folder, { recursive: true }));

	async function read(
		name: string,
		serverCert: string,
		authority?: string,
	): Promise<{ result: Awaited<ReturnType<typeof readOne>>; registry: string }> {
		const script = (_request: unknown, response: Parameters<typeof sendManifest>[0]): void =>
			sendManifest(response);
		const server = await startScripted(script, { key, cert: serverCert });
		const registry = `${name}:${server.port}`;
		const authorities = new Map(authority === undefined ? [] : [[registry, authority]]);
		const reader = readerWith({ resolve: toLoopback, authorities });
		return { result: await readOne(reader, registry), registry };
	}

	it('refuses a self-signed certificate and says what would help', async () => {
		const { result, registry } = await read('registry.test', cert);
		expect(result).toMatchObject({ code: 'tls-failure' });
		expect(JSON.stringify(result)).toContain(
			`self-signed. Give the certificate of its authority with --ca ${registry}=FILE`,
		);
	});

	it('accepts it where the user gave its authority', async () => {
		const { result } = await read('registry.test', cert, cert);
		expect(result).toEqual({ text });
	});

	it('refuses a certificate for another host name', async () => {
		const { result } = await read('other.test', cert, cert);
		expect(result).toMatchObject({ code: 'tls-failure' });
		expect(JSON.stringify(result)).toContain('another host name');
	});

	it('refuses an expired certificate', async () => {
		const { result } = await read('registry.test', expired, expired);
		expect(result).toMatchObject({ code: 'tls-failure' });
		expect(JSON.stringify(result)).toContain('expired');
	});

	it('cannot be switched off by the environment', async () => {
		const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
		process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
		try {
			const { result } = await read('registry.test', cert);
			expect(result).toMatchObject({ code: 'tls-failure' });
		} finally {
			if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
			else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
		}
	});

	it('suggests --plain-http where a registry does not speak TLS, and does not try without', async () => {
		const server = await startScripted((_request, response) => sendManifest(response));
		const registry = `registry.test:${server.port}`;
		const result = await readOne(readerWith({ resolve: toLoopback }), registry);
		expect(result).toMatchObject({ code: 'tls-failure' });
		expect(JSON.stringify(result)).toContain(`--plain-http ${registry}`);
		expect(server.requests).toEqual([]);
	});

	it('refuses a realm without TLS for a registry with it', async () => {
		const server = await startScripted(
			(_request, response) => {
				const challenge = 'Bearer realm="http://registry.test/token"';
				response.writeHead(401, { 'www-authenticate': challenge }).end();
			},
			{ key, cert },
		);
		const registry = `registry.test:${server.port}`;
		const reader = readerWith({ resolve: toLoopback, authorities: new Map([[registry, cert]]) });
		expect(await readOne(reader, registry)).toMatchObject({
			code: 'redirect-refused',
			origin: 'token-server',
		});
	});

	it('refuses a redirect from TLS to none', async () => {
		const server = await startScripted(
			(_request, response) =>
				void response.writeHead(302, { location: 'http://registry.test/' }).end(),
			{ key, cert },
		);
		const registry = `registry.test:${server.port}`;
		const reader = readerWith({ resolve: toLoopback, authorities: new Map([[registry, cert]]) });
		expect(await readOne(reader, registry)).toMatchObject({ code: 'redirect-refused' });
	});
});
