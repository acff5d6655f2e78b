import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning } from '../../../proxy/server/running-server.ts';
import {
	listRuntimeFiles,
	readRuntimeFile,
	writeRuntimeFile,
} from '../../../proxy/server/runtime-file.ts';
import { loginsHeader, printLogins } from '../../../shared/api/logins.ts';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { makeHome, type Home } from '../../support/espalier-process.ts';
import { fromSources } from '../../support/shared-replica.ts';
import { startScripted, stopAll, type ScriptedServer } from '../upstream/scripted-server.ts';

const password = 'hunter2-FILE-7d1e';
const typed = 'hunter2-TYPED-20fb';
const upstreamProxy = 'hunter2-PROXY-e3b0';
const secrets = [password, typed, upstreamProxy].flatMap((secret) => [
	secret,
	Buffer.from(`alice:${secret}`).toString('base64'),
]);

let home: Home;
let registry: ScriptedServer;

beforeAll(async () => {
	home = await makeHome();
	// It takes nobody, and says to everybody what it was told.
	registry = await startScripted((incoming, response) => {
		incoming.resume();
		const { authorization } = incoming.headers;
		if (!authorization) {
			response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
			return;
		}
		const heard = `${authorization} ${Buffer.from(authorization.slice(6), 'base64').toString()}`;
		const errors = [{ code: 'DENIED', message: heard, detail: { heard } }];
		response.writeHead(403, { 'x-request-id': heard, warning: heard });
		response.end(JSON.stringify({ errors }));
	});
	const auth = Buffer.from(`alice:${password}`).toString('base64');
	const auths = { [registry.host]: { auth } };
	await writeFile(join(home.folder, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 });
});
afterAll(async () => {
	await stopAll();
	await home.remove();
});

interface Output {
	text: string;
}

function start(args: readonly string[]) {
	const env = { ...home.env, HTTPS_PROXY: `http://alice:${upstreamProxy}@127.0.0.1:1` };
	const child = spawn(process.execPath, [...fromSources, ...args], { env });
	const output: Output = { text: '' };
	for (const stream of [child.stdout, child.stderr]) {
		stream.on('data', (chunk: Buffer) => (output.text += chunk.toString()));
	}
	return { child, output, ended: once(child, 'close') };
}

/** Every file below a folder that holds one of the secrets, other than where the user put it. */
async function filesWithSecrets(folder: string): Promise<readonly string[]> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	const found: string[] = [];
	for (const entry of entries) {
		const file = join(entry.parentPath, entry.name);
		if (!entry.isFile() || file === join(home.folder, 'config.json')) continue;
		const text = await readFile(file, 'latin1');
		if (secrets.some((secret) => text.includes(secret))) found.push(file);
	}
	return found;
}

function expectNoSecret(text: string): void {
	for (const secret of secrets) expect(text).not.toContain(secret);
}

