/** What a running server leaves for commands of the same user: its port and token, readable by nobody else. */
import { randomBytes } from 'node:crypto';
import {
	chmodSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { isToken } from '../guard/token.ts';

const runtimeSchema = z.strictObject({
	port: z.number().int().min(1).max(65_535),
	token: z.string().refine(isToken, 'not a token'),
	pid: z.number().int().min(1),
	/** milliseconds since 1970 */
	startedAt: z.number(),
	/** whose pages on static hosts it answers; left out where there are none */
	allowedOrigins: z.array(z.string()).optional(),
});

export type Runtime = z.infer<typeof runtimeSchema>;

function folderOf(dataDirectory: string): string {
	return join(dataDirectory, 'run');
}

function fileOf(dataDirectory: string, port: number): string {
	return join(folderOf(dataDirectory), `${port}.json`);
}

/** Writes it in one step: nobody ever reads half of it, or one that others may read. */
export function writeRuntimeFile(dataDirectory: string, runtime: Runtime): void {
	const folder = folderOf(dataDirectory);
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	if (!lstatSync(folder).isDirectory()) {
		throw new Error(`${folder} must be a folder, and is a symbolic link.`);
	}
	// The folder may be older than this program, and made with another mode.
	chmodSync(folder, 0o700);
	const temporary = join(folder, `.${runtime.port}.${randomBytes(6).toString('hex')}`);
	writeFileSync(temporary, JSON.stringify(runtime), { mode: 0o600, flag: 'wx' });
	renameSync(temporary, fileOf(dataDirectory, runtime.port));
}

/** Whoever else could write it could lead this user to a server of their own. Windows has no such rights. */
function isOnlyOwn(file: string): boolean {
	const uid = process.getuid?.();
	const { mode, uid: owner } = lstatSync(file);
	return uid === undefined || (owner === uid && (mode & 0o022) === 0);
}

/** Undefined where there is none, or none that can be understood and trusted. */
export function readRuntimeFile(dataDirectory: string, port: number): Runtime | undefined {
	try {
		if (!isOnlyOwn(fileOf(dataDirectory, port))) return undefined;
		const parsed = runtimeSchema.safeParse(
			JSON.parse(readFileSync(fileOf(dataDirectory, port), 'utf8')),
		);
		return parsed.success && parsed.data.port === port ? parsed.data : undefined;
	} catch {
		return undefined;
	}
}

/** All that can be understood, the latest first. */
export function listRuntimeFiles(dataDirectory: string): readonly Runtime[] {
	let names: readonly string[];
	try {
		names = readdirSync(folderOf(dataDirectory));
	} catch {
		return [];
	}
	return names
		.flatMap((name) => {
			const port = /^(\d+)\.json$/.exec(name)?.[1];
			const runtime = port === undefined ? undefined : readRuntimeFile(dataDirectory, Number(port));
			return runtime ? [runtime] : [];
		})
		.sort((one, other) => other.startedAt - one.startedAt);
}

/** Removes it, unless another server has taken its place meanwhile. */
export function removeRuntimeFile(dataDirectory: string, runtime: Runtime): void {
	if (readRuntimeFile(dataDirectory, runtime.port)?.token === runtime.token) {
		rmSync(fileOf(dataDirectory, runtime.port), { force: true });
	}
}
