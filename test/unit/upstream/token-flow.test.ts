import { afterEach, describe, expect, it } from 'vitest';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';
import type { AuthEntry } from '../../../shared/login/auth-file.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256 } from '../../support/push.ts';
import {
	all,
	fakePace,
	manifestBytes,
	readerWith,
	readOne,
	refer,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
	type ScriptedServer,
} from './scripted-server.ts';

const folders: string[] = [];
afterEach(async () => {
	await stopAll();
	await Promise.all(
		folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })),
	);
});

async function credentialsOf(auths: Record<string, AuthEntry>): Promise<HostCredentials> {
	const folder = await mkdtemp(path.join(tmpdir(), 'espalier-auth-'));
	folders.push(folder);
	const file = path.join(folder, 'auth.json');
	await writeFile(file, JSON.stringify({ auths }));
	const variables = { REGISTRY_AUTH_FILE: file };
	return new HostCredentials({
		host: { variables, homeDirectory: folder, platform: 'linux', uid: 0 },
	});
}

const password: AuthEntry = { auth: Buffer.from('me:s3cret:x').toString('base64') };
const basicHeader = `Basic ${Buffer.from('me:s3cret:x').toString('base64')}`;

/** A registry that wants `Bearer good`, with its realm wherever `realm` says. */
function bearerRegistry(realm: () => string, token: Script): Script {
	return (request, response) => {
		if (request.url?.startsWith('/token')) {
			token(request, response);
			return;
		}
		if (request.headers.authorization === 'Bearer good') {
			const digest = request.url?.split('/').at(-1) ?? '';
			const number =
				[...Array(70).keys()].find((one) => sha256(manifestBytes(one)) === digest) ?? 0;
			sendManifest(response, manifestBytes(number));
			return;
		}
		const repository = /^\/v2\/(.*)\/(?:manifests|blobs)\//.exec(request.url ?? '')?.[1];
		response.statusCode = 401;
		response.setHeader(
			'www-authenticate',
			`Negotiate, Bearer realm="${realm()}",service="reg",scope="repository:${repository}:pull"`,
		);
		response.end();
	};
}

const giveToken: Script = (_request, response) => {
	response.end(JSON.stringify({ access_token: 'good', expires_in: 300 }));
};

async function ownRealm(token: Script = giveToken): Promise<ScriptedServer> {
	return startScripted(bearerRegistry(() => '/token', token));
}

