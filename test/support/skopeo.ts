/** Foreign clients that must accept what Espalier serves: skopeo and podman, where they are installed. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isInstalled } from './programs.ts';

const run = promisify(execFile);
const mostOutputBytes = 64 * 1024 * 1024;

export const hasSkopeo = isInstalled('skopeo');

/** Runs a command with its own empty configuration; gives its output as bytes, or fails with what it said. */
async function runAlone(
	command: string,
	args: readonly string[],
	environment: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
	const { stdout } = await run(command, args, {
		encoding: 'buffer',
		maxBuffer: mostOutputBytes,
		env: { ...process.env, ...environment },
	});
	return new Uint8Array(stdout);
}

/** @param home a temporary folder for its credentials and caches */
export function skopeo(home: string, ...args: readonly string[]): Promise<Uint8Array> {
	return runAlone('skopeo', ['--insecure-policy', '--tmpdir', home, ...args], {
		HOME: home,
		XDG_DATA_HOME: home,
		REGISTRY_AUTH_FILE: `${home}/auth.json`,
	});
}

/** @param home a temporary folder for its storage; nothing of the machine's own images is touched */
export function podman(home: string, ...args: readonly string[]): Promise<Uint8Array> {
	const storage = ['--root', `${home}/root`, '--runroot', `${home}/run`, '--storage-driver', 'vfs'];
	return runAlone('podman', [...storage, '--tmpdir', `${home}/tmp`, ...args], {
		HOME: home,
		TMPDIR: home,
		REGISTRY_AUTH_FILE: `${home}/auth.json`,
	});
}

/** False where podman is not installed, or cannot run here (it needs root for storage of its own). */
export async function podmanRuns(): Promise<boolean> {
	if (!isInstalled('podman') || process.getuid?.() !== 0) return false;
	const home = await mkdtemp(join(tmpdir(), 'espalier-podman-'));
	try {
		await writeFile(join(home, 'auth.json'), '{}');
		await podman(home, 'info');
		return true;
	} catch {
		return false;
	} finally {
		await rm(home, { recursive: true, force: true });
	}
}
