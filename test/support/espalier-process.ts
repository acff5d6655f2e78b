/** The built program in a process of its own, with a home of its own, as long as a test needs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export const program = join(import.meta.dirname, '../../dist/proxy/main.js');

export interface Home {
	readonly folder: string;
	readonly env: NodeJS.ProcessEnv;
	remove(): Promise<void>;
}

/** A user without logins and without data. */
export async function makeHome(): Promise<Home> {
	const folder = await mkdtemp(join(tmpdir(), 'espalier-home-'));
	const { PATH } = process.env;
	const env = { PATH, HOME: folder, XDG_DATA_HOME: folder, DOCKER_CONFIG: folder, CI: 'true' };
	return { folder, env, remove: () => rm(folder, { recursive: true, force: true }) };
}

export interface RunningEspalier {
	/** with the token in its fragment */
	readonly url: string;
	readonly origin: string;
	readonly token: string;
	readonly process: ChildProcess;
	/** A link into the page that brings the token along. */
	linkTo(route: string): string;
	stop(): Promise<void>;
}

/** Starts `espalier serve` and waits for the address that it prints. */
export async function startEspalier(
	home: Home,
	args: readonly string[] = ['--port', '0'],
): Promise<RunningEspalier> {
	const child = spawn(process.execPath, [program, 'serve', '--no-open', ...args], {
		env: home.env,
	});
	const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
	const url = await new Promise<string>((resolve, reject) => {
		let printed = '';
		const read = (chunk: Buffer) => {
			printed += chunk.toString();
			const found = /http:\/\/localhost:\d+\/#t=[\w-]+/.exec(printed)?.[0];
			if (found) resolve(found);
		};
		child.stdout.on('data', read);
		child.stderr.on('data', read);
		child.once('close', () => reject(new Error(`espalier serve ended: ${printed}`)));
	});
	const { origin, hash } = new URL(url);
	const token = hash.slice('#t='.length);
	return {
		url,
		origin,
		token,
		process: child,
		linkTo: (route) => `${origin}/#t=${token}&to=${encodeURIComponent(route)}`,
		stop: async () => {
			child.kill('SIGTERM');
			await ended;
		},
	};
}

export interface Finished {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** Runs another command of the program to its end. */
export function runEspalier(home: Home, args: readonly string[]): Promise<Finished> {
	const child = spawn(process.execPath, [program, ...args], { env: home.env });
	const output = { stdout: '', stderr: '' };
	child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
	child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
	return new Promise((resolve) =>
		child.once('close', (code) => resolve({ code: code ?? 1, ...output })),
	);
}

/** Lets `espalier open LINK` open a browser, and gives the address that the browser was handed. */
export async function addressForBrowser(
	home: Home,
	link: string,
	flags: readonly string[] = [],
): Promise<string> {
	const bin = await mkdtemp(join(home.folder, 'bin-'));
	const file = join(bin, 'opened');
	await writeFile(join(bin, 'xdg-open'), `#!/bin/sh\nprintf '%s\\n' "$1" > '${file}'\n`, {
		mode: 0o755,
	});
	const env = { ...home.env, CI: '', DISPLAY: ':0', PATH: `${bin}:${home.env['PATH'] ?? ''}` };
	const { code, stderr } = await runEspalier({ ...home, env }, ['open', ...flags, link]);
	if (code !== 0) throw new Error(`espalier open ended: ${stderr}`);
	for (let left = 100; left > 0; left -= 1) {
		const address = await readFile(file, 'utf8').catch(() => '');
		if (address.endsWith('\n')) return address.trim();
		await wait(50);
	}
	throw new Error(`espalier open opened nothing: ${stderr}`);
}
