import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { DirectReader } from '../../../proxy/upstream/direct-reader.ts';
import type { PresenceRequest } from '../../../shared/registry/registries.ts';
import {
	all,
	manifestBytes,
	readerWith,
	refer,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
	type ScriptedServer,
} from './scripted-server.ts';

afterEach(stopAll);

const pulling = 'repository:a/b:pull';
const pushing = 'repository:a/b:pull,push';

/** Gives a token for every scope but those refused; `rest` is told the scope of each request. */
function bearer(
	rest: (scope: string, ...parts: Parameters<Script>) => void,
	refused: readonly string[] = [],
): Script {
	return (request, response) => {
		const url = new URL(request.url ?? '', 'http://x');
		const sent = request.headers.authorization;
		if (url.pathname === '/token') {
			const scope = url.searchParams.get('scope') ?? '';
			if (refused.includes(scope)) response.writeHead(403).end();
			else response.end(JSON.stringify({ token: Buffer.from(scope).toString('base64url') }));
		} else if (sent === undefined) {
			unauthorized(response);
		} else rest(Buffer.from(sent.slice(7), 'base64url').toString(), request, response);
	};
}

function unauthorized(response: ServerResponse): void {
	const header = 'Bearer realm="/token",service="reg"';
	response.writeHead(401, { 'www-authenticate': header }).end();
}

function status(code: number, response: ServerResponse): void {
	if (code === 401) unauthorized(response);
	else response.writeHead(code).end();
}

/** Shows nothing to who may only read. */
const hidesFromReaders = (code: number, then: (response: ServerResponse) => void): Script =>
	bearer((scope, _request, response) => {
		if (scope === pushing) then(response);
		else status(code, response);
	});

async function outcomesOf(reader: DirectReader, { host }: ScriptedServer, forWriting: boolean) {
	const reference = { registry: host, repository: 'a/b', tag: 'v1' };
	const looks: PresenceRequest[] = (['manifest', 'blob'] as const).map((kind) => ({
		kind,
		reference: refer(host),
		forWriting,
	}));
	const [tag] = await all(reader.readManifests([{ reference, forWriting }]));
	const there = await all(reader.exists(looks));
	return [
		tag?.ok ? 'there' : tag?.problem.code,
		...there.map((result) => (result.ok ? result.present : result.problem.code)),
	];
}

async function problemOfTag({ host }: ScriptedServer, options = {}) {
	const reference = { registry: host, repository: 'a/b', tag: 'v1' };
	const reader = readerWith(options);
	const [result] = await all(reader.readManifests([{ reference, forWriting: true }]));
	return result?.ok === false ? result.problem : undefined;
}

function scopesAsked({ requests }: ScriptedServer): (string | null)[] {
	return requests
		.filter(({ path }) => path.startsWith('/token'))
		.map(({ path }) => new URL(path, 'http://x').searchParams.get('scope'));
}

describe('reading as who is about to write', () => {
	it.each([401, 403])(
		'finds absent what a repository that is not there yet answers readers with %i',
		async (code) => {
			const server = await startScripted(
				hidesFromReaders(code, (response) => void response.writeHead(404).end()),
			);
			const reader = readerWith();
			expect(await outcomesOf(reader, server, true)).toEqual(['manifest-unknown', false, false]);
			expect(new Set(scopesAsked(server))).toEqual(new Set([pushing]));
			const refused = code === 401 ? 'unauthorized' : 'denied';
			expect(await outcomesOf(reader, server, false)).toEqual([refused, refused, refused]);
		},
	);

	it('finds what is shown to writers alone', async () => {
		const server = await startScripted(hidesFromReaders(401, (response) => sendManifest(response)));
		expect(await outcomesOf(readerWith(), server, true)).toEqual(['there', true, true]);
	});

	it('asks for nothing but reading where nobody is about to write', async () => {
		const server = await startScripted(
			bearer((_scope, _request, response) => status(404, response)),
		);
		await outcomesOf(readerWith(), server, false);
		expect(new Set(scopesAsked(server))).toEqual(new Set([pulling]));
	});

	it.each([
		[401, 'unauthorized'],
		[403, 'denied'],
	])(
		'says who may not write and what else it can mean, where all is answered %i',
		async (code, is) => {
			const server = await startScripted(
				bearer((_scope, _request, response) => status(code, response)),
			);
			const problem = await problemOfTag(server);
			expect(problem).toMatchObject({ code: is, status: code, registry: server.host });
			expect(problem?.reason).toContain(`may not write to ${server.host}/a/b`);
			expect(problem?.reason).toContain('created first');
			expect(await outcomesOf(readerWith(), server, true)).toEqual([is, is, is]);
		},
	);

	it('says the same where the token server gives no token at all', async () => {
		const server = await startScripted(
			bearer((_scope, _request, response) => status(404, response), [pushing, pulling]),
		);
		const problem = await problemOfTag(server);
		expect(problem).toMatchObject({ code: 'denied', origin: 'token-server' });
		expect(problem?.reason).toContain(`may not write to ${server.host}/a/b`);
	});

	it('reads as anybody where the token server gives no token for writing', async () => {
		const server = await startScripted(
			bearer((_scope, _request, response) => sendManifest(response), [pushing]),
		);
		expect(await outcomesOf(readerWith(), server, true)).toEqual(['there', true, true]);
	});

	it('never takes a failure for absence', async () => {
		const server = await startScripted(
			hidesFromReaders(404, (response) => void response.writeHead(500).end()),
		);
		expect(await outcomesOf(readerWith(), server, true)).toEqual([
			'registry-failure',
			'registry-failure',
			'registry-failure',
		]);
	});

	it('does not share what was read for somebody else at the same time', async () => {
		const bytes = manifestBytes();
		const server = await startScripted(
			hidesFromReaders(403, (response) => sendManifest(response, bytes)),
		);
		const reference = refer(server.host);
		const requests = [{ reference }, { reference, forWriting: true }];
		const results = await all(readerWith().readManifests(requests));
		const isOk = new Map(results.map((result) => [result.request, result.ok]));
		expect(requests.map((request) => isOk.get(request))).toEqual([false, true]);
	});
});
