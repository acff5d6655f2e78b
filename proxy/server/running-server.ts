/** Finds servers of this user that are really running, and asks them for what opens their page. */
import { request } from 'undici';
import { entryCodeSchema, proofSchema, tokenHeader } from '../../shared/api/schema.ts';
import { proofOf } from '../guard/proof.ts';
import { createToken, tokensEqual } from '../guard/token.ts';
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

/** The token stays here: whatever listens now may be another program, with the process number of the server. */
async function provesItself({ port, token }: Runtime): Promise<boolean> {
	const nonce = createToken();
	try {
		const response = await request(`http://127.0.0.1:${port}/api/session/proof?nonce=${nonce}`, {
			signal: AbortSignal.timeout(patienceMs),
		});
		const { proof } = proofSchema.parse(await response.body.json());
		return tokensEqual(proofOf(token, { nonce, port }), proof);
	} catch {
		return false;
	}
}

/** True where the process is there and what listens on the port knows the token. */
export async function isRunning(runtime: Runtime): Promise<boolean> {
	return processLives(runtime.pid) && (await provesItself(runtime));
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

/** A code that opens the page once. Only for servers that were found running, as it sends the token. */
export async function requestCode({
	port,
	token,
}: Pick<Runtime, 'port' | 'token'>): Promise<string> {
	const response = await request(`http://127.0.0.1:${port}/api/session/code`, {
		method: 'POST',
		headers: { [tokenHeader]: token },
		signal: AbortSignal.timeout(patienceMs),
	});
	const parsed = entryCodeSchema.safeParse(await response.body.json());
	if (!parsed.success) throw new Error(`The server on port ${port} gave no code.`);
	return parsed.data.code;
}
