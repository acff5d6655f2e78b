import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSocketServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { joinRegistries } from '../../../proxy/server/own-registries.ts';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { TypedCredentials } from '../../../proxy/upstream/credentials/typed-credentials.ts';
import type { DirectReaderOptions } from '../../../proxy/upstream/direct-reader.ts';
import type { Login } from '../../../shared/login/login.ts';
import { problemOf } from '../../../shared/registry/problem.ts';
import type { Registries } from '../../../shared/registry/registries.ts';
import { explain } from '../../../shared/report/explain.ts';
import { sha256 } from '../../support/push.ts';
import {
	all,
	fakePace,
	manifestBytes,
	readerWith,
	refer,
	sendManifest,
	startScripted,
	stopAll,
	type Script,
} from '../upstream/scripted-server.ts';

const password = 'hunter2-PASSWORD-81fe';
const identity = 'hunter2-IDENTITY-93ab';
const bearer = 'hunter2-BEARER-55cd';
const basic = Buffer.from(`alice:${password}`).toString('base64');
const secrets = [password, identity, bearer, basic];
const logins: Readonly<Record<string, Login>> = {
	'a password': { kind: 'password', username: 'alice', password },
	'an identity token': { kind: 'identity-token', token: identity },
	'a registry token': { kind: 'registry-token', token: bearer },
};

interface Collector {
	/** `127.0.0.2:PORT`: another host than the registry’s */
	readonly host: string;
	/** all that it was told: request lines, headers and bodies */
	readonly told: string[];
	stop(): Promise<void>;
}

const collectors = new Set<Collector>();

/** Another host, which wants to hear secrets, and asks for a login. */
async function startCollector(answer: Script = wantsBasic): Promise<Collector> {
	const told: string[] = [];
	const server = createServer((request: IncomingMessage, response: ServerResponse) => {
		told.push(`${request.method ?? ''} ${request.url ?? ''} ${request.rawHeaders.join('\n')}`);
		request.on('data', (chunk: Buffer) => told.push(chunk.toString('latin1')));
		answer(request, response);
	});
	server.listen(0, '127.0.0.2');
	await once(server, 'listening');
	const collector: Collector = {
		host: `127.0.0.2:${(server.address() as AddressInfo).port}`,
		told,
		stop: async () => {
			collectors.delete(collector);
			server.closeAllConnections();
			server.close();
			await once(server, 'close');
		},
	};
	collectors.add(collector);
	return collector;
}

function wantsBasic(_: IncomingMessage, response: ServerResponse): void {
	response
		.writeHead(401, { 'www-authenticate': 'Basic realm="x"' })
		.end(JSON.stringify({ token: 'T' }));
}

afterEach(async () => {
	await stopAll();
	await Promise.all([...collectors].map((collector) => collector.stop()));
});

function registriesWith(
	host: string,
	login: Login,
	options: Partial<DirectReaderOptions> = {},
): Registries {
	const credentials = new TypedCredentials([{ entry: host, login }], noCredentials);
	const reader = readerWith({ credentials, ...options });
	return joinRegistries({ reader, target: reader.target }, undefined);
}

const bytes = manifestBytes();
const digest = sha256(bytes);
const mediaType = 'application/vnd.oci.image.manifest.v1+json';

/** Everything that can be asked of a registry, each to its end; what went wrong in words. */
async function useFully(registries: Registries, registry: string): Promise<string> {
	const reference = refer(registry, digest);
	const repository = { registry, repository: 'a/b' };
	const content = () =>
		(async function* () {
			yield bytes;
		})();
	const uses: (() => Promise<unknown>)[] = [
		() =>
			all(registries.readManifests([{ reference }, { reference: { ...repository, tag: 'v1' } }])),
		() => all(registries.exists([{ kind: 'blob', reference }])),
		async () => all((await registries.readBlob({ reference })).chunks),
		() => all(registries.tags(repository)),
		() => all(registries.referrers(reference)),
		() => all(registries.repositories(registry)),
		() => all(registries.putBlobs([{ to: reference, sizeBytes: bytes.length, content }])),
		() =>
			all(
				registries.copyBlobs([
					{ to: reference, sizeBytes: bytes.length, from: [{ ...repository, repository: 'c/d' }] },
				]),
			),
		() => all(registries.pushManifests([{ to: reference, mediaType, bytes }])),
		() => all(registries.moveTags([{ ...repository, tag: 'v1', digest, expect: 'absent' }])),
	];
	const said: unknown[] = [];
	for (const use of uses) {
		said.push(
			await use().catch((error: unknown) => {
				const problem = problemOf(error);
				expect(problem.code).not.toBe('internal');
				return [problem, explain(problem)];
			}),
		);
	}
	return JSON.stringify(said);
}

