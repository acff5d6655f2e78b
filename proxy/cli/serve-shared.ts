/** `espalier serve --shared`: at a team's URL, stateless, until it is told to stop. */
import { setTimeout as delay } from 'node:timers/promises';
import { createApp } from '../app.ts';
import { sharedServing } from '../guard/serving.ts';
import { metricsRoutes } from '../routes/metrics.ts';
import { readPages } from '../routes/pages.ts';
import { openLog, type ServerLog } from '../server/access-log.ts';
import { listenOn, type ListenAddress, type Listening } from '../server/listen.ts';
import { Metrics, routeLabels } from '../server/metrics.ts';
import { toRequestListener } from '../server/request-listener.ts';
import { watchRequests } from '../server/served-requests.ts';
import { openSharedRegistries, type SharedRegistries } from '../server/shared-registries.ts';
import { version } from '../server/version.ts';
import { readLoginsSource } from '../upstream/credentials/read-logins.ts';
import type { ServeContext } from './serve.ts';
import type { SharedArguments } from './serve-shared-arguments.ts';

/** How a server ends: Kubernetes kills it 30 seconds after it said so. */
export interface Farewell {
	/** so long it says that it stops and still serves, for those who have not heard yet */
	readonly noticeMs: number;
	/** so long what is under way may still go on */
	readonly graceMs: number;
}

const usualFarewell: Farewell = { noticeMs: 4_000, graceMs: 22_000 };

interface Parts {
	readonly registries: SharedRegistries;
	readonly metrics: Metrics;
	readonly log: ServerLog;
}

function listenForPages(
	args: SharedArguments,
	{ pagesFolder, until }: ServeContext,
	{ registries, metrics, log }: Parts,
): Promise<Listening> {
	const { publicUrl, served, trustedProxies } = args;
	const isStopping = () => until.aborted;
	const app = createApp({
		serving: sharedServing({ publicUrl, registries: served.names, trustedProxies, isStopping }),
		version,
		callerWith: registries.callerWith,
		findSignatures: registries.findSignatures,
		pages: readPages(pagesFolder),
		onDefect: log.defect,
	});
	const routeOf = routeLabels(app.routes.map(({ path }) => path));
	const listener = watchRequests(toRequestListener(app), {
		onBegun: () => {
			metrics.begun();
		},
		onServed: (request) => {
			log.request(request);
			metrics.served(request, routeOf(request.path));
		},
		trustedProxies,
		isStopping,
	});
	return listenOn(args.listen, listener);
}

function listenForNumbers(address: ListenAddress, metrics: Metrics): Promise<Listening> {
	return listenOn(address, toRequestListener(metricsRoutes(metrics)));
}

function headline(
	{ publicUrl, listen, metrics }: SharedArguments,
	pages: Listening,
	numbers: Listening | undefined,
): string {
	const place = `${publicUrl.origin} on ${listen.host} port ${pages.port}`;
	const more = metrics && numbers ? `, its numbers on ${metrics.host} port ${numbers.port}` : '';
	return `Espalier ${version} serves ${place}${more}.`;
}

async function untilAborted(signal: AbortSignal): Promise<void> {
	if (signal.aborted) return;
	await new Promise<void>((resolve) => {
		signal.addEventListener('abort', () => {
			resolve();
		});
	});
}

/** Serves until it is told to stop, then finishes what it can. */
export async function serveShared(
	args: SharedArguments,
	context: ServeContext,
	{ noticeMs, graceMs }: Farewell = usualFarewell,
): Promise<number> {
	const log = openLog(context.stdout);
	const metrics = new Metrics();
	const registries = openSharedRegistries({
		registries: args.registries,
		served: args.served,
		readLogins: readLoginsSource(args.readLogins),
		watch: metrics.watch,
	});
	const open: Listening[] = [];
	try {
		const pages = await listenForPages(args, context, { registries, metrics, log });
		open.push(pages);
		const numbers = args.metrics && (await listenForNumbers(args.metrics, metrics));
		if (numbers) open.push(numbers);
		log.note(headline(args, pages, numbers));
		await untilAborted(context.until);
		log.note('Stopping: what is under way is finished.');
		await delay(noticeMs);
		await pages.close(graceMs);
		log.note('Stopped.');
		return 0;
	} finally {
		await Promise.all(open.map((listening) => listening.close(0)));
		await registries.close();
	}
}
