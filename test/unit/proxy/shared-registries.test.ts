import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { KeyedLogin } from '../../../shared/login/login.ts';
import { sha256 } from '../../support/push.ts';
import {
	startShared,
	type SharedAnswer,
	type SharedEspalier,
	type SharedInit,
} from '../../support/shared-espalier.ts';
import { startScripted, stopAll, type ScriptedServer } from '../upstream/scripted-server.ts';

/** What must never be seen anywhere. */
const marks = {
	own: 'own-marker-0815',
	operator: 'operator-marker-4711',
	host: 'host-marker-9999',
};
const basic = (user: string, password: string) =>
	Buffer.from(`${user}:${password}`).toString('base64');
const content = Buffer.from('a blob');
const digest = sha256(content);

let folder: string;
let registry: ScriptedServer;
let stranger: ScriptedServer;
let espalier: SharedEspalier;
/** every answer of a test */
let answers: SharedAnswer[];

function json(response: Parameters<Parameters<typeof startScripted>[0]>[1], body: unknown): void {
	response.setHeader('content-type', 'application/json');
	response.end(JSON.stringify(body));
}

/** Anything of `open/` may be read by everybody; the rest, and all writing, takes a login, whichever. */
async function startRegistry(): Promise<ScriptedServer> {
	return startScripted((request, response) => {
		const { url = '', method = '', headers } = request;
		const isOpen = url.startsWith('/v2/team/open/') && (method === 'GET' || method === 'HEAD');
		request.resume();
		if (!isOpen && headers.authorization === undefined) {
			response.statusCode = 401;
			response.setHeader('www-authenticate', 'Basic realm="here"');
			json(response, { errors: [{ code: 'UNAUTHORIZED', message: 'who are you' }] });
		} else if (url.includes('/tags/list')) json(response, { tags: ['v1'] });
		else if (url.startsWith('/v2/_catalog')) json(response, { repositories: ['team/open/app'] });
		else if (method === 'HEAD') response.writeHead(404).end();
		else if (method === 'POST') {
			response.writeHead(202, { location: `${url.split('?')[0] ?? ''}1` }).end();
		} else if (method === 'PUT') response.writeHead(201, { 'docker-content-digest': digest }).end();
		else response.writeHead(404).end();
	});
}

beforeEach(async () => {
	folder = mkdtempSync(join(tmpdir(), 'espalier-shared-'));
	answers = [];
	[registry, stranger] = await Promise.all([startRegistry(), startRegistry()]);
	const hosts = { auths: { [registry.host]: { auth: basic('host', marks.host) } } };
	writeFileSync(join(folder, 'config.json'), JSON.stringify(hosts));
	vi.stubEnv('DOCKER_CONFIG', folder);
	vi.stubEnv('HOME', folder);
	vi.stubEnv('REGISTRY_AUTH_FILE', join(folder, 'config.json'));
	vi.stubEnv('DOCKER_AUTH_CONFIG', JSON.stringify(hosts));
});
afterEach(async () => {
	await espalier.stop();
	await stopAll();
	vi.unstubAllEnvs();
	rmSync(folder, { recursive: true });
});

/** A server of this registry's namespace `team`, with the operator's login for what is below `team/read`. */
async function start(served = `${registry.host}/team`): Promise<void> {
	const file = join(folder, 'read.json');
	const logins = {
		auths: { [`${registry.host}/team/read`]: { auth: basic('op', marks.operator) } },
	};
	writeFileSync(file, JSON.stringify(logins));
	espalier = await startShared(['--registries', served, '--read-auth-file', file]);
}

async function send(path: string, init?: SharedInit): Promise<SharedAnswer> {
	const answer = await espalier.send(path, init);
	answers.push(answer);
	return answer;
}

const post = (path: string, body: unknown, logins?: readonly KeyedLogin[]) =>
	send(path, { method: 'POST', body, ...(logins && { logins }) });

const ownLogin = (entry: string): KeyedLogin => ({
	entry,
	login: { kind: 'password', username: 'me', password: marks.own },
});

const at = (repository: string, host = registry.host) => ({ registry: host, repository, digest });

function codesIn({ text }: SharedAnswer): readonly string[] {
	return [...text.matchAll(/"code":"([a-z-]+)"/g)].map(([, code = '']) => code);
}