/** What a hostile registry does with every request, given whom it wants to tell. */
type Trick = (request: IncomingMessage, response: ServerResponse, elsewhere: string) => void;

function challenge(response: ServerResponse, value: string): void {
	response.writeHead(401, { 'www-authenticate': value }).end();
}

const tricks: Readonly<Record<string, Trick>> = {
	'names another host as its realm': (_, response, elsewhere) =>
		challenge(response, `Bearer realm="http://${elsewhere}/token",service="s"`),
	'names itself with a user as its realm, and another host': (_, response, elsewhere) =>
		challenge(response, `Bearer realm="http://alice@${elsewhere}/token"`),
	'wants Basic, then sends us elsewhere': (request, response, elsewhere) => {
		if (!request.headers.authorization) challenge(response, 'Basic realm="x"');
		else response.writeHead(307, { location: `http://${elsewhere}${request.url ?? ''}` }).end();
	},
	'has its realm send us elsewhere': (request, response, elsewhere) => {
		const { host = '' } = request.headers;
		if (request.url?.startsWith('/token')) {
			response.writeHead(307, { location: `http://${elsewhere}/token` }).end();
		} else challenge(response, `Bearer realm="http://${host}/token",service="s"`);
	},
	'gives a token, and then sends us elsewhere': (request, response, elsewhere) => {
		const { host = '', authorization } = request.headers;
		if (request.url?.startsWith('/token')) response.end(JSON.stringify({ token: bearer }));
		else if (!authorization) challenge(response, `Bearer realm="http://${host}/token",service="s"`);
		else response.writeHead(302, { location: `http://${elsewhere}/x` }).end();
	},
	'wants uploads elsewhere, and its next pages': (request, response, elsewhere) => {
		if (!request.headers.authorization) challenge(response, 'Basic realm="x"');
		else if (request.method === 'POST' || request.method === 'PATCH') {
			response.writeHead(202, { location: `http://${elsewhere}/upload` }).end();
		} else if (request.method === 'HEAD') response.writeHead(404).end();
		else {
			response.setHeader('link', `<http://${elsewhere}/v2/a/b/tags/list>; rel="next"`);
			response.end(JSON.stringify({ name: 'a/b', tags: ['v1'], repositories: ['a/b'] }));
		}
	},
	'sends us elsewhere by an address without a scheme': (request, response, elsewhere) => {
		if (!request.headers.authorization) challenge(response, 'Basic realm="x"');
		else if (request.method === 'POST') {
			response.writeHead(202, { location: `${elsewhere}/upload` }).end();
		} else response.writeHead(301, { location: `//${elsewhere}/x` }).end();
	},
	'says what it was told in every way it can': (request, response, elsewhere) => {
		const { authorization = '' } = request.headers;
		if (!authorization) {
			challenge(response, 'Basic realm="x"');
			return;
		}
		const decoded = Buffer.from(authorization.slice(6), 'base64').toString('latin1');
		const heard = `${authorization} ${decoded}`.replace(/[^\x20-\x7e]/g, '');
		response.writeHead(403, {
			'www-authenticate': `Bearer realm="http://${elsewhere}/",error="${heard}"`,
			'docker-content-digest': heard,
			'docker-upload-uuid': heard,
			warning: `299 - "${heard}"`,
			location: `/v2/${encodeURIComponent(heard)}`,
			'x-request-id': heard,
		});
		response.end(JSON.stringify({ errors: [{ code: heard, message: heard, detail: { heard } }] }));
	},
};

