import { afterEach, describe, expect, it } from 'vitest';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { TypedCredentials } from '../../../proxy/upstream/credentials/typed-credentials.ts';
import { DirectReader } from '../../../proxy/upstream/direct-reader.ts';
import { openNetwork, type Network } from '../../../proxy/upstream/network.ts';
import { keyedLoginSchema, type KeyedLogin } from '../../../shared/login/login.ts';
import {
	fakePace,
	manifestBytes,
	readOne,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
} from './scripted-server.ts';

let networks: Network[] = [];
afterEach(async () => {
	await Promise.all(networks.map((network) => network.close()));
	networks = [];
	await stopAll();
});

function open(): Network {
	const network = openNetwork({
		plainHttp: [],
		authorities: new Map(),
		trustedRealms: [],
		pace: fakePace(),
	});
	networks.push(network);
	return network;
}

function keyed(entry: string, username: string): KeyedLogin {
	return { entry, login: { kind: 'password', username, password: `of ${username}` } };
}

function readerFor(network: Network, ...logins: KeyedLogin[]): DirectReader {
	return new DirectReader(network, new TypedCredentials(logins, noCredentials));
}

function basic(username: string): string {
	return `Basic ${Buffer.from(`${username}:of ${username}`).toString('base64')}`;
}

/** Shows everything to alice, and nothing to anybody else. */
const onlyForAlice: Script = (request, response) => {
	if (request.headers.authorization === basic('alice')) {
		sendManifest(response);
		return;
	}
	response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
};

describe('logins that come with a request', () => {
	it('let in whoever brings the right one, over connections that all share', async () => {
		const { host } = await startScripted(onlyForAlice);
		const network = open();
		const text = new TextDecoder().decode(manifestBytes());
		const alice = keyed(host, 'alice');
		expect(await readOne(readerFor(network, alice), host)).toEqual({ text });
		expect(await readOne(readerFor(network), host)).toMatchObject({ code: 'unauthorized' });
		expect(await readOne(readerFor(network, keyed(host, 'bob')), host)).toMatchObject({
			code: 'unauthorized',
			reason: expect.stringContaining('what was typed into the page') as unknown,
		});
		// Bob's refusal is his own.
		expect(await readOne(readerFor(network, alice), host)).toEqual({ text });
	});

	it('never share a document on its way with another caller', async () => {
		const { host, requests } = await startScripted(onlyForAlice);
		const network = open();
		const [alice, nobody] = await Promise.all([
			readOne(readerFor(network, keyed(host, 'alice')), host),
			readOne(readerFor(network), host),
		]);
		expect(alice).toHaveProperty('text');
		expect(nobody).toMatchObject({ code: 'unauthorized' });
		expect(requests.filter(({ authorization }) => authorization === basic('alice'))).toHaveLength(
			1,
		);
	});

	it('get a token of their own from the token server, which others are not given', async () => {
		const users: (string | undefined)[] = [];
		const registry = await startScripted((request, response) => {
			const { authorization } = request.headers;
			if (request.url?.startsWith('/token')) {
				users.push(authorization);
				response.end(JSON.stringify({ token: authorization === basic('alice') ? 'a' : 'n' }));
			} else if (authorization === 'Bearer a') {
				sendManifest(response);
			} else {
				const realm = `Bearer realm="http://${registry.host}/token",service="test"`;
				response.writeHead(401, { 'www-authenticate': realm }).end();
			}
		});
		const network = open();
		const { host } = registry;
		const readAs = (...logins: KeyedLogin[]) => readOne(readerFor(network, ...logins), host);
		expect(await readAs(keyed(host, 'alice'))).toHaveProperty('text');
		expect(await readAs()).toMatchObject({ code: 'unauthorized' });
		expect(await readAs(keyed(host, 'alice'))).toHaveProperty('text');
		expect(users.filter((user) => user === basic('alice'))).toHaveLength(1);
		expect(users).toContain(undefined);
	});

	it('are for their registry or namespace alone', async () => {
		const { host, requests } = await startScripted(onlyForAlice);
		const network = open();
		const reader = readerFor(network, keyed(`${host}/team`, 'alice'), keyed('quay.io', 'alice'));
		expect(await readOne(reader, host, { repository: 'team/image' })).toHaveProperty('text');
		expect(await readOne(reader, host, { repository: 'teams/image' })).toMatchObject({
			code: 'unauthorized',
		});
		expect(requests.at(-1)?.authorization).toBeUndefined();
	});

	it('say for people what would be sent, and never the secret', async () => {
		const typed = new TypedCredentials([keyed('quay.io/team', 'alice')], noCredentials);
		const use = await typed.describe({ registry: 'quay.io', repository: 'team/image' });
		expect(use).toEqual({
			registry: 'quay.io',
			kind: 'password',
			username: 'alice',
			source: 'what was typed into the page',
			entry: 'quay.io/team',
		});
		const found = await typed.find({ registry: 'quay.io', repository: 'team/image' });
		expect(JSON.stringify(found)).not.toContain('of alice');
	});
});

describe('an empty identity token', () => {
	it('is refused where it is typed', () => {
		const login = { kind: 'identity-token', token: '' } as const;
		expect(keyedLoginSchema.safeParse({ entry: 'quay.io', login }).success).toBe(false);
	});

	it('is not taken for nobody: what it was refused is not kept for others', async () => {
		const registry = await startScripted((request, response) => {
			request.resume();
			if (request.url?.startsWith('/token')) {
				if (request.method === 'POST') response.writeHead(401).end();
				else response.end(JSON.stringify({ token: 'anonymous' }));
			} else if (request.headers.authorization === 'Bearer anonymous') sendManifest(response);
			else {
				const realm = `Bearer realm="http://${registry.host}/token",service="test"`;
				response.writeHead(401, { 'www-authenticate': realm }).end();
			}
		});
		const network = open();
		const login = { kind: 'identity-token', token: '' } as const;
		const stranger = new TypedCredentials([{ entry: registry.host, login }], noCredentials);
		expect(await readOne(new DirectReader(network, stranger), registry.host)).toHaveProperty(
			'code',
		);
		const nobody = new DirectReader(network, noCredentials);
		expect(await readOne(nobody, registry.host)).toHaveProperty('text');
	});
});
