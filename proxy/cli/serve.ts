/** `espalier serve`: one server a port, and one address to open. */
import { formatEntry, type Key } from '../../shared/link/entry.ts';
import type { NamedMirrors } from '../../shared/registry/mirror-rules.ts';
import { createApp } from '../app.ts';
import { localServing } from '../guard/serving.ts';
import { createToken } from '../guard/token.ts';
import { readPages } from '../routes/pages.ts';
import { openBrowser } from '../server/browser.ts';
import { dataDirectory, ownSurroundings } from '../server/data-directory.ts';
import { readDevelopment, type Development } from '../server/development.ts';
import { listenOnLoopback, PortTaken, type Listening } from '../server/listen.ts';
import { defaultPort, homeRoute, localOrigin, pageUrl, proxyAddress } from '../server/page-url.ts';
import { openRegistries, type OpenedRegistries } from '../server/registries.ts';
import { toRequestListener } from '../server/request-listener.ts';
import { findServerOn, requestCode } from '../server/running-server.ts';
import { removeRuntimeFile, writeRuntimeFile, type Runtime } from '../server/runtime-file.ts';
import { version } from '../server/version.ts';
import { requireAllowed } from './allowed-origins.ts';
import type { ServeArguments } from './arguments.ts';
import { readMirrors } from './mirrors.ts';
import type { SharedArguments } from './serve-shared-arguments.ts';

/** What a command has around it. */
export interface ServeContext {
	readonly stdout: { write(text: string): unknown };
	readonly stderr: { write(text: string): unknown };
	/** the folder of the built page */
	readonly pagesFolder: string;
	/** aborts when the server is to stop */
	readonly until: AbortSignal;
}

/** The view to open first. */
export interface View {
	/** its route */
	readonly to: string;
	/** The user named the registries of the route: it is not out of a link. */
	readonly isNamed?: true;
	/** the address of a page on a static host that is to show it, without a slash at its end */
	readonly site?: string;
}

const home: View = { to: homeRoute };

/** A view of a running server. */
export interface Page {
	readonly origin: string;
	readonly server: Pick<Runtime, 'port' | 'token'>;
	readonly view: View;
}

export interface Announcement {
	readonly headline: string;
	readonly page: Page;
	readonly openBrowser: boolean;
}

function addressOf({ origin, server, view: { site, ...view } }: Page, key: Key): string {
	if (site === undefined) return pageUrl(origin, { ...key, ...view });
	return pageUrl(site, { ...key, ...view, proxy: proxyAddress(server.port) });
}

/** Opens a page by a code: the address that the browser is given can be seen by others. */
async function openPage(page: Page): Promise<void> {
	openBrowser(addressOf(page, { code: await requestCode(page.server) }));
}

/** Prints the address of a page, and opens it where that is wanted. */
export async function announce(
	{ stdout, stderr }: Pick<ServeContext, 'stdout' | 'stderr'>,
	{ headline, page, openBrowser: isWanted }: Announcement,
): Promise<void> {
	const { token } = page.server;
	stdout.write(`${headline}\n\n  ${addressOf(page, { token })}\n\n`);
	if (!isWanted) return;
	await openPage(page).catch((error: unknown) => {
		const reason = error instanceof Error ? error.message : String(error);
		stderr.write(`The page is not opened by itself: ${reason}\n`);
	});
}

/** What pages on static hosts need. No whole links: another page may be what lies at the root of an origin. */
function entryText(origins: readonly string[], { port, token }: Page['server']): string {
	const fragment = formatEntry({ token, proxy: proxyAddress(port), to: homeRoute });
	const pages = origins.join(' or ');
	return `For your page at ${pages}, put this behind its address:\n\n  ${fragment}\n\n`;
}

interface Server {
	readonly port: number;
	readonly token: string;
	readonly allowedOrigins: readonly string[];
	readonly registries: OpenedRegistries;
	readonly commandFlags: string;
	readonly mirrors: NamedMirrors | undefined;
	readonly development: Development | undefined;
}