describe.each(Object.entries(logins))(
	'D8, D12, D13 (tests 8 and 17): with %s, a registry that',
	(_, login) => {
		it.each(Object.entries(tricks))(
			'%s learns nothing for others, and no message says it',
			async (_name, trick) => {
				for (const isApproved of [true, false]) {
					const collector = await startCollector();
					const registry = await startScripted((request, response) => {
						request.resume();
						trick(request, response, collector.host);
					});
					const plainHttp = isApproved ? [collector.host] : [];
					const said = await useFully(
						registriesWith(registry.host, login, { plainHttp }),
						registry.host,
					);
					const heard = collector.told.join('\n');
					for (const secret of secrets) {
						expect(heard).not.toContain(secret);
						expect(said).not.toContain(secret);
					}
					expect(heard.toLowerCase()).not.toContain('authorization');
					if (!isApproved) expect(collector.told).toEqual([]);
					expect(registry.requests.length).toBeGreaterThan(0);
				}
			},
		);
	},
);

describe('D11, D12 (test 8): a registry that leads to a metadata service', () => {
	const places = [
		'http://169.254.169.254/latest/meta-data',
		'http://[fd00:ec2::254]/latest',
		'http://[::ffff:169.254.169.254]/',
		'http://[64:ff9b::a9fe:a9fe]/',
		'http://2852039166/',
		'http://0xa9.0xfe.0xa9.0xfe/',
		'http://0251.0376.0251.0376/',
		'http://169.254.169.254./',
		'http://0.0.0.0:1/',
		'http://[::]:1/',
	];
	it.each(places)('by realm, redirect and Location is not followed to %s', async (place) => {
		for (const kind of ['realm', 'redirect', 'location'] as const) {
			const registry = await startScripted((request, response) => {
				request.resume();
				if (kind === 'realm') challenge(response, `Bearer realm="${place}"`);
				else if (kind === 'redirect') response.writeHead(307, { location: place }).end();
				else if (request.method === 'POST') response.writeHead(202, { location: place }).end();
				else response.writeHead(404).end();
			});
			const pace = fakePace();
			const said = await useFully(
				registriesWith(registry.host, logins['a password']!, { pace }),
				registry.host,
			);
			expect(said).toContain('egress-blocked');
			expect(pace.waits).toEqual([]);
		}
	});
});

