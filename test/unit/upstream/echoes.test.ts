import { afterEach, describe, expect, it } from 'vitest';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';
import { problemFrom, tagsRequest } from '../../../shared/registry/distribution.ts';
import { all, readerWith, refer, startScripted, stopAll } from './scripted-server.ts';

afterEach(stopAll);

const repository = { registry: 'quay.io', repository: 'a/b' };

function problemOfBody(message: string, code = 'UNKNOWN', requestId = 'r', secrets: string[] = []) {
	const body = JSON.stringify({ errors: [{ code, message }] });
	const headers = { 'x-request-id': requestId };
	return problemFrom(
		tagsRequest(repository),
		'quay.io',
		{ status: 500, headers, body, secrets },
		0,
	);
}

describe('what a registry says of itself', () => {
	it('is quoted', () => {
		expect(problemOfBody('the disk is full', 'DISK', 'id-7')).toMatchObject({
			reason: 'quay.io answered 500 to a request for quay.io/a/b. It says: the disk is full',
			upstreamCode: 'DISK',
			requestId: 'id-7',
		});
	});

	it.each([
		'Basic bWU6czNjcmV0',
		'Bearer eyJhbGciOi.x-y_z',
		'bearer  eyJhbGciOi',
		'BASIC bWU6czNjcmV0==',
	])('is quoted without the login in “%s”', (login) => {
		const said = JSON.stringify(problemOfBody(`bad header ${login}, sorry`, login, login));
		expect(said).toMatch(/bad header (?:basic|bearer) ….*sorry/i);
		expect(said).not.toContain('bWU6czNjcmV0');
		expect(said).not.toContain('eyJhbGciOi');
	});

	it('is quoted without what was sent, however it is wrapped', () => {
		const said = problemOfBody('got s3cr(t.', 'xs3cr(t', 'ids3cr(t', ['s3cr(t']);
		expect(JSON.stringify(said)).not.toContain('s3cr(t');
		expect(said.reason).toContain('It says: got ….');
	});

	it('is cut, but never through a login', () => {
		const long = 'x'.repeat(5000);
		const said = problemOfBody(`${'y'.repeat(290)} ${long}`, long, long, [long]);
		expect(said.reason).toMatch(/y …$/);
		expect(problemOfBody(long, long, long)).toMatchObject({
			upstreamCode: 'x'.repeat(100),
			requestId: 'x'.repeat(200),
		});
		expect(problemOfBody(long).reason.length).toBeLessThan(400);
	});

	it('is quoted without what would steer a terminal or turn text around', () => {
		const said = problemOfBody('a\u001b[2Jb\r\nc\u202ed\u0000\u009be\u2028f', 'A\u0007B', 'i\td');
		expect(said.reason).toContain('It says: a [2Jb c d e f');
		expect([said.upstreamCode, said.requestId]).toEqual(['A B', 'i d']);
	});
});

describe('a registry that echoes the login', () => {
	const login = Buffer.from('me:s3cret pass').toString('base64');

	it.each([
		['as it was sent', (header: string) => `no: ${header}`],
		['without its scheme', (header: string) => `no: ${header.slice(6)}`],
		['unpacked', (header: string) => Buffer.from(header.slice(6), 'base64').toString()],
		['as the password alone', () => 's3cret pass'],
	])('%s does not get it shown', async (_name, echo) => {
		const server = await startScripted((request, response) => {
			const { authorization } = request.headers;
			if (authorization === undefined) {
				response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
				return;
			}
			const said = echo(authorization);
			response.writeHead(501, { 'x-request-id': said });
			response.end(JSON.stringify({ errors: [{ code: said, message: said }] }));
		});
		const variables = {
			DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [server.host]: { auth: login } } }),
		};
		const host = { variables, homeDirectory: '/nonexistent', platform: 'linux', uid: 0 };
		const reader = readerWith({ credentials: new HostCredentials({ host }) });
		const [result] = await all(reader.readManifests([{ reference: refer(server.host) }]));
		expect(server.requests).toHaveLength(2);
		expect(result).toMatchObject({ ok: false, problem: { status: 501 } });
		const shown = JSON.stringify(result);
		for (const secret of [login, 's3cret', 'me:']) expect(shown).not.toContain(secret);
	});
});
