/** Credential helpers: other people's programs, run without a shell and kept short (D17, docker-credential-helpers). */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import * as z from 'zod';
import { registryOfKey } from '../../../shared/login/entry-key.ts';
import { loginOf } from '../../../shared/login/login.ts';
import type { HostEnvironment } from './auth-file-locations.ts';
import { credentialOf, type Credential } from './credential.ts';
import { helperServer } from './helper-server.ts';

const helperName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const mostOutputBytes = 64 * 1024;
const usualTimeoutMs = 10_000;
const notFound = 'credentials not found in native keychain';

const answerSchema = z.looseObject({
	ServerURL: z.string().nullish(),
	Username: z.string(),
	Secret: z.string(),
});

/** What helpers need to find their key ring, agent or cloud account; nothing else is passed on. */
const passedOn =
	/^(?:PATH|HOME|USER|LOGNAME|LANG|LC_ALL|TMPDIR|TEMP|TMP|XDG_.+|DBUS_SESSION_BUS_ADDRESS|DISPLAY|WAYLAND_DISPLAY|GNUPGHOME|GPG_TTY|PASSWORD_STORE_DIR|DOCKER_CONFIG|AWS_.+|AZURE_.+|GOOGLE_.+|CLOUDSDK_.+|HTTPS?_PROXY|NO_PROXY|SYSTEMROOT|APPDATA|LOCALAPPDATA|USERPROFILE|PATHEXT)$/i;

function helperVariables(host: HostEnvironment): Record<string, string> {
	const variables: Record<string, string> = {};
	for (const [name, value] of Object.entries(host.variables)) {
		if (value !== undefined && passedOn.test(name)) variables[name] = value;
	}
	return { HOME: host.homeDirectory, ...variables };
}

type HelperOutcome =
	| { readonly kind: 'ended'; readonly exitCode: number | null; readonly output: string }
	| { readonly kind: 'not-started' | 'timeout' | 'too-much' };

/** A helper may start others that outlive it; on POSIX the whole group goes. */
function end(child: ChildProcessWithoutNullStreams, grouped: boolean): void {
	child.stdin.destroy();
	child.stdout.destroy();
	child.stderr.destroy();
	try {
		if (grouped && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
		else child.kill('SIGKILL');
	} catch {
		// It had ended by itself.
	}
}

function runHelper(
	program: string,
	input: string,
	host: HostEnvironment,
	timeoutMs: number,
): Promise<HelperOutcome> {
	return new Promise((resolve) => {
		const grouped = host.platform !== 'win32';
		const child = spawn(program, ['get'], {
			shell: false,
			detached: grouped,
			windowsHide: true,
			env: helperVariables(host),
			stdio: 'pipe',
		});
		const settle = (outcome: HelperOutcome): void => {
			clearTimeout(timer);
			if (outcome.kind !== 'ended') end(child, grouped);
			resolve(outcome);
		};
		const timer = setTimeout(() => settle({ kind: 'timeout' }), timeoutMs);
		const chunks: Buffer[] = [];
		let sizeBytes = 0;
		child.stdout.on('data', (chunk: Buffer) => {
			sizeBytes += chunk.length;
			if (sizeBytes > mostOutputBytes) settle({ kind: 'too-much' });
			else chunks.push(chunk);
		});
		// What it complains about may hold secrets: read, so that it can end, and forgotten.
		child.stderr.resume();
		child.on('error', () => settle({ kind: 'not-started' }));
		child.on('close', (exitCode) =>
			settle({ kind: 'ended', exitCode, output: Buffer.concat(chunks).toString('utf8') }),
		);
		child.stdin.on('error', () => undefined);
		child.stdin.end(input);
	});
}

/** Helpers that look for what is similar may find the login of another server, which is none of this one's business. */
function isForAnother(stated: string, server: string): boolean {
	return stated !== '' && registryOfKey(stated) !== registryOfKey(server);
}

function credentialIn(
	output: string,
	source: string,
	entry: string,
): Credential | 'not-an-answer' | 'for-another' {
	try {
		const { ServerURL, Username, Secret } = answerSchema.parse(JSON.parse(output));
		if (isForAnother(ServerURL ?? '', entry)) return 'for-another';
		const login = loginOf(Username, Secret);
		return login === 'none' ? { kind: 'none' } : credentialOf(login, { source, entry });
	} catch {
		return 'not-an-answer';
	}
}

const complaints: Readonly<Record<Exclude<HelperOutcome['kind'], 'ended'>, string>> = {
	'not-started': 'could not be started',
	timeout: 'did not answer in time',
	'too-much': 'printed more than a credential can be',
};

export interface HelperCall {
	/** the part after `docker-credential-` */
	readonly name: string;
	readonly registry: string;
	/** the file that names it */
	readonly file: string;
	readonly timeoutMs?: number;
}

/** Asks a helper for a registry's credential: none where it has none, unusable where it fails. */
export async function askHelper(call: HelperCall, host: HostEnvironment): Promise<Credential> {
	const { name, registry, file, timeoutMs = usualTimeoutMs } = call;
	const unusable = (what: string): Credential => ({
		kind: 'unusable',
		source: file,
		reason: `The credential helper named in ${file} ${what}.`,
	});
	if (!helperName.test(name)) return unusable('has a name that no program can have');
	const program = `docker-credential-${name}`;
	const server = helperServer(registry);
	const outcome = await runHelper(program, server, host, timeoutMs);
	const told = (what: string): Credential => unusable(`(${program}) ${what}`);
	if (outcome.kind !== 'ended') return told(complaints[outcome.kind]);
	if (outcome.exitCode !== 0) {
		return outcome.output.includes(notFound) ? { kind: 'none' } : told('failed');
	}
	const credential = credentialIn(outcome.output, program, server);
	if (credential === 'for-another') return told('answered with the login of another server');
	return credential === 'not-an-answer'
		? told('answered with something that is no credential')
		: credential;
}
