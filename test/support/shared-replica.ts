/** A replica of a team's server in a process of its own, to be killed. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** The program from its sources. */
export const fromSources: readonly string[] = [
	'--import',
	import.meta.resolve('tsx'),
	join(root, 'proxy/main.ts'),
];

export interface Replica {
	readonly port: number;
	readonly process: ChildProcess;
	/** everything that it printed so far */
	readonly printed: () => string;
	/** how it ended */
	readonly ended: Promise<number | NodeJS.Signals>;
}

/** @param program what Node is to run; its own flags come before */
export async function startReplica(
	flags: readonly string[],
	program: readonly string[] = fromSources,
	options: SpawnOptions = {},
): Promise<Replica> {
	const address = flags.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
	const child = spawn(process.execPath, [...program, 'serve', '--shared', ...address, ...flags], {
		stdio: ['ignore', 'pipe', 'pipe'],
		...options,
	});
	let printed = '';
	const ended = new Promise<number | NodeJS.Signals>((resolve) => {
		child.once('close', (code, signal) => resolve(signal ?? code ?? 1));
	});
	const port = await new Promise<number>((resolve, reject) => {
		const read = (chunk: Buffer): void => {
			printed += chunk.toString();
			const found = / on \S+ port (\d+)/.exec(printed)?.[1];
			if (found !== undefined) resolve(Number(found));
		};
		child.stdout?.on('data', read);
		child.stderr?.on('data', read);
		child.once('error', reject);
		void ended.then((how) => reject(new Error(`it ended (${how}): ${printed}`)));
	});
	return { port, process: child, printed: () => printed, ended };
}
