/** `espalier serve`: one server a port, and one address to open. */
import { createApp } from '../app.ts';
import { createToken } from '../guard/token.ts';
import { readPages } from '../routes/pages.ts';
import { openBrowser } from '../server/browser.ts';
import { dataDirectory, ownSurroundings } from '../server/data-directory.ts';
import { readDevelopment, type Development } from '../server/development.ts';
import { listenOnLoopback, PortTaken, type Listening } from '../server/listen.ts';
import { defaultPort, homeRoute, localOrigin, pageUrl } from '../server/page-url.ts';
import { openRegistries, type OpenedRegistries } from '../server/registries.ts';
import { toRequestListener } from '../server/request-listener.ts';
import { findServerOn, requestCode } from '../server/running-server.ts';
import { removeRuntimeFile, writeRuntimeFile, type Runtime } from '../server/runtime-file.ts';
import { version } from '../server/version.ts';
import type { ServeArguments } from './arguments.ts';

/** What a command has around it. */
export interface ServeContext {
	readonly stdout: { write(text: string): unknown };
	readonly stderr: { write(text: string): unknown };
	/** the folder of the built page */
	readonly pagesFolder: string;
	/** aborts when the server is to stop */
	readonly until: AbortSignal;
}

/** A view of a running server. */
export interface Page {
	readonly origin: string;
	readonly server: Pick<Runtime, 'port' | 'token'>;
	/** the route of the view */
	readonly to: string;
}

export interface Announcement {
	readonly headline: string;
	readonly page: Page;
	readonly openBrowser: boolean;
}

/** Opens a page by a code: the address that the browser is given can be seen by others. */
async function openPage({ origin, server, to }: Page): Promise<void> {
	openBrowser(pageUrl(origin, { code: await requestCode(server), to }));
}

/** Prints the address of a page, and opens it where that is wanted. */
export async function announce(
	{ stdout, stderr }: Pick<ServeContext, 'stdout' | 'stderr'>,
	{ headline, page, openBrowser: isWanted }: Announcement,
): Promise<void> {
	const { origin, server, to } = page;
	stdout.write(`${headline}\n\n  ${pageUrl(origin, { token: server.token, to })}\n\n`);
	if (!isWanted) return;
	await openPage(page).catch((error: unknown) => {
		const reason = error instanceof Error ? error.message : String(error);
		stderr.write(`The page is not opened by itself: ${reason}\n`);
	});
}

interface Server {
	readonly port: number;
	readonly token: string;
	readonly registries: OpenedRegistries;
	readonly commandFlags: string;
	readonly development: Development | undefined;
}

function listen(
	{ port, token, registries, commandFlags, development }: Server,
	{ stderr, pagesFolder }: ServeContext,
): Promise<Listening> {
	const pages = readPages(pagesFolder);
	return listenOnLoopback(port, (bound) => {
		const app = createApp({
			...registries,
			commandFlags,
			port: bound,
			token,
			version,
			pages,
			moreOrigins: development ? [development.origin] : [],
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
function leaveRuntimeFile(port: number, token: string): () => void {
	const folder = dataDirectory(ownSurroundings());
	const runtime: Runtime = { port, token, pid: process.pid, startedAt: Date.now() };
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
	to: string,
	args: ServeArguments,
	context: ServeContext,
): Promise<boolean> {
	const running = await findServerOn(dataDirectory(ownSurroundings()), port);
	if (!running) return false;
	const page = { origin: localOrigin(port), server: running, to };
	const headline = 'Espalier is already running. Open:';
	await announce(context, { headline, page, openBrowser: args.openBrowser });
	return true;
}

async function runServer(
	server: Server,
	to: string,
	args: ServeArguments,
	context: ServeContext,
): Promise<void> {
	const { token, development } = server;
	const listening = await listen(server, context);
	const removeRuntime = development ? undefined : leaveRuntimeFile(listening.port, token);
	try {
		const { port } = listening;
		const origin = development?.origin ?? localOrigin(port);
		const headline = `Espalier ${version} is running. Open:`;
		const page = { origin, server: { port, token }, to };
		await announce(context, { headline, page, openBrowser: args.openBrowser });
		context.stdout.write('Stop it with Ctrl+C.\n');
		await whenAborted(context.until);
	} finally {
		removeRuntime?.();
		await listening.close();
	}
}

/**
 * Serves until it is told to stop, or points to the server that already runs on that port.
 * @param to the route to open first
 */
export async function serve(
	args: ServeArguments,
	context: ServeContext,
	to: string = homeRoute,
): Promise<number> {
	const port = args.port ?? defaultPort;
	const development = readDevelopment(process.env);
	if (await pointToRunning(port, to, args, context)) return 0;
	const token = development?.token ?? createToken();
	const registries = await openRegistries(args, token);
	try {
		const { commandFlags } = args;
		await runServer({ port, token, registries, commandFlags, development }, to, args, context);
		return 0;
	} catch (error) {
		if (!(error instanceof PortTaken)) throw error;
		// Another start may have been faster.
		if (await pointToRunning(port, to, args, context)) return 0;
		context.stderr.write(`${error.message} Choose another one with “--port N”.\n`);
		return 1;
	} finally {
		await registries.close();
	}
}
