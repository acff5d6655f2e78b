/** Finds servers of this user that are really running. */
import { request } from 'undici';
import { sessionSchema, tokenHeader } from '../../shared/api/schema.ts';
import { listRuntimeFiles, readRuntimeFile, type Runtime } from './runtime-file.ts';

const patienceMs = 2_000;

function processLives(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch {
		return false;
	}
}

async function answers({ port, token }: Runtime): Promise<boolean> {
	try {
		const response = await request(`http://127.0.0.1:${port}/api/session`, {
			headers: { [tokenHeader]: token },
			signal: AbortSignal.timeout(patienceMs),
		});
		const body: unknown = await response.body.json();
		return response.statusCode === 200 && sessionSchema.safeParse(body).success;
	} catch {
		return false;
	}
}

/** True where the process is there and what listens on the port knows the token. */
export async function isRunning(runtime: Runtime): Promise<boolean> {
	return processLives(runtime.pid) && (await answers(runtime));
}

/** The server on this port, where there is one of this user's. */
export async function findServerOn(
	dataDirectory: string,
	port: number,
): Promise<Runtime | undefined> {
	const runtime = readRuntimeFile(dataDirectory, port);
	return runtime && (await isRunning(runtime)) ? runtime : undefined;
}

/** The server on the preferred port, else the one started last. */
export async function findServer(
	dataDirectory: string,
	preferredPort: number,
): Promise<Runtime | undefined> {
	const preferred = await findServerOn(dataDirectory, preferredPort);
	if (preferred) return preferred;
	for (const runtime of listRuntimeFiles(dataDirectory)) {
		if (await isRunning(runtime)) return runtime;
	}
	return undefined;
}
