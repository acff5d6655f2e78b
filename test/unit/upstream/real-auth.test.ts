import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Transfer } from '../../../proxy/transfer/transfer.ts';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';
import type { DirectReader } from '../../../proxy/upstream/direct-reader.ts';
import { realPace, type Pace } from '../../../proxy/upstream/retry.ts';
import type { Problem } from '../../../shared/registry/problem.ts';
import {
	hasDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../../support/docker-registry.ts';
import { inParallel, jsonBytes, Pusher, sha256, type Pushed } from '../../support/push.ts';
import { hasSkopeo, skopeo } from '../../support/skopeo.ts';
import { mend, startTokenServer, type TokenServer } from '../../support/token-server.ts';
import { all, fakePace, readerWith, refer, stopAll } from './scripted-server.ts';

const imageType = 'application/vnd.oci.image.manifest.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const identityToken = 'identity-of-alice';

function base64(text: string): string {
	return Buffer.from(text).toString('base64');
}

describe.skipIf(!hasDockerRegistry)('a docker-registry with a token server', () => {
	let tokens: TokenServer;
	let registry: DockerRegistry;
	let folder: string;
	let layer: Pushed;
	const layerBytes = Buffer.alloc(200_000, 'layer');

	/** An image tagged `v1`, and as many more of the same parts as are wanted: `n1`, `n2`, …. */
	async function pushImages(repository: string, pusher: Pusher, more: number): Promise<void> {
		const content = { architecture: 'amd64', os: 'linux' };
		const config = await pusher.pushBlob(repository, jsonBytes(content), configType);
		layer = await pusher.pushBlob(repository, layerBytes);
		await inParallel([...Array(more + 1).keys()], 8, (number) => {
			const parts = { schemaVersion: 2, mediaType: imageType, config, layers: [layer] };
			const manifest = jsonBytes({ ...parts, annotations: { number: String(number) } });
			return pusher.pushManifest(repository, manifest, imageType, number ? `n${number}` : 'v1');
		});
	}

	beforeAll(async () => {
		folder = await mkdtemp(path.join(tmpdir(), 'espalier-real-auth-'));
		tokens = await startTokenServer({
			users: {
				alice: {
					password: 'pass:of:alice',
					rights: { 'team-a/*': ['pull', 'push'], 'shared/*': ['pull'] },
					identityToken,
				},
				bob: { password: 'pass-of-bob', rights: { 'team-b/*': ['pull', 'push'] } },
				dave: {
					password: 'x',
					rights: { 'team-a/*': ['pull'], 'shared/*': ['pull'] },
					identityToken: 'used-once',
				},
				carol: {
					password: 'pass-of-carol',
					rights: { 'team-a/*': ['pull', 'push'], 'team-b/*': ['pull'] },
				},
			},
			anonymous: { 'public/*': ['pull'] },
		});
		registry = await startDockerRegistry({ auth: tokens.auth });
		for (const repository of ['public/app', 'team-a/app', 'team-b/app', 'shared/app']) {
			const token = tokens.mint({ [repository]: ['pull', 'push'] });
			const pusher = new Pusher(registry.host, { authorization: `Bearer ${token}` });
			await pushImages(repository, pusher, repository === 'public/app' ? 64 : 0);
			await pusher.close();
		}
	}, 60_000);
	afterEach(async () => {
		await stopAll();
		mend(tokens);
		tokens.asked.splice(0);
	});
	afterAll(async () => {
		await registry.stop();
		await tokens.stop();
		await rm(folder, { recursive: true, force: true });
	});

	/** The logins of an auth file, `HOST` in its keys being the registry. */
	async function loginsIn(content: object, name = 'auth.json'): Promise<HostCredentials> {
		const file = path.join(folder, name);
		await writeFile(file, JSON.stringify(content).replaceAll('HOST', registry.host));
		const variables = {
			REGISTRY_AUTH_FILE: file,
			PATH: `${folder}:${process.env['PATH'] ?? ''}`,
		};
		const host = { variables, homeDirectory: folder, platform: 'linux', uid: 0 };
		return new HostCredentials({ host, helperTimeoutMs: 300 });
	}

	const alice = { auth: base64('alice:pass:of:alice') };
	const bob = { auth: base64('bob:pass-of-bob') };
	const carol = { auth: base64('carol:pass-of-carol') };

	async function open(
		content: object = { auths: {} },
		pace: Pace = realPace,
	): Promise<DirectReader> {
		return readerWith({ credentials: await loginsIn(content), pace });
	}

	async function look(
		reader: DirectReader,
		repository: string,
		tag = 'v1',
	): Promise<'there' | Problem> {
		const reference = { registry: registry.host, repository, tag };
		const [result] = await all(reader.readManifests([{ reference }]));
		if (!result) throw new Error('no result');
		return result.ok ? 'there' : result.problem;
	}

	const codeOf = (found: 'there' | Problem): string => (found === 'there' ? found : found.code);

	async function copyLayer(reader: DirectReader, from: string, to: string): Promise<string> {
		const transfer = new Transfer({ reader, targetOf: () => reader.target });
		const copy = {
			to: refer(registry.host, layer.digest, to),
			sizeBytes: layer.size,
			from: [{ registry: registry.host, repository: from }],
		};
		const last = (await all(transfer.copyBlobs([copy]))).at(-1);
		return last?.state === 'failed' ? last.problem.code : (last?.state ?? 'nothing');
	}

	describe('anonymously', () => {
		it('shows what is public, with a token that nobody had to log in for', async () => {
			expect(await look(await open(), 'public/app')).toBe('there');
			expect(tokens.asked).toEqual([
				{
					method: 'GET',
					scopes: ['repository:public/app:pull'],
					service: 'test-registry',
					account: undefined,
					secret: undefined,
				},
			]);
		});

		it('shows nothing else, and says that a login is needed', async () => {
			const found = await look(await open(), 'team-a/app');
			expect(found).toMatchObject({ code: 'unauthorized', origin: 'registry', status: 401 });
		});

		it('asks for one token however many readers wait', async () => {
			const reader = await open();
			const requests = [...Array(64).keys()].map((number) => ({
				reference: { registry: registry.host, repository: 'public/app', tag: `n${number + 1}` },
			}));
			const results = await all(reader.readManifests(requests));
			expect(results.filter(({ ok }) => ok)).toHaveLength(64);
			expect(tokens.asked).toHaveLength(1);
		});
	});

	describe('with a login', () => {
		it('shows what the login may see, and no more', async () => {
			const reader = await open({ auths: { HOST: alice } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(codeOf(await look(reader, 'shared/app'))).toBe('there');
			expect(codeOf(await look(reader, 'team-b/app'))).toBe('unauthorized');
			expect(tokens.asked[0]).toMatchObject({ account: 'alice', secret: `Basic ${alice.auth}` });
		});

		it('that is wrong says whose login was not taken, and sends it once', async () => {
			const reader = await open({ auths: { HOST: { auth: base64('alice:hunter2') } } });
			const [one, two] = [await look(reader, 'team-a/app'), await look(reader, 'team-a/app')];
			expect(one).toMatchObject({ code: 'unauthorized', origin: 'token-server', status: 401 });
			expect(two).toEqual(one);
			expect(JSON.stringify(one)).toContain('auth.json');
			expect(JSON.stringify(one)).not.toMatch(/hunter2|YWxpY2U6/);
			expect(tokens.asked).toHaveLength(1);
		});

		it('that is wrong is not sent for each of many repositories', async () => {
			const reader = await open({ auths: { HOST: { auth: base64('alice:hunter2') } } });
			const names = [...Array(40).keys()].map((number) => `team-a/r${number}`);
			const found = await Promise.all(names.map((repository) => look(reader, repository)));
			expect(new Set(found.map(codeOf))).toEqual(new Set(['unauthorized']));
			expect(tokens.asked).toHaveLength(3);
		});

		it('that was good once is sent for many repositories at a time', async () => {
			const reader = await open({ auths: { HOST: alice } });
			const names = [...Array(40).keys()].map((number) => `team-a/r${number}`);
			const found = await Promise.all(names.map((repository) => look(reader, repository)));
			expect(new Set(found.map(codeOf))).toEqual(new Set(['manifest-unknown']));
			expect(tokens.asked).toHaveLength(40);
		});

		it('may be an identity token in an auth file', async () => {
			const reader = await open({ auths: { HOST: { identitytoken: identityToken } } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(tokens.asked.map(({ method, secret }) => [method, secret])).toEqual([
				['POST', identityToken],
			]);
		});

		it('may be an identity token for a server that knows no POST', async () => {
			tokens.manners.getOnly = true;
			const reader = await open({ auths: { HOST: { identitytoken: identityToken } } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(tokens.asked.map(({ method }) => method)).toEqual(['POST', 'GET']);
		});

		it('follows identity tokens that are good for one use, from scope to scope', async () => {
			tokens.manners.rotates = true;
			const reader = await open({ auths: { HOST: { identitytoken: 'used-once' } } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(codeOf(await look(reader, 'shared/app'))).toBe('there');
			const both = ['team-a/none', 'shared/none'].map((repository) => look(reader, repository));
			expect((await Promise.all(both)).map(codeOf)).toEqual([
				'manifest-unknown',
				'manifest-unknown',
			]);
			expect(new Set(tokens.asked.map(({ secret }) => secret)).size).toBeGreaterThan(2);
		});

		it('may be a registry token, sent as it is', async () => {
			const registrytoken = tokens.mint({ 'team-a/app': ['pull'] });
			const reader = await open({ auths: { HOST: { registrytoken } } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(codeOf(await look(reader, 'team-b/app'))).toBe('unauthorized');
			expect(tokens.asked).toEqual([]);
		});

		it('is that of a helper', async () => {
			await helper('good', `cat >/dev/null; echo '{"Username":"alice","Secret":"pass:of:alice"}'`);
			const reader = await open({ credHelpers: { HOST: 'good' } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
		});

		it('is an identity token of a helper', async () => {
			await helper(
				'id',
				`cat >/dev/null; echo '{"Username":"<token>","Secret":"${identityToken}"}'`,
			);
			const reader = await open({ credHelpers: { HOST: 'id' } });
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(tokens.asked.map(({ method }) => method)).toEqual(['POST']);
		});

		it.each([
			['hangs', 'sleep 60', /did not answer in time/],
			[
				'is of another server',
				`echo '{"ServerURL":"https://evil.test","Username":"alice","Secret":"pass:of:alice"}'`,
				/another server/,
			],
			['is no JSON', 'echo hunter2', /no credential/],
			['is endless', 'yes hunter2', /more than a credential/],
			['failed', 'echo hunter2; exit 3', /failed/],
		])(
			'of a helper whose answer %s is not used, and said to be the cause',
			async (_name, script, reason) => {
				await helper('bad', script);
				const reader = await open({ credHelpers: { HOST: 'bad' } });
				expect(codeOf(await look(reader, 'public/app'))).toBe('there');
				const found = await look(reader, 'team-a/app');
				expect(found).toMatchObject({ code: 'credentials-unusable' });
				expect(JSON.stringify(found)).toMatch(reason);
				expect(JSON.stringify(found)).not.toMatch(/hunter2|pass:of/);
				expect(tokens.asked.map(({ secret }) => secret)).toEqual([undefined, undefined]);
			},
		);
	});

	async function helper(name: string, script: string): Promise<void> {
		const file = path.join(folder, `docker-credential-${name}`);
		await writeFile(file, `#!/bin/sh\n${script}\n`);
		await chmod(file, 0o755);
	}

	/** The registry takes that token no more, and so none that was given out before with the same life. */
	async function untilRefused(token: string): Promise<void> {
		const headers = { authorization: `Bearer ${token}` };
		for (;;) {
			const { statusCode, body } = await request(`http://${registry.host}/v2/`, { headers });
			await body.dump();
			if (statusCode === 401) return;
			await delay(50);
		}
	}

	describe('over a longer run', () => {
		it('gets a new token whenever the registry takes the old one no more', async () => {
			tokens.manners.lifeSeconds = 2;
			tokens.manners.saidSeconds = undefined;
			const reader = await open({ auths: { HOST: alice } });
			const until = Date.now() + 15_000;
			let reads = 0;
			while (tokens.asked.length < 2 && Date.now() < until) {
				const found = await Promise.all([...Array(8).keys()].map(() => look(reader, 'team-a/app')));
				expect(found).toEqual(Array(8).fill('there'));
				reads += found.length;
			}
			expect(tokens.asked).toHaveLength(2);
			expect(reads).toBeGreaterThan(8);
		}, 20_000);

		it('gets a new token before the old one runs out, where it is said when that is', async () => {
			tokens.manners.saidSeconds = 120;
			const pace = fakePace();
			const reader = await open({ auths: { HOST: alice } }, pace);
			const counts: number[] = [];
			for (const minutes of [0, 1, 1]) {
				pace.now += minutes * 60_000;
				expect(await look(reader, 'team-a/app')).toBe('there');
				counts.push(tokens.asked.length);
			}
			expect(counts).toEqual([1, 1, 2]);
		});

		it('ends an upload that outlives its token well', async () => {
			tokens.manners.lifeSeconds = 4;
			const reader = await open({ auths: { HOST: alice } });
			const transfer = new Transfer({ reader, targetOf: () => reader.target });
			const bytes = Buffer.from(`late ${Date.now()}`);
			const to = refer(registry.host, sha256(bytes), 'team-a/late');
			const content = async function* (): AsyncGenerator<Uint8Array> {
				if (tokens.manners.lifeSeconds === 4) await untilRefused(tokens.mint({}, 4));
				tokens.manners.lifeSeconds = 300;
				yield bytes;
			};
			const upload = { to, sizeBytes: bytes.length, content };
			const last = (await all(transfer.putBlobs([upload]))).at(-1);
			expect(last).toMatchObject({ state: 'sent' });
			expect(tokens.asked.length).toBeGreaterThan(1);
		}, 20_000);
	});

	describe('two identities', () => {
		const both = { auths: { 'HOST/team-a': alice, 'HOST/team-b': bob } };

		it('are kept apart by the namespaces they are for', async () => {
			const reader = await open(both);
			expect(codeOf(await look(reader, 'team-a/app'))).toBe('there');
			expect(codeOf(await look(reader, 'team-b/app'))).toBe('there');
			expect(codeOf(await look(reader, 'shared/app'))).toBe('unauthorized');
			expect(tokens.asked.map(({ account }) => account)).toEqual(['alice', 'bob', undefined]);
		});

		it('copy between them by reading as one and writing as the other', async () => {
			const reader = await open(both);
			expect(await copyLayer(reader, 'team-b/app', 'team-a/copy')).toBe('copied');
			const scopes = tokens.asked.map(({ account, scopes }) => `${account} ${scopes.join(' ')}`);
			expect(scopes).toContain('bob repository:team-b/app:pull');
			expect(scopes).toContain('alice repository:team-a/copy:pull,push');
			expect(scopes.filter((one) => one.startsWith('bob')).join()).not.toContain('team-a');
		});

		it('mount where the one that writes may read the source, and do not copy then', async () => {
			const reader = await open({ auths: { 'HOST/team-a': carol, 'HOST/team-b': bob } });
			expect(await copyLayer(reader, 'team-b/app', 'team-a/mounted')).toBe('mounted');
			expect(tokens.asked.map(({ account }) => account)).toEqual(['carol']);
		});

		it('try a mount once where the token server gives nothing for both at once', async () => {
			tokens.manners.answer = ({ scopes }) => (scopes.length > 1 ? { status: 403 } : undefined);
			const reader = await open(both);
			const transfer = new Transfer({ reader, targetOf: () => reader.target });
			for (const to of ['team-a/none', 'team-a/none']) {
				const copy = {
					to: refer(registry.host, layer.digest, to),
					sizeBytes: layer.size,
					from: [{ registry: registry.host, repository: 'team-b/app' }],
				};
				await all(transfer.copyBlobs([copy]));
			}
			expect(tokens.asked.filter(({ scopes }) => scopes.length > 1)).toHaveLength(1);
		});

		it('do not write where neither may', async () => {
			const reader = await open(both);
			expect(await copyLayer(reader, 'team-a/app', 'shared/copy')).toBe('unauthorized');
		});
	});

	describe('a token server that misbehaves', () => {
		it.each([
			['fails once', { status: 503 }, 'there'],
			['has no room for a moment', { status: 429, headers: { 'retry-after': '0' } }, 'there'],
			['answers in HTML', { body: '<html>' }, 'malformed'],
			[
				'gives an empty token beside a good name',
				{ body: { token: '', access_token: '' } },
				'malformed',
			],
			['forbids', { status: 403 }, 'denied'],
			['sends us on to nowhere', { status: 302 }, 'redirect-refused'],
		])('because it %s', async (_name, answer, expected) => {
			let times = 0;
			tokens.manners.answer = () => ((times += 1) === 1 ? answer : undefined);
			const found = await look(await open(), 'public/app');
			expect(codeOf(found)).toBe(expected);
			if (found !== 'there') expect(found.origin).toBe('token-server');
		});

		it('and gives tokens for somebody else is asked twice and no oftener', async () => {
			tokens.manners.audience = 'another-registry';
			expect(codeOf(await look(await open(), 'public/app'))).toBe('unauthorized');
			expect(tokens.asked.length).toBeLessThanOrEqual(2);
		});

		it('and says how long a token lives in words or not at all is understood', async () => {
			for (const said of ['300', 'soon', -5, null, 1e300]) {
				tokens.manners.saidSeconds = said;
				expect(codeOf(await look(await open(), 'public/app'))).toBe('there');
			}
		});

		it('and names its token in both ways, one of them empty, is understood', async () => {
			const token = tokens.mint({ 'public/app': ['pull'] });
			tokens.manners.answer = () => ({ body: { token: '', access_token: token } });
			expect(codeOf(await look(await open(), 'public/app'))).toBe('there');
		});
	});

	describe.skipIf(!hasSkopeo)('skopeo with the same auth file', () => {
		it.each([
			['a namespace', { auths: { 'HOST/team-a': alice, 'HOST/team-b': bob } }],
			['a registry', { auths: { HOST: carol } }],
			[
				'an identity token',
				{ auths: { HOST: { auth: base64('x:'), identitytoken: identityToken } } },
			],
			['nothing', { auths: {} }],
		])(
			'sees what we see with a login for %s',
			async (_name, content) => {
				const reader = await open(content);
				for (const repository of ['public/app', 'team-a/app', 'team-b/app']) {
					const found = codeOf(await look(reader, repository));
					const reference = `docker://${registry.host}/${repository}:v1`;
					const theirs = await skopeo(
						folder,
						'inspect',
						'--raw',
						'--tls-verify=false',
						reference,
					).then(
						() => 'there',
						() => 'unauthorized',
					);
					expect([repository, found]).toEqual([repository, theirs]);
				}
			},
			20_000,
		);
	});
});

describe.skipIf(!hasDockerRegistry)('a docker-registry with passwords beside an open one', () => {
	// “tester” with the password “pass:word”, as htpasswd -B prints it.
	const line = 'tester:$2b$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki';
	let folder: string;
	let closed: DockerRegistry;
	let open: DockerRegistry;
	let layer: Pushed;

	beforeAll(async () => {
		folder = await mkdtemp(path.join(tmpdir(), 'espalier-passwords-'));
		const file = path.join(folder, 'htpasswd');
		await writeFile(file, `${line}\n`);
		open = await startDockerRegistry();
		closed = await startDockerRegistry({ auth: { htpasswd: { realm: 'test', path: file } } });
		const pusher = new Pusher(open.host);
		layer = await pusher.pushBlob('a/b', Buffer.alloc(100_000, 'x'));
		await pusher.close();
	}, 30_000);
	afterEach(stopAll);
	afterAll(async () => {
		await Promise.all([open.stop(), closed.stop()]);
		await rm(folder, { recursive: true, force: true });
	});

	async function copy(to: string, login: string | undefined, from = 'a/b'): Promise<string> {
		const auths = login === undefined ? {} : { [closed.host]: { auth: base64(login) } };
		const variables = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) };
		const host = { variables, homeDirectory: folder, platform: 'linux', uid: 0 };
		const reader = readerWith({ credentials: new HostCredentials({ host }), pace: realPace });
		const transfer = new Transfer({ reader, targetOf: () => reader.target });
		const registry = from === 'a/b' ? open.host : closed.host;
		const work = {
			to: refer(closed.host, layer.digest, to),
			sizeBytes: layer.size,
			from: [{ registry, repository: from }],
		};
		const last = (await all(transfer.copyBlobs([work]))).at(-1);
		return last?.state === 'failed' ? last.problem.code : (last?.state ?? 'nothing');
	}

	it('is written to with its own login, read from the other with none', async () => {
		expect(await copy('c/one', 'tester:pass:word')).toBe('copied');
		expect(await copy('c/one', 'tester:pass:word')).toBe('existed');
		expect(await copy('c/two', 'tester:pass:word', 'c/one')).toBe('mounted');
	});

	it.each([[undefined], ['tester:wrong'], ['stranger:pass:word']])(
		'takes nothing with the login %s',
		async (login) => {
			expect(await copy('c/three', login)).toBe('unauthorized');
		},
	);
});
