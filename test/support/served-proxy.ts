/** `espalier serve` from the sources, in a measured process of its own, with a home of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Agent } from 'undici';
import { tokenHeader } from '../../shared/api/schema.ts';
import { makeHome } from './espalier-process.ts';
import type { Measured } from './measured-process.ts';

export interface ServedProxy {
	readonly origin: string;
	/** the value of an Authorization header that may write to `/v2/` */
	readonly authorization: string;
	/** the folder of the embedded registry */
	readonly store: string;
	/** One request to the API; gives the whole answer. @throws where it is not answered with 200 */
	api(path: string, body?: unknown): Promise<string>;
	measure(): Promise<Measured>;
	stop(): Promise<void>;
}

const program = join(import.meta.dirname, '../../proxy/main.ts');
const measuring = new URL('measured-process.ts', import.meta.url).href;

export async function startServedProxy(): Promise<ServedProxy> {
	const home = await makeHome();
	const child = fork(program, ['serve', '--no-open', '--port', '0'], {
		env: home.env,
		execArgv: ['--import', 'tsx', '--import', measuring],
		stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
	});
	const ended = once(child, 'exit');
	const { origin, token } = await printedAddress(child.stdout);
	const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
	return {
		origin,
		authorization: `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`,
		store: join(home.folder, 'espalier', 'store'),
		api: async (path, content) => {
			const { statusCode, body } = await agent.request({
				origin,
				path: `/api/${path}`,
				method: content === undefined ? 'GET' : 'POST',
				headers: {
					[tokenHeader]: token,
					...(content !== undefined && { 'content-type': 'application/json' }),
				},
				body: content === undefined ? null : JSON.stringify(content),
			});
			const text = await body.text();
			if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text}`);
			return text;
		},
		measure: async () => {
			const told = once(child, 'message') as Promise<[Measured]>;
			child.send('measure');
			return (await told)[0];
		},
		stop: async () => {
			await agent.destroy();
			child.kill('SIGKILL');
			await ended;
			await home.remove();
		},
	};
}

async function printedAddress(stdout: AsyncIterable<Buffer> | null) {
	let printed = '';
	for await (const chunk of stdout ?? []) {
		printed += chunk.toString();
		const found = /http:\/\/localhost:(\d+)\/#t=([\w-]+)/.exec(printed);
		if (found) return { origin: `http://127.0.0.1:${found[1]}`, token: found[2] ?? '' };
	}
	throw new Error(`espalier serve ended: ${printed}`);
}