describe('the token flow', () => {
	it('asks for one token however many read at once, and meets one refusal', async () => {
		const server = await ownRealm();
		const requests = [...Array(64).keys()].map((number) => ({
			reference: refer(server.host, sha256(manifestBytes(number))),
		}));
		const results = await all(readerWith().readManifests(requests));
		expect(results.filter(({ ok }) => ok)).toHaveLength(64);
		expect(server.requests.filter((one) => one.path.startsWith('/token'))).toHaveLength(1);
		expect(server.requests).toHaveLength(64 + 2);
	});

	it('asks for a token of the next repository before it is refused there', async () => {
		const server = await ownRealm();
		const reader = readerWith();
		await readOne(reader, server.host);
		await readOne(reader, server.host, { repository: 'c/d' });
		expect(
			server.requests.slice(3).map((one) => [one.path.slice(0, 8), one.authorization]),
		).toEqual([
			['/token?s', undefined],
			['/v2/c/d/', 'Bearer good'],
		]);
	});

	it('sends service, scope, account and password to a realm on its own host', async () => {
		const server = await ownRealm();
		const credentials = await credentialsOf({ [server.host]: password });
		await readOne(readerWith({ credentials }), server.host);
		expect(server.requests[1]).toEqual({
			method: 'GET',
			path: '/token?service=reg&scope=repository%3Aa%2Fb%3Apull&account=me',
			authorization: basicHeader,
		});
	});

	it('keeps the password from a realm on another host, and asks there anonymously', async () => {
		const realm = await startScripted(giveToken);
		const server = await startScripted(
			bearerRegistry(() => `http://localhost:${realm.port}/token`, giveToken),
		);
		const credentials = await credentialsOf({ [server.host]: password });
		const reader = readerWith({ credentials, plainHttp: ['localhost'] });
		expect(await readOne(reader, server.host)).toHaveProperty('text');
		expect(realm.requests.map((one) => one.authorization)).toEqual([undefined]);
	});

	it('sends the password to another host that the user trusts', async () => {
		const realm = await startScripted(giveToken);
		const server = await startScripted(
			bearerRegistry(() => `http://localhost:${realm.port}/token`, giveToken),
		);
		const credentials = await credentialsOf({ [server.host]: password });
		const trustedRealms = [{ registry: server.host, realmHost: 'localhost' }];
		await readOne(readerWith({ credentials, trustedRealms }), server.host);
		expect(realm.requests.map((one) => one.authorization)).toEqual([basicHeader]);
	});

	it.each([
		['http://169.254.169.254/token', 'egress-blocked'],
		['http://[fe80::1]/token', 'egress-blocked'],
		['http://10.1.2.3/token', 'egress-blocked'],
		['http://0.0.0.0/token', 'egress-blocked'],
		['ftp://127.0.0.1/token', 'redirect-refused'],
		['http://me:pw@127.0.0.1/token', 'redirect-refused'],
	])('refuses the realm %s', async (realm, code) => {
		const server = await startScripted(bearerRegistry(() => realm, giveToken));
		expect(await readOne(readerWith(), server.host)).toMatchObject({ code });
	});

	it('exchanges an identity token by POST', async () => {
		const server = await ownRealm();
		const credentials = await credentialsOf({ [server.host]: { identitytoken: 'refresh' } });
		expect(await readOne(readerWith({ credentials }), server.host)).toHaveProperty('text');
		expect(server.requests[1]).toMatchObject({ method: 'POST', path: '/token' });
	});

	it.each([404, 405, 400])('falls back to GET where POST answers %i', async (status) => {
		const server = await ownRealm((request, response) => {
			if (request.method === 'GET') {
				giveToken(request, response);
				return;
			}
			response.statusCode = status;
			response.end();
		});
		const credentials = await credentialsOf({ [server.host]: { identitytoken: 'refresh' } });
		expect(await readOne(readerWith({ credentials }), server.host)).toHaveProperty('text');
	});

	it('sends a registry token as it is', async () => {
		const server = await ownRealm();
		const credentials = await credentialsOf({ [server.host]: { registrytoken: 'good' } });
		await readOne(readerWith({ credentials }), server.host);
		expect(server.requests.map((one) => one.path.startsWith('/token'))).toEqual([false, false]);
	});

	it('takes the challenge of /v2/ where the refusal has none', async () => {
		const server = await startScripted((request, response) => {
			if (
				request.url === '/v2/' ||
				request.url?.startsWith('/token') ||
				request.headers.authorization
			) {
				bearerRegistry(() => '/token', giveToken)(request, response);
				return;
			}
			response.statusCode = 401;
			response.end();
		});
		expect(await readOne(readerWith(), server.host)).toHaveProperty('text');
	});

	it('tries once more where a token is refused, and no oftener', async () => {
		const server = await startScripted((request, response) => {
			if (request.url?.startsWith('/token')) {
				giveToken(request, response);
				return;
			}
			response.statusCode = 401;
			response.setHeader('www-authenticate', 'Bearer realm="/token"');
			response.end();
		});
		expect(await readOne(readerWith(), server.host)).toMatchObject({ code: 'unauthorized' });
		expect(server.requests.filter((one) => one.path.startsWith('/v2/'))).toHaveLength(2);
	});

	it('asks again for a token that has expired', async () => {
		const server = await ownRealm();
		const pace = fakePace();
		const reader = readerWith({ pace });
		await readOne(reader, server.host);
		pace.now += 299_000;
		await readOne(reader, server.host);
		expect(server.requests.filter((one) => one.path.startsWith('/token'))).toHaveLength(2);
	});

	it.each([
		['no JSON', 'nonsense', 'malformed'],
		['no token', '{}', 'malformed'],
		['a token with a line break', JSON.stringify({ token: 'a\r\nx: y' }), 'malformed'],
		['far too much', 'x'.repeat(200_000), 'too-large'],
	])('says so where the token server sends %s', async (_name, body, code) => {
		const server = await ownRealm((_request, response) => void response.end(body));
		expect(await readOne(readerWith(), server.host)).toMatchObject({
			code,
			origin: 'token-server',
		});
	});

	it('does not send a refused password again and again', async () => {
		const server = await ownRealm((_request, response) => {
			response.statusCode = 401;
			response.end();
		});
		const credentials = await credentialsOf({ [server.host]: password });
		const requests = [...Array(30).keys()].map((number) => ({
			reference: refer(server.host, sha256(manifestBytes(number))),
		}));
		const results = await all(readerWith({ credentials }).readManifests(requests));
		expect(results.every((one) => !one.ok && one.problem.code === 'unauthorized')).toBe(true);
		expect(server.requests).toHaveLength(2);
		expect(JSON.stringify(results)).not.toContain('s3cret');
	});

	it('tries a new login at once where the one before was refused', async () => {
		const server = await ownRealm((request, response) => {
			if (request.headers.authorization === basicHeader) giveToken(request, response);
			else response.writeHead(401).end();
		});
		let credentials = await credentialsOf({ [server.host]: { auth: 'bWU6d3Jvbmc=' } });
		const reader = readerWith({
			credentials: { ...noCredentials, find: (repository) => credentials.find(repository) },
		});
		expect(await readOne(reader, server.host)).toMatchObject({ code: 'unauthorized' });
		credentials = await credentialsOf({ [server.host]: password });
		expect(await readOne(reader, server.host)).toHaveProperty('text');
	});

	it('does not send a refused Basic password again and again', async () => {
		const server = await startScripted((_request, response) => {
			response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
		});
		const credentials = await credentialsOf({ [server.host]: password });
		const requests = [...Array(30).keys()].map((number) => ({
			reference: refer(server.host, sha256(manifestBytes(number))),
		}));
		const results = await all(readerWith({ credentials }).readManifests(requests));
		expect(results.every((one) => !one.ok && one.problem.code === 'unauthorized')).toBe(true);
		expect(server.requests.map((one) => one.authorization)).toEqual([undefined, basicHeader]);
	});

	it('says why there was no login where the auth file is damaged', async () => {
		const folder = await mkdtemp(path.join(tmpdir(), 'espalier-auth-'));
		folders.push(folder);
		const file = path.join(folder, 'auth.json');
		await writeFile(file, '{"auths": {"x": {"auth": "c2VjcmV0');
		const host = {
			variables: { REGISTRY_AUTH_FILE: file },
			homeDirectory: folder,
			platform: 'linux',
			uid: 0,
		};
		const server = await startScripted((_request, response) => {
			response.statusCode = 401;
			response.setHeader('www-authenticate', 'Basic realm="x"');
			response.end();
		});
		const result = await readOne(
			readerWith({ credentials: new HostCredentials({ host }) }),
			server.host,
		);
		expect(result).toMatchObject({ code: 'credentials-unusable' });
		expect(JSON.stringify(result)).toContain(file);
		expect(JSON.stringify(result)).not.toContain('c2VjcmV0');
	});
});

