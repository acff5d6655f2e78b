/** Espalier in this process, with an account of who asked and of what got past its guards. */
import { Hono } from 'hono';
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp, type AppOptions } from '../../proxy/app.ts';
import { localServing, sharedServing } from '../../proxy/guard/serving.ts';
import { createToken } from '../../proxy/guard/token.ts';
import type { CallerWith } from '../../proxy/routes/caller.ts';
import { readPages } from '../../proxy/routes/pages.ts';
import { listenOnLoopback } from '../../proxy/server/listen.ts';
import { openRegistries } from '../../proxy/server/registries.ts';
import { toRequestListener } from '../../proxy/server/request-listener.ts';
import { openSharedRegistries } from '../../proxy/server/shared-registries.ts';
import { noCredentials } from '../../proxy/upstream/credentials/credential.ts';
import { ServedRegistries } from '../../proxy/upstream/served-registries.ts';

/** One request, as a browser or another client sent it, and how it was answered. */
export interface Asked {
	readonly method: string;
	readonly target: string;
	readonly host: string;
	readonly origin: string | undefined;
	/** what a browser says of the page that asks */
	readonly site: string | undefined;
	readonly status: number;
}

export interface WatchedEspalier {
	readonly port: number;
	readonly token: string;
	readonly asked: readonly Asked[];
	/** What came as far as the registries or the embedded one. */
	readonly passed: readonly string[];
	/** Forgets the account so far. */
	forget(): void;
	stop(): Promise<void>;
}

/** `allow-origin`: local, and also for the page of one static host. */
export type ServingMode = 'local' | 'allow-origin' | 'shared';

export const allowedOrigin = 'https://pages.example.com';

interface Account {
	readonly asked: Asked[];
	readonly passed: string[];
}

const pagesFolder = join(import.meta.dirname, '../../dist/web');
const registries = { plainHttp: [], authorities: new Map<string, string>(), trustedRealms: [] };

function watched(listener: RequestListener, { asked }: Account): RequestListener {
	return (incoming, outgoing) => {
		outgoing.once('close', () => {
			const { method = '', url: target = '', headers } = incoming;
			const site = headers['sec-fetch-site'];
			asked.push({
				method,
				target,
				host: headers.host ?? '',
				origin: headers.origin,
				site: typeof site === 'string' ? site : undefined,
				status: outgoing.statusCode,
			});
		});
		listener(incoming, outgoing);
	};
}

/** Notes every call that is made. */
function counted<T extends object>(part: T, { passed }: Account): T {
	return new Proxy(part, {
		get(target, name): unknown {
			const member: unknown = Reflect.get(target, name, target);
			if (typeof member !== 'function') return member;
			return (...given: readonly unknown[]): unknown => {
				passed.push(String(name));
				return Reflect.apply(member, target, given);
			};
		},
	});
}

function countedCallers(callerWith: CallerWith, account: Account): CallerWith {
	return (logins) => {
		const caller = callerWith(logins);
		return {
			...caller,
			reader: counted(caller.reader, account),
			writer: counted(caller.writer, account),
			describeRegistry: (repository) => {
				account.passed.push('describeRegistry');
				return caller.describeRegistry(repository);
			},
		};
	};
}

function countedStore(store: Hono, { passed }: Account): Hono {
	const routes = new Hono();
	routes.use(async (c, next) => {
		passed.push(`${c.req.method} ${c.req.path}`);
		await next();
	});
	routes.route('/', store);
	return routes;
}

type Opened = Pick<AppOptions, 'callerWith' | 'store'> & { close(): Promise<void> };

async function open(mode: ServingMode, folder: string, token: string): Promise<Opened> {
	if (mode !== 'shared') return openRegistries({ store: join(folder, 'store'), registries }, token);
	const served = new ServedRegistries(['quay.io']);
	return openSharedRegistries({ registries, served, readLogins: noCredentials });
}

/** Starts one on loopback, with the built page and, in local mode, an embedded registry of its own. */
export async function startWatched(mode: ServingMode = 'local'): Promise<WatchedEspalier> {
	const folder = await mkdtemp(join(tmpdir(), 'espalier-watched-'));
	const token = createToken();
	const account: Account = { asked: [], passed: [] };
	const opened = await open(mode, folder, token);
	const listening = await listenOnLoopback(0, (port) => {
		const allowedOrigins = mode === 'allow-origin' ? [allowedOrigin] : [];
		const publicUrl = new URL(`http://localhost:${port}`);
		const app = createApp({
			serving:
				mode === 'shared'
					? sharedServing({ publicUrl, registries: ['quay.io'] })
					: localServing({ port, token, allowedOrigins }),
			version: '1.2.3',
			callerWith: countedCallers(opened.callerWith, account),
			pages: readPages(pagesFolder),
			store: opened.store && countedStore(opened.store, account),
		});
		return watched(toRequestListener(app), account);
	});
	return {
		...account,
		port: listening.port,
		token,
		forget: () => {
			account.asked.length = 0;
			account.passed.length = 0;
		},
		stop: async () => {
			await listening.close(0);
			await opened.close();
			await rm(folder, { recursive: true, force: true });
		},
	};
}
