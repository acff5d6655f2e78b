import { spawn, type ChildProcess } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readRegistrySettings } from '../../../proxy/cli/registry-arguments.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';
import { Agents } from '../../../proxy/upstream/agents.ts';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import { collect } from '../../../proxy/upstream/exchange.ts';
import { transportProblem } from '../../../proxy/upstream/failures.ts';
import { freePort } from '../../support/docker-registry.ts';
import { Certificates, type Certificate } from '../../support/certificates.ts';
import { readerWith, readOne, sendManifest, stopAll } from './scripted-server.ts';

const certificates = new Certificates();
let authority: Certificate;
let serverCertificate: Certificate;
let own: Certificate;
let other: Certificate;
const running: Server[] = [];
const opened: Agents[] = [];
const children: ChildProcess[] = [];

beforeAll(() => {
	authority = certificates.make('authority');
	serverCertificate = certificates.make('registry.test', {
		hosts: ['registry.test', 'elsewhere.test'],
		issuer: authority,
	});
	own = certificates.make('me', { issuer: authority });
	other = certificates.make('stranger');
});
afterEach(async () => {
	await stopAll();
	for (const child of children.splice(0)) child.kill('SIGKILL');
	await Promise.all(opened.splice(0).map((agents) => agents.close()));
	await Promise.all(
		running.splice(0).map(
			(server) =>
				new Promise<void>((resolve) => {
					server.close(() => resolve());
					server.closeAllConnections();
				}),
		),
	);
});
afterAll(() => certificates.remove());

/** The name in the certificate that a client has shown. */
function shownBy({ socket }: IncomingMessage): string {
	// Without a certificate there is an empty object.
	const shown: Partial<PeerCertificate> | undefined =
		socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
	return String(shown?.subject?.CN ?? 'nobody');
}

/** Answers with the name in the certificate that it was shown; `wants` makes it refuse those without. */
async function start({ wants }: { wants: boolean }): Promise<number> {
	const { key, cert } = serverCertificate;
	const tls = { key, cert, ca: authority.cert, requestCert: true, rejectUnauthorized: wants };
	const server = createServer(tls, (request, response) => {
		response.end(shownBy(request));
	});
	server.on('tlsClientError', () => undefined);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	running.push(server);
	const address = server.address();
	return typeof address === 'object' && address ? address.port : 0;
}

/** OpenSSL's own server, which says why it hangs up, as servers written in Go and C do and Node's does not. */
async function startDemanding(version: string): Promise<number> {
	const port = await freePort();
	const { certFile, keyFile } = serverCertificate;
	const files = ['-cert', certFile, '-key', keyFile, '-CAfile', authority.certFile];
	const parameters = ['-accept', String(port), '-Verify', '1', '-verify_return_error', '-www'];
	const child = spawn('openssl', ['s_server', version, ...parameters, ...files], {
		stdio: ['pipe', 'pipe', 'ignore'],
	});
	children.push(child);
	for await (const chunk of child.stdout) if (String(chunk).includes('ACCEPT')) break;
	return port;
}

function agentsWith(listed: Record<string, Certificate> = {}): Agents {
	const agents = new Agents({
		authorities: new Map([
			['registry.test', authority.cert],
			['elsewhere.test', authority.cert],
		]),
		clientCertificates: new Map(
			Object.entries(listed).map(([host, { cert, key }]) => [host, { chain: cert, key }]),
		),
		resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
	});
	opened.push(agents);
	return agents;
}

async function ask(agents: Agents, registry: string, from?: string): Promise<string> {
	const endpoint = endpointOf(registry, []);
	const to = agents.to(endpoint, 'named', from === undefined ? undefined : endpointOf(from, []));
	try {
		const answer = await collect(to, { method: 'GET', path: '/v2/', headers: {} }, 1_000);
		return Buffer.from(answer.bytes).toString();
	} catch (error) {
		const { code, reason } = transportProblem(error, endpoint, registry);
		return `${code}: ${reason}`;
	}
}

describe('a client certificate', () => {
	it('lets us into a registry that demands one', async () => {
		const port = await start({ wants: true });
		expect(await ask(agentsWith({ 'registry.test': own }), `registry.test:${port}`)).toBe('me');
	});

	it('may be for one port, which then wins', async () => {
		const [one, two] = [await start({ wants: false }), await start({ wants: false })];
		const agents = agentsWith({ 'registry.test': other, [`registry.test:${one}`]: own });
		expect(await ask(agents, `registry.test:${one}`)).toBe('me');
		expect(await ask(agents, `registry.test:${two}`)).toBe('stranger');
	});

	it('is shown to no other host', async () => {
		const port = await start({ wants: false });
		const agents = agentsWith({ 'registry.test': own });
		expect(await ask(agents, `elsewhere.test:${port}`)).toBe('nobody');
		expect(await ask(agents, `registry.test:${port}`)).toBe('me');
	});

	it('is not shown where another host sent us, also after it was shown there', async () => {
		const port = await start({ wants: false });
		const agents = agentsWith({ 'registry.test': own });
		const registry = `registry.test:${port}`;
		expect(await ask(agents, registry)).toBe('me');
		expect(await ask(agents, registry, 'elsewhere.test')).toBe('nobody');
		expect(await ask(agents, registry, 'registry.test')).toBe('me');
	});

	it.each([
		['TLS 1.3', '-tls1_3', undefined],
		['TLS 1.2', '-tls1_2', undefined],
		['TLS 1.3', '-tls1_3', () => other],
		['TLS 1.2', '-tls1_2', () => other],
	])(
		'that is missing or of no use is named as the cause over %s',
		async (_name, version, shown) => {
			const port = await startDemanding(version);
			const agents = agentsWith(shown && { 'registry.test': shown() });
			const said = await ask(agents, `registry.test:${port}`);
			expect(said).toMatch(/^tls-failure: .*client certificate.*--client-cert registry\.test/);
		},
	);
});