function listen(
	{ port, token, allowedOrigins, registries, commandFlags, mirrors, development }: Server,
	{ stderr, pagesFolder }: ServeContext,
): Promise<Listening> {
	const pages = readPages(pagesFolder);
	return listenOnLoopback(port, (bound) => {
		const app = createApp({
			...registries,
			serving: localServing({
				port: bound,
				token,
				moreOrigins: development ? [development.origin] : [],
				allowedOrigins,
			}),
			commandFlags,
			mirrors,
			version,
			pages,
			onDefect: (error) => {
				stderr.write(
					`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
				);
			},
		});
		return toRequestListener(app);
	});
}

function whenAborted(signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		if (signal.aborted) resolve();
		signal.addEventListener('abort', () => {
			resolve();
		});
	});
}

/** Leaves a runtime file until it is taken away again, or the process ends in whatever way. */
function leaveRuntimeFile(server: Pick<Runtime, 'port' | 'token' | 'allowedOrigins'>): () => void {
	const folder = dataDirectory(ownSurroundings());
	const runtime: Runtime = { ...server, pid: process.pid, startedAt: Date.now() };
	const remove = () => {
		process.removeListener('exit', remove);
		removeRuntimeFile(folder, runtime);
	};
	process.once('exit', remove);
	writeRuntimeFile(folder, runtime);
	return remove;
}

/** Where this user's server already runs on the port, points there instead. */
async function pointToRunning(
	port: number,
	view: View,
	args: ServeArguments,
	context: ServeContext,
): Promise<boolean> {
	const running = await findServerOn(dataDirectory(ownSurroundings()), port);
	if (!running) return false;
	requireAllowed(running, args.allowedOrigins);
	const page = { origin: localOrigin(port), server: running, view };
	const headline = 'Espalier is already running. Open:';
	await announce(context, { headline, page, openBrowser: args.openBrowser });
	return true;
}

async function runServer(
	server: Server,
	view: View,
	args: ServeArguments,
	context: ServeContext,
): Promise<void> {
	const { token, allowedOrigins, development } = server;
	const listening = await listen(server, context);
	const { port } = listening;
	const allowed = allowedOrigins.length > 0 && { allowedOrigins: [...allowedOrigins] };
	const removeRuntime = development ? undefined : leaveRuntimeFile({ port, token, ...allowed });
	try {
		const origin = development?.origin ?? localOrigin(port);
		const headline = `Espalier ${version} is running. Open:`;
		const page = { origin, server: { port, token }, view };
		await announce(context, { headline, page, openBrowser: args.openBrowser });
		if (allowed) context.stdout.write(entryText(allowedOrigins, { port, token }));
		context.stdout.write('Stop it with Ctrl+C.\n');
		await whenAborted(context.until);
	} finally {
		removeRuntime?.();
		await listening.close();
	}
}

/**
 * Serves until it is told to stop, or, on this computer, points to the server that already runs on that port.
 */
export async function serve(
	args: ServeArguments | SharedArguments,
	context: ServeContext,
	view: View = home,
): Promise<number> {
	if (!('shared' in args)) return serveLocally(args, context, view);
	const { serveShared } = await import('./serve-shared.ts');
	return serveShared(args, context);
}

async function serveLocally(
	args: ServeArguments,
	context: ServeContext,
	view: View,
): Promise<number> {
	const port = args.port ?? defaultPort;
	const development = readDevelopment(process.env);
	if (await pointToRunning(port, view, args, context)) return 0;
	const token = development?.token ?? createToken();
	const mirrors = await readMirrors(args.registries.mirrorFiles);
	const registries = await openRegistries(args, token);
	try {
		const { commandFlags, allowedOrigins = [] } = args;
		const about = { registries, commandFlags, mirrors, development };
		const server = { port, token, allowedOrigins, ...about };
		await runServer(server, view, args, context);
		return 0;
	} catch (error) {
		if (!(error instanceof PortTaken)) throw error;
		// Another start may have been faster.
		if (await pointToRunning(port, view, args, context)) return 0;
		context.stderr.write(`${error.message} Choose another one with “--port N”.\n`);
		return 1;
	} finally {
		await registries.close();
	}
}