/** Answers with these very bytes whatever comes. */
async function startRaw(
	head: string,
	body: Uint8Array,
): Promise<{ host: string; stop: () => void }> {
	const server = createSocketServer((socket) => {
		socket.on('error', () => undefined);
		socket.on('data', () => {
			socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`, 'latin1');
			socket.write(body);
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
		stop: () => server.close(),
	};
}

const good = 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json';

async function readFrom(head: string, body: Uint8Array = bytes) {
	const server = await startRaw(head, body);
	try {
		const reference = refer(server.host, digest);
		const [result] = await all(readerWith().readManifests([{ reference }]));
		return result!;
	} finally {
		server.stop();
	}
}

describe('D14, D15: headers that mean something to JavaScript', () => {
	it.each([
		'__proto__: x',
		'__proto__: x\r\n__proto__: y',
		'constructor: x\r\nconstructor: y',
		'toString: x',
		'hasOwnProperty: x',
		'then: x',
	])('are headers like others: %s', async (header) => {
		expect(await readFrom(`${good}\r\n${header}`)).toMatchObject({ ok: true });
		expect(Object.keys(Object.prototype)).toEqual([]);
	});

	it.each(['constructor', 'toString', '__proto__', 'gzip, gzip', 'zstd'])(
		'name no way of packing: %s',
		async (encoding) => {
			expect(await readFrom(`${good}\r\nContent-Encoding: ${encoding}`)).toMatchObject({
				ok: false,
				problem: { code: 'malformed' },
			});
		},
	);
});

describe('D6, C: JSON that means something to JavaScript', () => {
	it('changes no prototype, whatever a registry sends', async () => {
		const evil =
			'{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"token":"T"}';
		const registry = await startScripted((request, response) => {
			request.resume();
			if (request.headers.authorization || request.url?.startsWith('/token')) response.end(evil);
			else challenge(response, `Bearer realm="http://${request.headers.host ?? ''}/token"`);
		});
		await useFully(registriesWith(registry.host, logins['a password']!), registry.host);
		expect('polluted' in {}).toBe(false);
	});
});

describe('D12, D14: listings that lead astray', () => {
	it.each([
		['//elsewhere.test/v2/a/b/tags/list', 'redirect-refused'],
		['http://user@{host}/v2/a/b/tags/list', 'redirect-refused'],
		['/v2/%2e%2e/admin', 'redirect-refused'],
		['/v2/a\\..\\..\\..\\admin', 'redirect-refused'],
		['/api/session', 'redirect-refused'],
		['http://[', 'malformed'],
		['', 'malformed'],
	])('by %j are not followed', async (link, code) => {
		const registry = await startScripted((request, response) => {
			const target = link.replace('{host}', request.headers.host ?? '');
			response.setHeader('link', `<${target}>; rel="next"`);
			response.end(JSON.stringify({ name: 'a/b', tags: ['v1'] }));
		});
		const tags = all(readerWith().tags({ registry: registry.host, repository: 'a/b' }));
		await expect(tags).rejects.toMatchObject({ problem: { code } });
		expect(registry.requests).toHaveLength(1);
	});

	it('may have characters in their addresses that stand for themselves nowhere', async () => {
		const registry = await startScripted((request, response) => {
			const isLast = request.url?.includes('last=') === true;
			if (!isLast) response.setHeader('link', '</v2/a/b/tags/list?last=[x]|^`>; rel="next"');
			response.end(JSON.stringify({ name: 'a/b', tags: [isLast ? 'v2' : 'v1'] }));
		});
		const tags = all(readerWith().tags({ registry: registry.host, repository: 'a/b' }));
		await expect(tags).resolves.toEqual(['v1', 'v2']);
		expect(registry.requests[1]?.path).toBe('/v2/a/b/tags/list?last=%5Bx%5D%7C%5E%60');
	});
});

describe('D13, D14 (test 9): token servers', () => {
	it.each([
		['a token larger than any', JSON.stringify({ token: 'a'.repeat(200_000) }), 'too-large'],
		['a token with a new line', JSON.stringify({ token: 'a\r\nX: y' }), 'malformed'],
		['a token beyond ASCII', JSON.stringify({ token: 'ä' }), 'malformed'],
		['a token that is an object', JSON.stringify({ token: { a: 1 } }), 'malformed'],
		['no JSON', '<html>', 'malformed'],
	])('that give %s give none', async (_, body, code) => {
		const registry = await startScripted((request, response) => {
			if (request.url?.startsWith('/token')) response.end(body);
			else challenge(response, `Bearer realm="http://${request.headers.host ?? ''}/token"`);
		});
		const registries = registriesWith(registry.host, logins['a password']!);
		const [result] = await all(
			registries.readManifests([{ reference: refer(registry.host, digest) }]),
		);
		expect(result).toMatchObject({ ok: false, problem: { code } });
	});

	it.each(['"9e999"', '-1', '"soon"', 'null', '{"a":1}', '9007199254740993'])(
		'that say %s for how long give a token all the same',
		async (lasts) => {
			const registry = await startScripted((request, response) => {
				if (request.url?.startsWith('/token')) response.end(`{"token":"T","expires_in":${lasts}}`);
				else if (request.headers.authorization === 'Bearer T') sendManifest(response, bytes);
				else challenge(response, `Bearer realm="http://${request.headers.host ?? ''}/token"`);
			});
			const registries = registriesWith(registry.host, logins['a password']!);
			const [result] = await all(
				registries.readManifests([{ reference: refer(registry.host, digest) }]),
			);
			expect(result).toMatchObject({ ok: true });
		},
	);
});
