/** The routes, and what stands in front of each. */
import { Hono } from 'hono';
import { problemOf } from '../shared/registry/problem.ts';
import { EntryCodes } from './guard/entry-codes.ts';
import { forbidStoring, setSecurityHeaders } from './guard/headers.ts';
import { guardHost, loopbackHosts } from './guard/host.ts';
import {
	guardApi,
	guardPages,
	loopbackOrigins,
	refuseBrowsers,
	refusePreflights,
} from './guard/origin.ts';
import { requireToken } from './guard/token.ts';
import { blobRoutes } from './routes/blob.ts';
import { blobUploadRoutes } from './routes/blob-upload.ts';
import { callerBy, type CallerWith } from './routes/caller.ts';
import { copyRoutes } from './routes/copies.ts';
import { existsRoutes } from './routes/exists.ts';
import { failure, refusal } from './routes/failure.ts';
import { listingRoutes } from './routes/listings.ts';
import { manifestPushRoutes } from './routes/manifest-push.ts';
import { manifestRoutes } from './routes/manifests.ts';
import { pageRoutes, type Pages } from './routes/pages.ts';
import { registryRoutes } from './routes/registries.ts';
import { entryRoutes, sessionRoutes } from './routes/session.ts';
import { tagMoveRoutes } from './routes/tag-moves.ts';
import type { NodeEnv } from './server/node-request.ts';

export interface AppOptions {
	/** the port that is listened on; part of the allowed hosts and origins */
	readonly port: number;
	readonly token: string;
	readonly version: string;
	/** the reference of a release that is there to look at */
	readonly demo?: string | undefined;
	/** what commands need to reach the same store and registries */
	readonly commandFlags?: string | undefined;
	readonly callerWith: CallerWith;
	readonly pages: Pages;
	/** the embedded registry, served on /v2/; its paths start there */
	readonly store?: Hono | undefined;
	/** origins beside the server's own, for development */
	readonly moreOrigins?: readonly string[];
	/** is told of defects: errors that are no `ProblemError` */
	readonly onDefect?: (error: unknown) => void;
}

function createApi(options: AppOptions) {
	const { port, token, version, demo, commandFlags } = options;
	const callerOf = callerBy(options.callerWith);
	const codes = new EntryCodes();
	return new Hono<NodeEnv>()
		.use(forbidStoring, guardApi(loopbackOrigins(port, options.moreOrigins)))
		.route('/', entryRoutes({ token, port, codes }))
		.use(requireToken(token))
		.route(
			'/',
			sessionRoutes(
				{ version, ...(demo !== undefined && { demo }), ...(commandFlags && { commandFlags }) },
				codes,
			),
		)
		.route('/', registryRoutes(callerOf))
		.route('/', manifestRoutes(callerOf))
		.route('/', existsRoutes(callerOf))
		.route('/', blobRoutes(callerOf))
		.route('/', listingRoutes(callerOf))
		.route('/', copyRoutes(callerOf))
		.route('/', blobUploadRoutes(callerOf))
		.route('/', manifestPushRoutes(callerOf))
		.route('/', tagMoveRoutes(callerOf))
		.all('*', (c) => refusal(c, 404, 'The API has no such path.'));
}

/** The whole server as one function from request to response. */
export function createApp(options: AppOptions) {
	const { port, moreOrigins, pages, store = new Hono() } = options;
	const app = new Hono<NodeEnv>()
		.use(setSecurityHeaders, guardHost(loopbackHosts(port)), refusePreflights)
		.route('/api', createApi(options))
		.use('/v2/*', refuseBrowsers)
		.route('/v2', store)
		.all('/v2/*', (c) => c.notFound())
		.use(guardPages(loopbackOrigins(port, moreOrigins)))
		.route('/', pageRoutes(pages));
	app.notFound((c) => c.text('There is nothing here.\n', 404));
	app.onError((error, c) => {
		const problem = problemOf(error);
		if (problem.code === 'internal') options.onDefect?.(error);
		return failure(c, problem);
	});
	return app;
}

/** For typed requests from the page. */
export type AppType = ReturnType<typeof createApp>;