describe('D8 (test 17): secrets', () => {
	it('are in nothing that commands print or leave', async () => {
		const image = () => `${registry.host}/team/release:1`;
		const runs = [
			['audit', image()],
			['audit', image(), '--json'],
			['audit', 'registry.example.com/team/release:1'],
			[
				'plan',
				'prune',
				image(),
				'--drop-placeholders',
				'--to',
				`${registry.host}/team/c`,
				'--release',
				image(),
			],
		].map((args) => start(args));
		await Promise.all(runs.map(({ ended }) => ended));
		for (const { output } of runs) {
			expect(output.text).not.toBe('');
			expectNoSecret(output.text);
		}
		expect(registry.requests.some(({ authorization }) => authorization !== undefined)).toBe(true);
		expect(await filesWithSecrets(home.folder)).toEqual([]);
	}, 30_000);

	it('are in nothing that a server answers, prints or leaves, and nobody else can read its key', async () => {
		const { child, output, ended } = start(['serve', '--no-open', '--port', '0']);
		try {
			await expect.poll(() => output.text, { timeout: 15_000 }).toMatch(/#t=[\w-]+\n/);
			const [, port = '', token = ''] = /localhost:(\d+)\/#t=([\w-]+)/.exec(output.text) ?? [];
			const login = { kind: 'password', username: 'alice', password: typed } as const;
			const logins = printLogins([{ entry: `${registry.host}/typed`, login }]);
			const headers = {
				[tokenHeader]: token,
				[loginsHeader]: logins,
				'content-type': 'application/json',
			};
			const ask = async (path: string, body?: unknown) => {
				const answer = await request(`http://127.0.0.1:${port}/api/${path}`, {
					method: body === undefined ? 'GET' : 'POST',
					headers,
					body: body === undefined ? null : JSON.stringify(body),
				});
				return `${JSON.stringify(answer.headers)} ${await answer.body.text()}`;
			};
			for (const repository of ['own/a', 'typed/a']) {
				const reference = { registry: registry.host, repository, tag: '1' };
				const digest = `sha256:${'0'.repeat(64)}`;
				const written = `${registry.host}/${repository}`;
				const answers = [
					await ask('session'),
					await ask('manifests', { requests: [{ reference }] }),
					await ask(`tags?repository=${written}`),
					await ask(`blob?reference=${written}@${digest}`),
					await ask(`registries?repository=${written}`),
					await ask('tags/move', { moves: [{ ...reference, digest, expect: 'absent' }] }),
					await ask('manifests', {
						requests: [{ reference: { ...reference, tag: typed.repeat(9) } }],
					}),
				];
				expectNoSecret(answers.slice(0, -1).join('\n'));
			}
			const [key] = listRuntimeFiles(join(home.folder, 'espalier'));
			expect(key).toMatchObject({ port: Number(port), token });
			const run = join(home.folder, 'espalier/run');
			expect((await lstat(run)).mode & 0o777).toBe(0o700);
			expect((await lstat(join(run, `${port}.json`))).mode & 0o777).toBe(0o600);
			const commandLine = await readFile(`/proc/${child.pid}/cmdline`, 'latin1').catch(() => '');
			expect(commandLine).not.toContain(token);
		} finally {
			child.kill('SIGTERM');
			await ended;
		}
		expectNoSecret(output.text);
		expect(
			registry.requests.some(({ authorization = '' }) =>
				authorization.includes(Buffer.from(`alice:${typed}`).toString('base64')),
			),
		).toBe(true);
		expect(await filesWithSecrets(home.folder)).toEqual([]);
		expect(listRuntimeFiles(join(home.folder, 'espalier'))).toEqual([]);
	}, 30_000);
});

describe('D3, D (adversary D): the file of a running server', () => {
	const runtime = { port: 4763, token: 'T'.repeat(43), pid: process.pid, startedAt: 1 };

	it('takes the rights away that a folder had before', async () => {
		const data = join(home.folder, 'open');
		await mkdir(join(data, 'run'), { recursive: true });
		await chmod(join(data, 'run'), 0o777);
		writeRuntimeFile(data, runtime);
		expect((await lstat(join(data, 'run'))).mode & 0o777).toBe(0o700);
	});

	it('replaces a link at its place, and does not write through it', async () => {
		const data = join(home.folder, 'linked');
		await mkdir(join(data, 'run'), { recursive: true, mode: 0o700 });
		const elsewhere = join(home.folder, 'elsewhere.json');
		await writeFile(elsewhere, 'theirs');
		await symlink(elsewhere, join(data, 'run/4763.json'));
		writeRuntimeFile(data, runtime);
		expect(await readFile(elsewhere, 'utf8')).toBe('theirs');
		expect((await lstat(join(data, 'run/4763.json'))).isFile()).toBe(true);
	});

	it('is not written into a folder that is a link', async () => {
		const data = join(home.folder, 'linked-folder');
		const elsewhere = join(home.folder, 'elsewhere');
		await mkdir(data);
		await mkdir(elsewhere, { mode: 0o755 });
		await symlink(elsewhere, join(data, 'run'));
		expect(() => writeRuntimeFile(data, runtime)).toThrow(/symbolic link|not a folder/);
		expect(await readdir(elsewhere)).toEqual([]);
		expect((await lstat(elsewhere)).mode & 0o777).toBe(0o755);
	});

	it('counts only where it is this user’s own, and nobody else can write it', async () => {
		const data = join(home.folder, 'planted');
		writeRuntimeFile(data, runtime);
		const file = join(data, 'run/4763.json');
		expect(readRuntimeFile(data, 4763)).toEqual(runtime);
		await chmod(file, 0o666);
		expect(readRuntimeFile(data, 4763)).toBeUndefined();
	});

	it('leads nobody to a program that merely listens there', async () => {
		const imposter = await startScripted((_, response) => response.end('{"proof":"x"}'));
		expect(await isRunning({ ...runtime, port: imposter.port })).toBe(false);
		expect(JSON.stringify(imposter.requests)).not.toContain(runtime.token);
	});
});
