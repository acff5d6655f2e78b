import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApp } from '../../../proxy/app.ts';
import { listenOnLoopback, type Listening } from '../../../proxy/server/listen.ts';
import { openRegistries, type OpenedRegistries } from '../../../proxy/server/registries.ts';
import { toRequestListener } from '../../../proxy/server/request-listener.ts';
import type { KeyedLogin } from '../../../shared/login/login.ts';
import { mediaTypes } from '../../../shared/oci/media-type.ts';
import { byDigest } from '../../../shared/oci/reference.ts';
import { hashBytes } from '../../../web/api/hashing.ts';
import { ProxyClient } from '../../../web/api/proxy-client.ts';
import { ProxyRegistries } from '../../../web/api/proxy-registries.ts';
import { describeRegistry } from '../../../web/state/registry-facts.svelte.ts';
import {
	hasDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../../support/docker-registry.ts';
import { contentOf } from '../../support/release-maker.ts';
import { appOptions, token } from './fake-reader.ts';

// “tester” with the password “pass:word”, as htpasswd -B prints it.
const line = 'tester:$2b$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki';
const marker = 'hunter2-marker';
const manifest = contentOf(mediaTypes.ociIndex, { schemaVersion: 2, manifests: [] });

describe.skipIf(!hasDockerRegistry)('logins of a page, at a registry that wants passwords', () => {
	let folder: string;
	let registry: DockerRegistry;
	let opened: OpenedRegistries;
	let server: Listening;

	beforeAll(async () => {
		folder = await mkdtemp(path.join(tmpdir(), 'espalier-typed-'));
		vi.stubGlobal('navigator', {});
		// Nobody's own logins.
		vi.stubEnv('DOCKER_CONFIG', folder);
		vi.stubEnv('HOME', folder);
		vi.stubEnv('XDG_RUNTIME_DIR', folder);
		const file = path.join(folder, 'htpasswd');
		await writeFile(file, `${line}\n`);
		registry = await startDockerRegistry({
			auth: { htpasswd: { realm: 'test', path: file } },
			accessLog: true,
		});
		const registries = { plainHttp: [], authorities: new Map(), trustedRealms: [] };
		opened = await openRegistries({ store: path.join(folder, 'store'), registries }, token);
		server = await listenOnLoopback(0, (port) =>
			toRequestListener(createApp({ ...appOptions({ port }), ...opened })),
		);
	}, 30_000);
	afterAll(async () => {
		await server.close();
		await opened.close();
		await registry.stop();
		await rm(folder, { recursive: true, force: true });
		vi.unstubAllEnvs();
		vi.unstubAllGlobals();
	});

	function clientWith(...logins: readonly KeyedLogin[]): ProxyClient {
		const origin = `http://127.0.0.1:${server.port}`;
		return new ProxyClient({ token: () => token, origin, logins: () => logins });
	}

	function login(password: string, entry = registry.host): KeyedLogin {
		return { entry, login: { kind: 'password', username: 'tester', password } };
	}

	const target = (repository: string) => ({ registry: registry.host, repository });

	async function push(repository: string, ...logins: readonly KeyedLogin[]): Promise<string> {
		const to = byDigest(target(repository), manifest.digest);
		const { mediaType, bytes } = manifest;
		const registries = new ProxyRegistries(clientWith(...logins), hashBytes);
		for await (const result of registries.pushManifests([{ to, mediaType, bytes }])) {
			return result.state === 'failed' ? result.problem.code : result.state;
		}
		return 'nothing';
	}

	async function read(repository: string, ...logins: readonly KeyedLogin[]): Promise<string> {
		const reference = byDigest(target(repository), manifest.digest);
		const registries = new ProxyRegistries(clientWith(...logins), hashBytes);
		for await (const result of registries.readManifests([{ reference }])) {
			if (result.ok) return 'read';
			expect(JSON.stringify(result.problem)).not.toContain(marker);
			return `${result.problem.code}: ${result.problem.reason}`;
		}
		return 'nothing';
	}

	it('let the page that has them read and write, and no other', async () => {
		expect(await push('team/image', login('pass:word'))).toBe('pushed');
		expect(await read('team/image', login('pass:word'))).toBe('read');
		expect(await read('team/image')).toMatch(/^unauthorized/);
		expect(await push('team/image')).toBe('unauthorized');
	});

	it('are forgotten with the request: the next one without them is refused', async () => {
		expect(await read('team/image', login('pass:word'))).toBe('read');
		expect(await read('team/image')).toMatch(/^unauthorized/);
	});

	it('are tried once where they are wrong, and said to be what was typed', async () => {
		const before = registry.requests.length;
		expect(await read('team/image', login(marker))).toMatch(/^unauthorized: .*typed into the page/);
		// One to learn what it asks for, if that, and one with the login.
		expect(registry.requests.length - before).toBeLessThanOrEqual(2);
	});

	it('are for their namespace alone', async () => {
		const ofTeam = login('pass:word', `${registry.host}/team`);
		expect(await read('team/image', ofTeam)).toBe('read');
		expect(await push('other/image', ofTeam)).toBe('unauthorized');
	});

	it('are said to be used there, without their secret', async () => {
		const facts = await describeRegistry(clientWith(login(marker)), target('team/image'));
		expect(facts.credential).toEqual({
			registry: registry.host,
			kind: 'password',
			username: 'tester',
			source: 'what was typed into the page',
			entry: registry.host,
		});
		const without = await describeRegistry(clientWith(), target('team/image'));
		expect(without.credential).toEqual({ registry: registry.host, kind: 'none' });
	});
});
