/** A team's server in this process, and requests to it as they come through what stands in front of it. */
import { request, type Dispatcher } from 'undici';
import { serveShared, type Farewell } from '../../proxy/cli/serve-shared.ts';
import { readServeArguments } from '../../proxy/cli/arguments.ts';
import { loginsHeader, printLogins } from '../../shared/api/logins.ts';
import type { KeyedLogin } from '../../shared/login/login.ts';

export interface SharedAnswer {
	readonly status: number;
	readonly headers: Dispatcher.ResponseData['headers'];
	readonly text: string;
	readonly json: () => unknown;
	readonly lines: () => readonly unknown[];
}

export interface SharedInit {
	readonly method?: 'GET' | 'POST' | 'PUT' | 'OPTIONS' | 'DELETE' | 'HEAD';
	readonly headers?: Readonly<Record<string, string>>;
	/** sent as JSON, unless it is a text already */
	readonly body?: unknown;
	readonly logins?: readonly KeyedLogin[];
}

export interface SharedEspalier {
	readonly port: number;
	/** everything that was logged so far */
	readonly log: () => string;
	/** the lines about requests */
	readonly served: () => readonly Readonly<Record<string, unknown>>[];
	readonly metrics: () => Promise<string>;
	readonly send: (path: string, init?: SharedInit) => Promise<SharedAnswer>;
	/** Tells it to end, and waits until it has. */
	readonly stop: () => Promise<number>;
	/** Tells it to end. */
	readonly tellToStop: () => void;
}

export const publicHost = 'espalier.example.com';

function bodyOf(body: unknown): string | null {
	if (body === undefined) return null;
	return typeof body === 'string' ? body : JSON.stringify(body);
}

async function ask(port: number, path: string, init: SharedInit): Promise<SharedAnswer> {
	const { method = 'GET', headers, body, logins } = init;
	const answer = await request(`http://127.0.0.1:${port}${path}`, {
		method,
		body: bodyOf(body),
		headers: {
			host: publicHost,
			...(body !== undefined && { 'content-type': 'application/json' }),
			...(logins && { [loginsHeader]: printLogins(logins) }),
			...headers,
		},
	});
	const text = await answer.body.text();
	return {
		status: answer.statusCode,
		headers: answer.headers,
		text,
		json: () => JSON.parse(text) as unknown,
		lines: () =>
			text
				.split('\n')
				.filter(Boolean)
				.map((line) => JSON.parse(line) as unknown),
	};
}

/** @param flags beside `--shared`, `--public-url` and the addresses */
export async function startShared(
	flags: readonly string[],
	{
		pagesFolder = '/nonexistent',
		noticeMs = 0,
		graceMs = 2_000,
	}: Partial<Farewell> & {
		readonly pagesFolder?: string;
	} = {},
): Promise<SharedEspalier> {
	const url = ['--public-url', `https://${publicHost}`];
	const addresses = ['--listen', '127.0.0.1:0', '--metrics', '127.0.0.1:0'];
	const args = readServeArguments(['--shared', ...url, ...addresses, ...flags]);
	if (!('shared' in args)) throw new Error('not shared');
	const stop = new AbortController();
	let log = '';
	let found: (ports: readonly number[]) => void = () => undefined;
	const ports = new Promise<readonly number[]>((resolve) => (found = resolve));
	const write = (text: string) => {
		log += text;
		const match = / on \S+ port (\d+)(?:, its numbers on \S+ port (\d+))?/.exec(log);
		if (match) found([Number(match[1]), Number(match[2])]);
	};
	const context = { stdout: { write }, stderr: { write }, pagesFolder, until: stop.signal };
	const ended = serveShared(args, context, { noticeMs, graceMs });
	const [port = 0, metricsPort = 0] = await Promise.race([
		ports,
		ended.then(() => Promise.reject(new Error(`it ended: ${log}`))),
	]);
	const linesOfLog = () =>
		log
			.split('\n')
			.filter(Boolean)
			.map((line) => JSON.parse(line) as Record<string, unknown>);
	return {
		port,
		log: () => log,
		served: () => linesOfLog().filter(({ path }) => path !== undefined),
		metrics: async () => {
			const { body } = await request(`http://127.0.0.1:${metricsPort}/metrics`);
			return body.text();
		},
		send: (path, init = {}) => ask(port, path, init),
		stop: () => {
			stop.abort();
			return ended;
		},
		tellToStop: () => {
			stop.abort();
		},
	};
}