/** The repository that a request is about. */
function repositoryIn(path: string): string {
	return /^\/v2\/(.*)\/(?:manifests|blobs)\//.exec(path)?.[1] ?? '';
}

describe('a refusal', () => {
	const challenge = (realm: string): Record<string, string> => ({
		'www-authenticate': `Bearer realm="${realm}",service="reg"`,
	});

	it('at the end of a redirect to another origin asks nobody for a token', async () => {
		const thief = await startScripted(giveToken);
		const storage = await startScripted((_request, response) => {
			response.writeHead(401, challenge(`http://${thief.host}/steal`)).end();
		});
		const server = await startScripted((_request, response) => {
			response.writeHead(307, { location: `http://${storage.host}/blob` }).end();
		});
		const credentials = await credentialsOf({ [server.host]: password });
		const reader = readerWith({ credentials });
		const result = await readOne(reader, server.host);
		expect(result).toMatchObject({ code: 'registry-failure', status: 401 });
		expect(JSON.stringify(result)).toContain(storage.host);
		await readOne(reader, server.host, { repository: 'c/d' });
		expect(thief.requests).toEqual([]);
		expect(server.requests.map((one) => one.authorization)).toEqual([undefined, undefined]);
	});

	it('at the end of a redirect does not hold up the other reads', async () => {
		let waiting = 0;
		const storage = await startScripted((_request, response) => {
			waiting += 1;
			const look = setInterval(() => {
				if (waiting < 9) return;
				clearInterval(look);
				response.writeHead(401).end();
			}, 5);
		});
		const server = await startScripted((request, response) => {
			const first = request.url?.endsWith(sha256(manifestBytes()));
			const location = `http://${first ? server.host : storage.host}/elsewhere`;
			if (request.url === '/elsewhere') response.writeHead(404).end();
			else response.writeHead(307, { location }).end();
		});
		const requests = [...Array(10).keys()].map((number) => ({
			reference: refer(server.host, sha256(manifestBytes(number))),
		}));
		expect(await all(readerWith().readManifests(requests))).toHaveLength(10);
	});

	it('of one repository with a bad realm leaves the others readable', async () => {
		const server = await startScripted((request, response) => {
			if (repositoryIn(request.url ?? '') === 'bad/one') {
				response.writeHead(401, challenge('http://169.254.169.254/token')).end();
			} else if (repositoryIn(request.url ?? '') === 'open/one') sendManifest(response);
			else bearerRegistry(() => '/token', giveToken)(request, response);
		});
		const reader = readerWith();
		const read = (repository: string) => readOne(reader, server.host, { repository });
		expect(await read('bad/one')).toMatchObject({ code: 'egress-blocked' });
		expect(await read('open/one')).toHaveProperty('text');
		expect(await read('good/one')).toHaveProperty('text');
		expect(await read('bad/one')).toMatchObject({ code: 'egress-blocked' });
		expect(await read('good/two')).toHaveProperty('text');
	});

	it('is remembered for others only once the registry took what came of it', async () => {
		const server = await startScripted((request, response) => {
			if (request.url?.startsWith('/token')) giveToken(request, response);
			else if (repositoryIn(request.url ?? '') === 'a/b') {
				response.writeHead(401, challenge('/token')).end();
			} else sendManifest(response);
		});
		const reader = readerWith();
		expect(await readOne(reader, server.host)).toMatchObject({ code: 'unauthorized' });
		expect(await readOne(reader, server.host, { repository: 'c/d' })).toHaveProperty('text');
		expect(server.requests.at(-1)?.authorization).toBeUndefined();
	});

	it('is forgotten where a token asked for in advance is not given', async () => {
		let broken = false;
		const server = await startScripted((request, response) => {
			if (!request.url?.startsWith('/token')) {
				if (repositoryIn(request.url ?? '').startsWith('open/')) sendManifest(response);
				else bearerRegistry(() => '/token', giveToken)(request, response);
			} else if (broken) response.writeHead(403).end();
			else giveToken(request, response);
		});
		const reader = readerWith();
		expect(await readOne(reader, server.host)).toHaveProperty('text');
		broken = true;
		expect(await readOne(reader, server.host, { repository: 'open/one' })).toHaveProperty('text');
		expect(await readOne(reader, server.host, { repository: 'open/two' })).toHaveProperty('text');
		expect(server.requests.filter((one) => one.path.startsWith('/token'))).toHaveLength(2);
	});

	it.each([
		['another repository', 'repository:secret/one:pull'],
		['more than reading', 'repository:a/b:pull,push,delete'],
		['everything besides', 'repository:a/b:pull registry:catalog:*'],
	])('cannot make us ask for %s', async (_name, scope) => {
		const server = await startScripted((request, response) => {
			if (request.url?.startsWith('/token')) giveToken(request, response);
			else if (request.headers.authorization) sendManifest(response);
			else {
				const header = `Bearer realm="/token",scope="${scope}"`;
				response.writeHead(401, { 'www-authenticate': header }).end();
			}
		});
		expect(await readOne(readerWith(), server.host)).toHaveProperty('text');
		expect(server.requests[1]?.path).toBe('/token?scope=repository%3Aa%2Fb%3Apull');
	});
});
