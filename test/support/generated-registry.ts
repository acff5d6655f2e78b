/** Starts a registry that generates and hashes (`generated-registry-process.ts`), for as long as a test needs it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface GeneratedRegistry {
	/** `127.0.0.1:PORT`, as references write it */
	readonly host: string;
	stop(): Promise<void>;
}

const script = fileURLToPath(new URL('generated-registry-process.ts', import.meta.url));

export async function startGeneratedRegistry(): Promise<GeneratedRegistry> {
	const child = fork(script, { execArgv: ['--import', 'tsx'] });
	const exit = once(child, 'exit');
	const [{ port }] = (await once(child, 'message')) as [{ port: number }];
	return {
		host: `127.0.0.1:${port}`,
		stop: async () => {
			child.kill('SIGKILL');
			await exit;
		},
	};
}
