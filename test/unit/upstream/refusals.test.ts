import { afterEach, describe, expect, it } from 'vitest';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { Secret } from '../../../proxy/upstream/credentials/secret.ts';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import { mayHaveCredentials } from '../../../proxy/upstream/realm.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import {
	all,
	readerWith,
	readOne,
	refer,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
} from './scripted-server.ts';

afterEach(stopAll);

interface Said {
	readonly status: number;
	readonly code?: string;
	readonly message?: string;
	readonly challenge?: string;
}

function say({ status, code, message = '', challenge }: Said): Script {
	return (_request, response) => {
		response.writeHead(status, { ...(challenge && { 'www-authenticate': challenge }) });
		response.end(code === undefined ? '<html>' : JSON.stringify({ errors: [{ code, message }] }));
	};
}

/** Asks for a token first; then says that, or the token server does. */
function after(token: Script, said: Said): Script {
	const challenge = 'Bearer realm="/token",service="reg"';
	return (request, response) => {
		if (request.url?.startsWith('/token')) token(request, response);
		else if (request.headers.authorization) say({ challenge, ...said })(request, response);
		else say({ status: 401, code: 'UNAUTHORIZED', challenge })(request, response);
	};
}

const give: Script = (_request, response) => response.end(JSON.stringify({ token: 'good' }));
const insufficient = 'Bearer realm="/token",service="reg",error="insufficient_scope"';

/** What registries answer about a repository that is not there, or that they hide. */
const answers: readonly [string, Script, string, string][] = [
	[
		'Docker Hub',
		after(give, { status: 401, code: 'UNAUTHORIZED', challenge: insufficient }),
		'unauthorized',
		'registry',
	],
	['Quay', after(give, { status: 401, code: 'UNAUTHORIZED' }), 'unauthorized', 'registry'],
	[
		'ghcr.io',
		after(say({ status: 403, code: 'DENIED' }), { status: 500 }),
		'denied',
		'token-server',
	],
	['Artifactory', after(give, { status: 403, code: 'DENIED' }), 'denied', 'registry'],
	['a gateway', after(give, { status: 403 }), 'denied', 'registry'],
	['ECR', after(give, { status: 404, code: 'NAME_UNKNOWN' }), 'repository-unknown', 'registry'],
	['Harbor', after(give, { status: 404, code: 'NOT_FOUND' }), 'manifest-unknown', 'registry'],
	[
		'Red Hat’s',
		after(give, { status: 404, code: 'UNKNOWN', message: 'not found' }),
		'manifest-unknown',
		'registry',
	],
	['an empty server', after(give, { status: 404 }), 'manifest-unknown', 'registry'],
];

describe('what a registry says of a repository that it does not have or does not show', () => {
	it.each(answers)('is understood of %s', async (_name, script, code, origin) => {
		const server = await startScripted(script);
		const found = await readOne(readerWith(), server.host);
		expect(found).toMatchObject({ code, origin });
	});

	it.each(answers)('is absence only where %s answers 404', async (_name, script, code) => {
		const server = await startScripted(script);
		const request = { reference: refer(server.host), kind: 'manifest' as const };
		const [result] = await all(readerWith().exists([request]));
		if (code.endsWith('-unknown')) expect(result).toMatchObject({ ok: true, present: false });
		else expect(result).toMatchObject({ ok: false, problem: { code } });
	});

	it('does not make us ask again for a token that would allow no more', async () => {
		const said = { status: 401, code: 'UNAUTHORIZED', challenge: insufficient };
		const server = await startScripted(after(give, said));
		const reader = readerWith();
		for (const repository of ['a/one', 'a/two']) await readOne(reader, server.host, { repository });
		const paths = server.requests.map(({ path }) => (path.startsWith('/token') ? 'token' : path));
		expect(paths.filter((path) => path === 'token')).toHaveLength(2);
	});
});

describe('a blob that is about to be written', () => {
	it.each([
		[403, false],
		[404, false],
		[200, true],
		[401, 'unauthorized'],
		[500, 'registry-failure'],
	])('and is answered %i is %s', async (status, expected) => {
		const server = await startScripted(say({ status }));
		const looking = readerWith().target.hasBlob(refer(server.host));
		const found = await looking.catch((error: unknown) => problemOf(error).code);
		expect(found).toBe(expected);
	});
});

describe('a realm', () => {
	const login = { kind: 'password', username: 'me', source: 'a test', entry: 'x' } as const;
	const credentials = {
		...noCredentials,
		find: async () => ({ ...login, password: new Secret('hunter2') }),
	};

	function sendingOn(location: string): Script {
		return after((_request, response) => response.writeHead(307, { location }).end(), {
			status: 500,
		});
	}

	it.each([
		['http://169.254.169.254/latest', 'egress-blocked'],
		['http://10.0.0.7/token', 'egress-blocked'],
		['http://me:pw@127.0.0.1/token', 'redirect-refused'],
		['file:///etc/passwd', 'redirect-refused'],
	])('that sends us on to %s is not followed', async (location, code) => {
		const server = await startScripted(sendingOn(location));
		const found = await readOne(readerWith({ credentials }), server.host);
		expect(found).toMatchObject({ code, origin: 'token-server' });
	});

	it('that sends us on to another host of this computer is not followed', async () => {
		const other = await startScripted(give);
		const server = await startScripted(sendingOn(`http://localhost:${other.port}/token`));
		const found = await readOne(readerWith({ credentials }), server.host);
		expect(found).toMatchObject({ code: 'egress-blocked' });
		expect(other.requests).toEqual([]);
	});

	it('that sends us on to another port gives no password away', async () => {
		const other = await startScripted(give);
		const server = await startScripted((request, response) => {
			if (request.headers.authorization === 'Bearer good') sendManifest(response);
			else sendingOn(`http://${other.host}/token`)(request, response);
		});
		expect(await readOne(readerWith({ credentials }), server.host)).toHaveProperty('text');
		expect(other.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
	});

	it('may be trusted by host and port, also where the port is the scheme’s own', () => {
		const trusts = (realmHost: string, realm: string): boolean =>
			mayHaveCredentials(endpointOf('registry.test', []), new URL(realm), [
				{ registry: 'registry.test', realmHost },
			]);
		expect(trusts('auth.test:443', 'https://auth.test/token')).toBe(true);
		expect(trusts('auth.test', 'https://auth.test:8443/token')).toBe(true);
		expect(trusts('auth.test:8443', 'https://auth.test/token')).toBe(false);
		expect(trusts('auth.test', 'https://auth.test.evil.test/token')).toBe(false);
		expect(trusts('auth.test', 'https://evil.test/auth.test')).toBe(false);
	});
});
