import { afterEach, describe, expect, it } from 'vitest';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';
import {
	manifestBytes,
	readerWith,
	readOne,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
} from './scripted-server.ts';

afterEach(stopAll);

const text = new TextDecoder().decode(manifestBytes());

function to(location: string, status = 307): Script {
	return (_request, response) => void response.writeHead(status, { location }).end();
}

/** Sends on `count` times, then answers. */
function chain(count: number): Script {
	return (request, response) => {
		const step = Number(/step=(\d+)/.exec(request.url ?? '')?.[1] ?? 0);
		if (step >= count) sendManifest(response);
		else to(`/storage?step=${step + 1}`)(request, response);
	};
}

describe('redirects', () => {
	it.each([301, 302, 303, 307, 308])('are followed on %i', async (status) => {
		const server = await startScripted((request, response) =>
			request.url?.startsWith('/v2/')
				? to('/storage', status)(request, response)
				: sendManifest(response),
		);
		expect(await readOne(readerWith(), server.host)).toEqual({ text });
	});

	it('are followed five times', async () => {
		const server = await startScripted(chain(5));
		expect(await readOne(readerWith(), server.host)).toEqual({ text });
	});

	it.each<[string, Script]>([
		['a sixth time', chain(6)],
		['in circles', to('/storage')],
		['to an address with a user name', to('http://me:pw@127.0.0.1/')],
		['to a file', to('file:///etc/passwd')],
		['to nowhere', (_request, response) => void response.writeHead(307).end()],
		['to nonsense', to('http://[')],
	])('are refused %s', async (_name, script) => {
		const server = await startScripted(script);
		expect(await readOne(readerWith(), server.host)).toMatchObject({ code: 'redirect-refused' });
	});

	it.each([
		'http://169.254.169.254/latest/meta-data',
		'http://10.0.0.1/',
		'http://[::ffff:10.0.0.1]/',
		'http://2852039166/',
		'http://[fd00:ec2::254]/',
	])('are blocked on the way to %s', async (location) => {
		const server = await startScripted(to(location));
		expect(await readOne(readerWith(), server.host)).toMatchObject({ code: 'egress-blocked' });
	});

	it('lose the login where they lead to another origin', async () => {
		const other = await startScripted((_request, response) => sendManifest(response));
		const server = await startScripted((request, response) => {
			if (request.headers.authorization) {
				to(`http://${other.host}/storage`)(request, response);
				return;
			}
			response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
		});
		const auth = Buffer.from('me:pw').toString('base64');
		const variables = {
			DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [server.host]: { auth } } }),
		};
		const host = { variables, homeDirectory: '/nonexistent', platform: 'linux', uid: 0 };
		const reader = readerWith({ credentials: new HostCredentials({ host }) });
		expect(await readOne(reader, server.host)).toEqual({ text });
		expect(server.requests.at(-1)?.authorization).toBe(`Basic ${auth}`);
		expect(other.requests.map((one) => one.authorization)).toEqual([undefined]);
	});
});