/** Everything that the API can be asked about a repository. */
function everythingAbout(repository: string, host = registry.host) {
	const to = at(repository, host);
	const name = `${host}/${repository}`;
	const login = [ownLogin(host)];
	const copy = { to, sizeBytes: 1, from: [{ registry: host, repository }] };
	const { digest: _, ...place } = to;
	return [
		post('/api/manifests', { requests: [{ reference: { ...place, tag: 'v1' } }] }),
		post('/api/manifests', { requests: [{ reference: to, namedBy: registry.host }] }),
		post('/api/manifests', { requests: [{ reference: to, forWriting: true }] }, login),
		post('/api/configs', { requests: [{ reference: to }] }),
		post('/api/exists', { requests: [{ reference: to, kind: 'blob' }] }),
		send(`/api/blob?reference=${name}@${digest}&size=6`),
		send(`/api/tags?repository=${name}`),
		send(`/api/referrers?reference=${name}@${digest}`),
		send(`/api/registries?repository=${name}`),
		send(`/api/registries?repository=${name}&capabilities=ask`),
		post('/api/copies', { copies: [copy] }, login),
		post('/api/manifests/push', { pushes: [{ to, mediaType: 'a/b', text: 'x' }] }, login),
		post('/api/manifests/push', { pushes: [{ to, mediaType: 'a/b', from: [place] }] }, login),
		post('/api/tags/move', { moves: [{ ...place, tag: 'v1', digest, expect: 'absent' }] }, login),
		send(`/api/blob?reference=${name}@${digest}&size=1`, {
			method: 'PUT',
			body: 'x',
			headers: { 'content-type': 'application/octet-stream', 'content-length': '1' },
			logins: login,
		}),
	];
}

describe('what a shared server serves', () => {
	it('is what is listed: of another registry or namespace nothing is read or written, whoever logs in', async () => {
		await start();
		const all = await Promise.all([
			...everythingAbout('team/app', stranger.host),
			...everythingAbout('other/app'),
			...everythingAbout('teams/app'),
			send(`/api/repositories?registry=${registry.host}`),
			send(`/api/repositories?registry=${stranger.host}`),
		]);
		for (const answer of all) {
			expect([...codesIn(answer), answer.text]).toContainEqual(
				// A manifest that is not what its digest says is refused even before anybody is asked.
				expect.stringMatching(/^(?:not-served|digest-mismatch)$/),
			);
		}
		expect(stranger.requests).toEqual([]);
		expect(registry.requests).toEqual([]);
		const { problem } = all[6]?.lines()[0] as { problem: { reason: string } };
		expect(problem.reason).toBe(
			`This Espalier serves ${registry.host}/team, and not ${stranger.host}/team/app.`,
		);
	});

	it('has no embedded registry, also where that name is asked for', async () => {
		await start();
		const answer = await send('/api/tags?repository=store/team/app');
		expect(codesIn(answer)).toHaveLength(1);
		expect((await send('/v2/')).status).toBe(404);
		expect((await send('/v2/team/app/tags/list')).status).toBe(404);
	});

	it('is listed only where the whole registry is served', async () => {
		await start(registry.host);
		const logins = [ownLogin(registry.host)];
		const listed = await send(`/api/repositories?registry=${registry.host}`, { logins });
		expect(listed.lines()).toEqual([{ ok: true, item: 'team/open/app' }]);
	});

	it('mounts from nowhere else: what another namespace has is neither mounted nor read', async () => {
		await start();
		const copy = {
			to: at('team/app'),
			sizeBytes: content.length,
			from: [{ registry: registry.host, repository: 'secret/app' }],
		};
		const answer = await post('/api/copies', { copies: [copy] }, [ownLogin(registry.host)]);
		expect(codesIn(answer)).toEqual(['not-served']);
		expect(registry.requests.filter(({ path }) => path.includes('secret'))).toEqual([]);
	});
});

describe('reading through a shared server', () => {
	const tags = (repository: string, logins?: readonly KeyedLogin[]) =>
		send(`/api/tags?repository=${registry.host}/${repository}`, { ...(logins && { logins }) });
	const sentLogins = () =>
		registry.requests.flatMap(({ authorization }) => (authorization ? [authorization] : []));

	it('is done by nobody where nobody has a login, and never by the host', async () => {
		await start();
		expect((await tags('team/open/app')).lines()).toEqual([{ ok: true, item: 'v1' }]);
		expect(codesIn(await tags('team/private/app'))).toEqual(['unauthorized']);
		expect(sentLogins()).toEqual([]);
	});

	it('is done with the operator’s login where one is named for it', async () => {
		await start();
		expect((await tags('team/read/app')).lines()).toEqual([{ ok: true, item: 'v1' }]);
		expect(new Set(sentLogins())).toEqual(new Set([`Basic ${basic('op', marks.operator)}`]));
	});

	it('is done with the user’s own login before the operator’s', async () => {
		await start();
		const own = await tags('team/read/app', [ownLogin(`${registry.host}/team/read`)]);
		expect(own.lines()).toEqual([{ ok: true, item: 'v1' }]);
		expect(new Set(sentLogins())).toEqual(new Set([`Basic ${basic('me', marks.own)}`]));
	});

	it('forgets the user’s login with the request', async () => {
		await start();
		const own = [ownLogin(registry.host)];
		expect((await tags('team/private/app', own)).lines()).toEqual([{ ok: true, item: 'v1' }]);
		expect(codesIn(await tags('team/private/app'))).toEqual(['unauthorized']);
	});

	it('says of the operator’s login that there is one, and not whose', async () => {
		await start();
		const facts = await send(`/api/registries?repository=${registry.host}/team/read/app`);
		expect(facts.json()).toMatchObject({
			credential: { kind: 'password', source: 'a login of this server, for reading' },
		});
		expect(facts.text).not.toMatch(/"username"|"entry"|read\.json/);
	});
});

