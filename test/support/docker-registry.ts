/** Debian's `docker-registry` on a free loopback port with a folder of its own, for as long as a test needs it. */
import { spawn } from 'node:child_process';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { isInstalled } from './programs.ts';

export interface DockerRegistryOptions {
	/** the `auth` section of its configuration, such as `{ htpasswd: { realm, path } }` */
	readonly auth?: Readonly<Record<string, Readonly<Record<string, string>>>>;
	/** the `storage` section's `maintenance` or others, merged in as they are */
	readonly storage?: Readonly<Record<string, unknown>>;
	/** keeps its data in memory where the machine has a file system for that, so that no disk is measured */
	readonly inMemory?: boolean;
	/** keeps count of what it is asked */
	readonly accessLog?: boolean;
}

export interface DockerRegistry {
	/** `127.0.0.1:PORT`, as references write it */
	readonly host: string;
	readonly pid: number;
	/** Method and path of each request so far, where `accessLog` was wanted. */
	readonly requests: readonly string[];
	stop(): Promise<void>;
}

const program = 'docker-registry';

/** Tests that need it skip where it is not there. */
export const hasDockerRegistry = isInstalled(program);
export const skippedWithoutDockerRegistry = 'docker-registry is not installed';
const patienceMs = 20_000;
const memoryFolder = '/dev/shm';

export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (typeof address !== 'object' || address === null) throw new Error('no port');
	return address.port;
}

function configuration(root: string, host: string, options: DockerRegistryOptions): string {
	// JSON is YAML.
	return JSON.stringify({
		version: 0.1,
		log: { level: 'error', accesslog: { disabled: options.accessLog !== true } },
		storage: {
			filesystem: { rootdirectory: root, maxthreads: 200 },
			delete: { enabled: true },
			...options.storage,
		},
		http: { addr: host },
		...(options.auth && { auth: options.auth }),
	});
}

async function parentFolder({ inMemory = false }: DockerRegistryOptions): Promise<string> {
	if (!inMemory) return tmpdir();
	return access(memoryFolder, constants.W_OK).then(
		() => memoryFolder,
		() => tmpdir(),
	);
}

async function isReady(host: string): Promise<boolean> {
	try {
		const { statusCode, body } = await request(`http://${host}/v2/`);
		await body.dump();
		return statusCode === 200 || statusCode === 401;
	} catch {
		return false;
	}
}

/** From the access log, which is in Apache's combined form. */
function collectRequests(log: Readable): readonly string[] {
	const requests: string[] = [];
	createInterface({ input: log }).on('line', (line) => {
		const request = /"([A-Z]+ \S+) HTTP/.exec(line)?.[1];
		if (request !== undefined) requests.push(request);
	});
	return requests;
}

/** Starts one and waits until it answers. @throws where the program is missing or does not come up */
export async function startDockerRegistry(
	options: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
	const root = await mkdtemp(path.join(await parentFolder(options), 'espalier-registry-'));
	const host = `127.0.0.1:${await freePort()}`;
	const file = path.join(root, 'config.yml');
	await writeFile(file, configuration(path.join(root, 'data'), host, options));
	const child = spawn(program, ['serve', file], { stdio: ['ignore', 'pipe', 'pipe'] });
	const requests = collectRequests(child.stdout);
	const complaints: Buffer[] = [];
	child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
	const state = { ended: false };
	const exit = new Promise<void>((resolve) => {
		const settle = (): void => {
			state.ended = true;
			resolve();
		};
		child.once('error', settle);
		child.once('exit', settle);
	});
	const stop = async (): Promise<void> => {
		child.kill('SIGKILL');
		await exit;
		await rm(root, { recursive: true, force: true });
	};
	const deadline = Date.now() + patienceMs;
	while (!(await isReady(host))) {
		if (state.ended || Date.now() > deadline) {
			await stop();
			throw new Error(`${program} did not start: ${Buffer.concat(complaints).toString()}`);
		}
		await delay(20);
	}
	return { host, pid: child.pid ?? 0, requests, stop };
}
