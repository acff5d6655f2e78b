/** The routes, and what stands in front of each. */
import { Hono, type MiddlewareHandler } from 'hono';
import type { Session } from '../shared/api/schema.ts';
import type { NamedMirrors } from '../shared/registry/mirror-rules.ts';
import { problemOf } from '../shared/registry/problem.ts';
import type { FindSignatures } from '../shared/signature/stores.ts';
import { allowReading } from './guard/cors.ts';
import { EntryCodes } from './guard/entry-codes.ts';
import { forbidStoring, setSecurityHeaders } from './guard/headers.ts';
import { guardHost } from './guard/host.ts';
import { limitClients } from './guard/limit-clients.ts';
import { guardApi, guardPages, refuseBrowsers, refusePreflights } from './guard/origin.ts';
import { requireOwnLogin } from './guard/own-login.ts';
import type { LocalServing, Serving } from './guard/serving.ts';
import { requireToken } from './guard/token.ts';
import { blobRoutes } from './routes/blob.ts';
import { blobUploadRoutes } from './routes/blob-upload.ts';
import { callerBy, type CallerWith } from './routes/caller.ts';
import { copyRoutes } from './routes/copies.ts';
import { existsRoutes } from './routes/exists.ts';
import { failure, refusal } from './routes/failure.ts';
import { healthRoutes } from './routes/health.ts';
import { listeningRoutes } from './routes/listening.ts';
import { listingRoutes } from './routes/listings.ts';
import { manifestPushRoutes } from './routes/manifest-push.ts';
import { manifestRoutes } from './routes/manifests.ts';
import { pageRoutes, type Pages } from './routes/pages.ts';
import { registryRoutes } from './routes/registries.ts';
import { codeRoutes, entryRoutes, modeRoutes, sessionRoutes } from './routes/session.ts';
import { signatureRoutes } from './routes/signatures.ts';
import { tagMoveRoutes } from './routes/tag-moves.ts';
import type { NodeEnv } from './server/node-request.ts';

export interface AppOptions {
	readonly serving: Serving;
	readonly version: string;
	/** the reference of a release that is there to look at */
	readonly demo?: string | undefined;
	/** what commands need to reach the same store and registries */
	readonly commandFlags?: string | undefined;
	/** where the page is to read instead of where names point */
	readonly mirrors?: NamedMirrors | undefined;
	readonly callerWith: CallerWith;
	/** looks into signature stores; without it none is asked */
	readonly findSignatures?: FindSignatures | undefined;
	readonly pages: Pages;
	/** the embedded registry, served on /v2/; its paths start there */
	readonly store?: Hono | undefined;
	/** is told of defects: errors that are no `ProblemError` */
	readonly onDefect?: (error: unknown) => void;
}

/** What leads to the token, then what nobody without it gets to see. */
function keyRoutes({ token, port }: LocalServing, session: Session) {
	const codes = new EntryCodes();
	return new Hono<NodeEnv>()
		.route('/', entryRoutes({ token, port, codes }))
		.use(requireToken(token))
		.route('/', codeRoutes(codes))
		.route('/', sessionRoutes(session));
}

/** What the page is told of this server. */
function sessionOf({ serving, version, demo, commandFlags, mirrors }: AppOptions): Session {
	const { mode } = serving;
	const about = { version, mode, ...(demo !== undefined && { demo }) };
	if (serving.mode === 'shared') return { ...about, registries: [...serving.registries] };
	return { ...about, ...(commandFlags && { commandFlags }), ...(mirrors && { mirrors }) };
}

function allowedOriginsOf(serving: Serving): ReadonlySet<string> {
	return serving.mode === 'local' ? serving.allowedOrigins : new Set();
}

function createApi(options: AppOptions) {
	const { serving } = options;
	const callerOf = callerBy(options.callerWith);
	const session = sessionOf(options);
	return new Hono<NodeEnv>()
		.use(forbidStoring, guardApi(serving.origins, allowedOriginsOf(serving)))
		.route('/', modeRoutes(serving.mode))
		.route('/', serving.mode === 'local' ? keyRoutes(serving, session) : sessionRoutes(session))
		.route('/', registryRoutes(callerOf))
		.route('/', manifestRoutes(callerOf))
		.route('/', existsRoutes(callerOf))
		.route('/', blobRoutes(callerOf))
		.route('/', listingRoutes(callerOf))
		.route('/', copyRoutes(callerOf))
		.route('/', blobUploadRoutes(callerOf))
		.route('/', manifestPushRoutes(callerOf))
		.route('/', tagMoveRoutes(callerOf))
		.route('/', signatureRoutes(options.findSignatures))
		.all('*', (c) => refusal(c, 404, 'The API has no such path.'));
}

const letThrough: MiddlewareHandler<NodeEnv> = (_, next) => next();

/** The whole server as one function from request to response. */
export function createApp(options: AppOptions) {
	const { serving, pages, store = new Hono() } = options;
	const isShared = serving.mode === 'shared';
	const app = new Hono<NodeEnv>()
		.use(setSecurityHeaders)
		.route('/', isShared ? healthRoutes(serving.isStopping) : new Hono<NodeEnv>())
		.use(guardHost(serving.hosts))
		.use('/api/*', allowReading(allowedOriginsOf(serving)))
		.use(refusePreflights)
		.use(isShared ? limitClients(serving) : letThrough)
		.use(isShared ? requireOwnLogin : letThrough)
		.route('/api', isShared ? new Hono<NodeEnv>() : listeningRoutes())
		.route('/api', createApi(options))
		.use('/v2/*', refuseBrowsers)
		.route('/v2', store)
		.all('/v2/*', (c) => c.notFound())
		.use(guardPages(serving.origins))
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