describe('a client certificate on the way through a registry', () => {
	type Answer = (request: IncomingMessage, response: ServerResponse) => void;

	/** Remembers path and who came. */
	async function startWatching(answer: Answer) {
		const { key, cert } = serverCertificate;
		const came: string[] = [];
		const tls = { key, cert, ca: authority.cert, requestCert: true, rejectUnauthorized: false };
		const server = createServer(tls, (request, response) => {
			came.push(`${(request.url ?? '').split('?')[0] ?? ''} ${shownBy(request)}`);
			answer(request, response);
		});
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		running.push(server);
		const address = server.address();
		return { came, port: typeof address === 'object' && address ? address.port : 0 };
	}

	function reader() {
		const { cert: chain, key } = own;
		return readerWith({
			resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
			authorities: new Map([
				['registry.test', authority.cert],
				['elsewhere.test', authority.cert],
			]),
			clientCertificates: new Map([
				['registry.test', { chain, key }],
				['elsewhere.test', { chain, key }],
			]),
		});
	}

	it('is not shown to whom a redirect leads', async () => {
		const elsewhere = await startWatching((_request, response) => sendManifest(response));
		const registry = await startWatching((_request, response) => {
			const location = `https://elsewhere.test:${elsewhere.port}/stored`;
			response.writeHead(307, { location }).end();
		});
		expect(await readOne(reader(), `registry.test:${registry.port}`)).toHaveProperty('text');
		expect(registry.came).toEqual([expect.stringMatching(/ me$/)]);
		expect(elsewhere.came).toEqual(['/stored nobody']);
	});

	it('is shown to a token server on the registry’s own host, and to no other', async () => {
		const give: Answer = (_request, response) => response.end(JSON.stringify({ token: 'good' }));
		const elsewhere = await startWatching(give);
		const registry = await startWatching((request, response) => {
			const { authorization } = request.headers;
			const realm = request.url?.includes('/one/')
				? '/token'
				: `https://elsewhere.test:${elsewhere.port}/token`;
			if (request.url?.startsWith('/token')) give(request, response);
			else if (authorization === 'Bearer good') sendManifest(response);
			else response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
		});
		const host = `registry.test:${registry.port}`;
		expect(await readOne(reader(), host, { repository: 'one/a' })).toHaveProperty('text');
		expect(await readOne(reader(), host, { repository: 'two/a' })).toHaveProperty('text');
		expect(registry.came).toContain('/token me');
		expect(elsewhere.came).toEqual(['/token nobody']);
	});

	it('lets content name a registry that the user keeps one for', async () => {
		const registry = await startWatching((_request, response) => sendManifest(response));
		const host = `registry.test:${registry.port}`;
		const found = await readOne(reader(), host, { namedBy: 'quay.io' });
		expect(found).toHaveProperty('text');
	});
});

describe('--client-cert', () => {
	const read = (value: string) => readRegistrySettings({ 'client-cert': [value] }, {});

	it('reads the two files', () => {
		const { clientCertificates } = read(`Registry.test=${own.certFile},${own.keyFile}`);
		expect(clientCertificates?.get('registry.test')).toEqual({ chain: own.cert, key: own.key });
	});

	it('is left out where it is not given', () => {
		expect(readRegistrySettings({}, {})).toEqual({
			plainHttp: [],
			authorities: new Map(),
			trustedRealms: [],
		});
	});

	it.each([
		['a', /HOST=CERT_FILE,KEY_FILE/],
		['a=b', /CERT_FILE,KEY_FILE/],
		['a=b,', /CERT_FILE,KEY_FILE/],
		['a=b,c,d', /CERT_FILE,KEY_FILE/],
		['https://a=b,c', /not a registry/],
		['a=/nowhere,KEY', /“\/nowhere”.*cannot be read/],
		['a=CERT,/nowhere', /“\/nowhere”.*cannot be read/],
		['a=KEY,KEY', /“.*key.*” after --client-cert has no certificate/],
		['a=CERT,CERT', /“.*cert.*” after --client-cert has no private key/],
		['a=CERT,OTHER', /not that of the certificate in “.*cert/],
		['a=CERT,LOCKED', /encrypted/],
	])('is refused as %s', (written, message) => {
		const locked = join(certificates.folder, 'locked.pem');
		writeFileSync(
			locked,
			'-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
		);
		const value = written
			.replace(/CERT(?=,|$)/g, own.certFile)
			.replace('OTHER', other.keyFile)
			.replace('LOCKED', locked)
			.replace(/KEY$/, own.keyFile)
			.replace('=KEY,', `=${own.keyFile},`);
		expect(() => read(value)).toThrow(UsageError);
		expect(() => read(value)).toThrow(message);
	});

	it('is refused twice for one registry', () => {
		const value = `a.test=${own.certFile},${own.keyFile}`;
		expect(() => readRegistrySettings({ 'client-cert': [value, value] }, {})).toThrow(
			/more than one/,
		);
	});

	it('stands beside the proxies of the network', () => {
		const { proxyFor } = readRegistrySettings({}, { HTTPS_PROXY: 'http://p.test' });
		expect(proxyFor?.(endpointOf('quay.io', []))?.endpoint.host).toBe('p.test');
		expect(() => readRegistrySettings({}, { HTTPS_PROXY: 'socks5://u:pw@p' })).toThrow(UsageError);
	});
});
