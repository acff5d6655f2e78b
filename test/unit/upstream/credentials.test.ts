import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';

let home: string;
beforeEach(async () => {
	home = await mkdtemp(path.join(tmpdir(), 'espalier-home-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

function base64(text: string): string {
	return Buffer.from(text, 'latin1').toString('base64');
}

async function put(file: string, content: unknown): Promise<string> {
	const full = path.join(home, file);
	await mkdir(path.dirname(full), { recursive: true });
	await writeFile(full, typeof content === 'string' ? content : JSON.stringify(content));
	return full;
}

async function helper(name: string, script: string): Promise<void> {
	await chmod(await put(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755);
}

function credentials(
	variables: Record<string, string> = {},
	platform = 'linux',
	clock: () => number = () => 0,
	helperTimeoutMs = 400,
): HostCredentials {
	const host = {
		variables: {
			PATH: `${path.join(home, 'bin')}:${process.env['PATH'] ?? ''}`,
			XDG_RUNTIME_DIR: path.join(home, 'run'),
			SECRET_OF_THE_HOST: 'not for helpers',
			...variables,
		},
		homeDirectory: home,
		platform,
		uid: 1000,
	};
	return new HostCredentials({ host, clock, helperTimeoutMs });
}

/** What was found, with its secret in the clear. */
async function found(
	source: HostCredentials,
	registry = 'quay.io',
	repository = 'a/b',
): Promise<string> {
	const credential = await source.find({ registry, repository });
	switch (credential.kind) {
		case 'none':
			return 'none';
		case 'unusable':
			return 'unusable';
		case 'password':
			return `${credential.username}:${credential.password.reveal()}`;
		case 'identity-token':
		case 'registry-token':
			return `${credential.kind} ${credential.token.reveal()}`;
	}
}

const entry = (text: string): { auth: string } => ({ auth: base64(text) });

describe('where auth files are looked for', () => {
	it.each([
		['run/containers/auth.json', {}, 'linux'],
		['.config/containers/auth.json', {}, 'linux'],
		['.config/containers/auth.json', {}, 'darwin'],
		['.docker/config.json', {}, 'linux'],
		['elsewhere/config.json', { DOCKER_CONFIG: 'elsewhere' }, 'linux'],
		['named.json', { REGISTRY_AUTH_FILE: 'named.json' }, 'linux'],
		['xdg/containers/auth.json', { XDG_CONFIG_HOME: 'xdg' }, 'linux'],
	])('finds %s with %j on %s', async (file, names, platform) => {
		await put(file, { auths: { 'quay.io': entry('me:pw') } });
		const variables = Object.fromEntries(
			Object.entries(names).map(([name, value]) => [name, path.join(home, value)]),
		);
		expect(await found(credentials(variables, platform))).toBe('me:pw');
	});

	it('takes a variable that is set to nothing for one that is not set', async () => {
		await put('.docker/config.json', { auths: { 'quay.io': entry('me:pw') } });
		await put('.config/containers/auth.json', { auths: { 'ghcr.io': entry('you:pw') } });
		const unset = { DOCKER_CONFIG: '', XDG_CONFIG_HOME: '', REGISTRY_AUTH_FILE: '' };
		const source = credentials({ ...unset, XDG_RUNTIME_DIR: '', DOCKER_AUTH_CONFIG: '' });
		expect([await found(source), await found(source, 'ghcr.io')]).toEqual(['me:pw', 'you:pw']);
	});

	it('reads ~/.dockercfg, which has entries alone', async () => {
		await put('.dockercfg', { 'https://quay.io/v1/': entry('old:pw') });
		expect(await found(credentials())).toBe('old:pw');
	});

	it('takes the first that has an entry', async () => {
		await put('run/containers/auth.json', { auths: { 'ghcr.io': entry('x:x') } });
		await put('.config/containers/auth.json', { auths: { 'quay.io': entry('second:pw') } });
		await put('.docker/config.json', { auths: { 'quay.io': entry('third:pw') } });
		expect(await found(credentials())).toBe('second:pw');
	});

	it('prefers DOCKER_AUTH_CONFIG and falls back to the files', async () => {
		await put('.docker/config.json', { auths: { 'ghcr.io': entry('file:pw') } });
		const DOCKER_AUTH_CONFIG = JSON.stringify({ auths: { 'quay.io': entry('env:pw') } });
		const source = credentials({ DOCKER_AUTH_CONFIG });
		expect([await found(source), await found(source, 'ghcr.io')]).toEqual(['env:pw', 'file:pw']);
	});

	it('finds nothing where there is nothing', async () => {
		expect(await found(credentials())).toBe('none');
	});

	it('misses a file that the user named', async () => {
		const source = credentials({ REGISTRY_AUTH_FILE: path.join(home, 'gone.json') });
		expect(await found(source)).toBe('unusable');
	});

	it('reads a file again when it has changed', async () => {
		const file = await put('.docker/config.json', { auths: { 'quay.io': entry('one:pw') } });
		const source = credentials();
		expect(await found(source)).toBe('one:pw');
		await put('.docker/config.json', { auths: { 'quay.io': entry('two:pw') } });
		await utimes(file, 10, 10);
		expect(await found(source)).toBe('two:pw');
	});
});

describe('entries', () => {
	it.each([
		['a password with colons', entry('me:a:b:c'), 'me:a:b:c'],
		['padding with NULs', entry('me:pw\0\0'), 'me:pw'],
		['user name and password apart', { username: 'me', password: 'pw' }, 'me:pw'],
		['an identity token', { identitytoken: 'it', auth: base64('me:') }, 'identity-token it'],
		['a helper’s way to say identity token', entry('<token>:it'), 'identity-token it'],
		['a registry token', { registrytoken: 'rt' }, 'registry-token rt'],
		['a registry token that no header can hold', { registrytoken: 'a\r\nb' }, 'none'],
		['nothing, which means that a helper has it', {}, 'none'],
		['null', null, 'none'],
		['auth that is not base64', { auth: '%%%' }, 'unusable'],
		['auth without a colon', entry('nocolon'), 'unusable'],
	])('may hold %s', async (_name, content, expected) => {
		await put('.docker/config.json', { auths: { 'quay.io': content } });
		expect(await found(credentials())).toBe(expected);
	});

	it.each([
		['quay.io', 'quay.io'],
		['https://quay.io', 'quay.io'],
		['https://quay.io/v1/', 'quay.io'],
		['http://quay.io/v2/', 'quay.io'],
		['quay.io/v1/', 'quay.io'],
		['quay.io:8443', 'quay.io:8443'],
		['https://index.docker.io/v1/', 'docker.io'],
		['docker.io', 'docker.io'],
		['registry-1.docker.io', 'docker.io'],
	])('are found under the key %s', async (key, registry) => {
		await put('.docker/config.json', { auths: { [key]: entry('me:pw') } });
		expect(await found(credentials(), registry)).toBe('me:pw');
	});

	it.each([
		['quay.io:8443', 'quay.io'],
		['quay.io.evil.test', 'quay.io'],
		['notquay.io', 'quay.io'],
		['quay.io/a', 'quay.io'],
	])('are not found under Docker’s key %s', async (key, registry) => {
		await put('.docker/config.json', { auths: { [key]: entry('me:pw') } });
		expect(await found(credentials(), registry)).toBe('none');
	});

	it.each([
		['a/b/c', 'abc:1'],
		['a/b', 'ab:1'],
		['a/bb', 'a:1'],
		['a', 'a:1'],
		['z', 'host:1'],
	])('of Podman’s files cover %s by the longest prefix', async (repository, expected) => {
		const auths = {
			'quay.io': entry('host:1'),
			'quay.io/a': entry('a:1'),
			'quay.io/a/b': entry('ab:1'),
			'quay.io/a/b/c': entry('abc:1'),
		};
		await put('run/containers/auth.json', { auths });
		expect(await found(credentials(), 'quay.io', repository)).toBe(expected);
	});
});

describe('damaged auth files', () => {
	it.each([
		['no JSON', '{"auths":{"quay.io":{"auth":"c2VjcmV0'],
		['another layout', '{"auths":["c2VjcmV0"]}'],
	])('with %s are named without quoting them', async (_name, content) => {
		const file = await put('.docker/config.json', content);
		const use = await credentials().describe({ registry: 'quay.io', repository: 'a/b' });
		expect(use).toMatchObject({ kind: 'unusable', source: file });
		expect(JSON.stringify(use)).not.toContain('c2VjcmV0');
	});

	it('do not hide an entry of another file', async () => {
		await put('run/containers/auth.json', '{');
		await put('.docker/config.json', { auths: { 'quay.io': entry('me:pw') } });
		expect(await found(credentials())).toBe('me:pw');
	});

	it('include a DOCKER_AUTH_CONFIG with unknown fields', async () => {
		const DOCKER_AUTH_CONFIG = JSON.stringify({ auths: {}, credsStore: 'x' });
		expect(await found(credentials({ DOCKER_AUTH_CONFIG }))).toBe('unusable');
	});
});

describe('credential helpers', () => {
	const answer = `cat > "$HOME/asked"; echo '{"ServerURL":"https://quay.io/v2/","Username":"h","Secret":"pw"}'`;

	it('come before entries, and the helper of a registry before the store', async () => {
		await helper('own', answer);
		await helper('store', `cat >/dev/null; echo '{"Username":"s","Secret":"pw"}'`);
		const auths = { 'quay.io': entry('file:pw') };
		const credHelpers = { 'quay.io': 'own' };
		await put('.docker/config.json', { auths, credHelpers, credsStore: 'store' });
		const source = credentials();
		expect([await found(source), await found(source, 'ghcr.io')]).toEqual(['h:pw', 's:pw']);
	});

	it('are asked with the server name they know, and little else', async () => {
		await helper('env', `cat; env; cat > "$HOME/asked" <<X\n$(cat; env)\nX\n`);
		await helper(
			'show',
			`read server; printf '{"Username":"%s","Secret":"%s"}' "$server" "\${SECRET_OF_THE_HOST:-nothing}"`,
		);
		await put('.docker/config.json', { credsStore: 'show' });
		expect(await found(credentials(), 'docker.io')).toBe('https://index.docker.io/v1/:nothing');
		expect(await found(credentials(), 'quay.io')).toBe('quay.io:nothing');
	});

	it('may say that the password is an identity token', async () => {
		await helper('id', `cat >/dev/null; echo '{"Username":"<token>","Secret":"it"}'`);
		await put('.docker/config.json', { credsStore: 'id' });
		expect(await found(credentials())).toBe('identity-token it');
	});

	it('that have nothing leave the registry anonymous', async () => {
		await helper(
			'empty',
			`cat >/dev/null; echo 'credentials not found in native keychain'; exit 1`,
		);
		await put('.docker/config.json', { credsStore: 'empty' });
		expect(await found(credentials())).toBe('none');
	});

	it.each([
		[
			'fails',
			'bad',
			'cat >/dev/null; echo "hunter2 locked" >&2; echo hunter2; exit 3',
			/docker-credential-bad\) failed/,
		],
		['prints no credential', 'odd', 'echo "[hunter2]"', /no credential/],
		[
			'has the login of another server',
			'lie',
			`cat >/dev/null; echo '{"ServerURL":"quay.io.evil.test","Username":"hunter2","Secret":"hunter2"}'`,
			/the login of another server/,
		],
		['prints a megabyte', 'loud', 'head -c 1000000 /dev/zero', /more than a credential can be/],
		[
			'hangs, and what it started hangs too',
			'slow',
			'sleep 60 & sleep 60',
			/did not answer in time/,
		],
	])('that %s makes the credential unusable', async (_name, name, script, reason) => {
		await helper(name, script);
		await put('.docker/config.json', { credsStore: name });
		const use = await credentials().describe({ registry: 'quay.io', repository: 'a/b' });
		expect(use.kind).toBe('unusable');
		expect(use.reason).toMatch(reason);
		expect(use.reason).not.toContain('hunter2');
	});

	it.each(['../x', '/bin/sh', 'a b', 'x;reboot', '', '-x', 'missing'])(
		'named %j are not run',
		async (name) => {
			await put('.docker/config.json', { credHelpers: { 'quay.io': name } });
			expect(await found(credentials())).toBe(name === '' ? 'none' : 'unusable');
		},
	);

	it('are asked once for many at a time, and again when their answer is old', async () => {
		await helper(
			'count',
			`cat >/dev/null; echo x >> "$HOME/count"; printf '{"Username":"%s","Secret":"pw"}' "$(wc -l < "$HOME/count")"`,
		);
		await put('.docker/config.json', { credsStore: 'count' });
		let now = 0;
		const source = credentials({}, 'linux', () => now);
		const twice = await Promise.all([found(source), found(source)]);
		now = 400_000;
		expect([...twice, await found(source)].map((one) => one.trim())).toEqual([
			'1:pw',
			'1:pw',
			'2:pw',
		]);
	});
});

describe('credential helpers of many registries', () => {
	it('run four at a time, one for each registry', async () => {
		await helper(
			'slow',
			`read server; echo + >> "$HOME/runs"; sleep 0.05; echo - >> "$HOME/runs"; printf '{"Username":"%s","Secret":"pw"}' "$server"`,
		);
		await put('.docker/config.json', { credsStore: 'slow' });
		const source = credentials({}, 'linux', () => 0, 10_000);
		const registries = [...Array(40).keys()].map((number) => `r${number % 20}.test`);
		const answers = await Promise.all(registries.map((registry) => found(source, registry)));
		expect(answers).toEqual(registries.map((registry) => `${registry}:pw`));
		const lines = (await readFile(path.join(home, 'runs'), 'utf8')).trim().split('\n');
		let running = 0;
		const most = Math.max(...lines.map((line) => (running += line === '+' ? 1 : -1)));
		expect(lines.filter((line) => line === '+')).toHaveLength(20);
		expect(most).toBeLessThanOrEqual(4);
	});

	it('are asked once for one registry under several names', async () => {
		await helper(
			'hub',
			`cat >/dev/null; echo x >> "$HOME/runs"; echo '{"Username":"h","Secret":"pw"}'`,
		);
		await put('.docker/config.json', { credsStore: 'hub' });
		const source = credentials();
		const names = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];
		await Promise.all(names.map((registry) => found(source, registry)));
		expect(await readFile(path.join(home, 'runs'), 'utf8')).toBe('x\n');
	});
});

describe('secrets', () => {
	it('show in no description, serialisation or inspection', async () => {
		await put('.docker/config.json', { auths: { 'quay.io': entry('me:hunter2') } });
		const source = credentials();
		const repository = { registry: 'quay.io', repository: 'a/b' };
		const credential = await source.find(repository);
		const shown = [
			JSON.stringify(credential),
			inspect(credential, { depth: 9, showHidden: true }),
			JSON.stringify(await source.describe(repository)),
		].join('\n');
		expect(shown).toContain('me');
		expect(shown).not.toContain('hunter2');
	});
});