describe('writing through a shared server', () => {
	const writes = (repository: string, logins?: readonly KeyedLogin[]) => {
		const to = at(repository);
		const { digest: _, ...place } = to;
		return Promise.all([
			send(`/api/blob?reference=${registry.host}/${repository}@${digest}&size=${content.length}`, {
				method: 'PUT',
				body: content.toString(),
				headers: { 'content-type': 'application/octet-stream' },
				...(logins && { logins }),
			}),
			post('/api/copies', { copies: [{ to, sizeBytes: 6, from: [] }] }, logins),
			post(
				'/api/tags/move',
				{ moves: [{ ...place, tag: 'v1', digest, expect: 'absent' }] },
				logins,
			),
		]);
	};

	it.each([
		['without a login', 'team/app', undefined],
		['with the operator’s', 'team/read/app', undefined],
		['with one for another repository', 'team/app', 'team/other'],
	])('is refused %s before anything is sent', async (_, repository, entry) => {
		await start();
		const logins = entry === undefined ? undefined : [ownLogin(`${registry.host}/${entry}`)];
		for (const answer of await writes(repository, logins)) {
			expect(codesIn(answer)).toEqual(['unauthorized']);
			expect(answer.text).toContain('takes your own login');
		}
		expect(registry.requests).toEqual([]);
	});

	it.each(['/api/copies', '/api/manifests/push', '/api/tags/move', '/api/blob'])(
		'is refused for a large body to %s without any login, whatever is in it',
		async (path) => {
			await start();
			const method = path === '/api/blob' ? 'PUT' : 'POST';
			const body = ' '.repeat(100_000);
			const refused = await send(path, { method, body });
			expect([refused.status, codesIn(refused)]).toEqual([403, ['unauthorized']]);
			expect(refused.text).toContain('takes your own login');
			const read = await send(path, { method, body, logins: [ownLogin(registry.host)] });
			expect(read.status).not.toBe(403);
		},
	);

	it('goes out with the login that came with it', async () => {
		await start();
		const logins = [ownLogin(`${registry.host}/team/app`)];
		const [uploaded] = await writes('team/app', logins);
		expect(uploaded.json()).toEqual({ state: 'sent' });
		const sent = registry.requests.filter(({ method }) => method === 'PUT');
		expect(sent.map(({ authorization }) => authorization)).toContain(
			`Basic ${basic('me', marks.own)}`,
		);
		expect(JSON.stringify(registry.requests)).not.toContain(basic('op', marks.operator));
	});

	it('is looked into as who may only read, where no login to write came', async () => {
		await start();
		const reference = { registry: registry.host, repository: 'team/read/app', digest };
		const request = { reference, kind: 'blob', forWriting: true };
		const answer = await post('/api/exists', { requests: [request] });
		expect(answer.lines()).toMatchObject([{ ok: true, present: false }]);
	});
});

describe('the secrets of a shared server', () => {
	it('are in no log, no numbers and no answer, whatever goes wrong', async () => {
		await start();
		const logins = [ownLogin(`${registry.host}/team`)];
		await Promise.all([
			...everythingAbout('team/app'),
			...everythingAbout('team/read/app'),
			...everythingAbout('other/app'),
			send(`/api/tags?repository=${registry.host}/team/x&password=${marks.own}`, { logins }),
			send('/api/session', { logins, headers: { host: 'other.test' } }),
			send('/api/nothing', { logins, headers: { authorization: `Basic ${marks.own}` } }),
			post('/api/manifests', `{"password":"${marks.own}"}`, logins),
			send(`/api/tags?repository=${registry.host}/team/x`, {
				headers: { 'x-espalier-logins': basic('me', marks.own) },
			}),
		]);
		const said = [espalier.log(), await espalier.metrics(), ...answers.map(({ text }) => text)];
		expect(espalier.served().length).toBe(answers.length);
		for (const mark of Object.values(marks)) {
			// In clear, and however base64 happens to cut it.
			const coded = ['', 'a', 'ab'].map((before) =>
				Buffer.from(before + mark)
					.toString('base64')
					.slice(4, -4),
			);
			for (const text of [mark, ...coded]) expect(said.join('\n')).not.toContain(text);
		}
	});
});

it('a shared server asks the official stores alone for signatures', async () => {
	await start();
	const stores = [`http://${stranger.host}/store`, 'https://signatures.example.com/store'];
	const answer = await post('/api/signatures', { digest, stores });
	expect(codesIn(answer)).toEqual(['egress-blocked', 'egress-blocked']);
	expect(answer.text).toContain('This server does not ask');
	expect(stranger.requests).toEqual([]);
});
