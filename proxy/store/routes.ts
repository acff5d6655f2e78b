/** The embedded registry on `/v2/` (distribution-spec v1.1). */
import { Hono } from 'hono';
import { problemOf } from '../../shared/registry/problem.ts';
import { deleteBlob, getBlob } from './blob-routes.ts';
import { jsonResponse, type Handler } from './exchange.ts';
import { listReferrers, listRepositories, listTags } from './listing-routes.ts';
import { deleteManifest, getManifest, putManifest } from './manifest-routes.ts';
import type { Store } from './store.ts';
import { StoreError, systemCode } from './store-error.ts';
import {
	cancelUpload,
	finishUpload,
	getUpload,
	patchUpload,
	startUpload,
} from './upload-routes.ts';
import { guardRequest } from './write-guard.ts';

export interface StoreRoutesOptions {
	/** what a client has to send as password to write; where it is empty nobody can */
	readonly token: string;
	/** How long a client that sends a body may be silent before it is given up, in milliseconds. Default a minute. */
	readonly stallMs?: number;
}

const defaultStallMs = 60_000;

type Methods = Readonly<Record<string, Handler>>;

const uploads: Methods = { POST: startUpload };
const upload: Methods = {
	GET: getUpload,
	HEAD: getUpload,
	PATCH: patchUpload,
	PUT: finishUpload,
	DELETE: cancelUpload,
};
const resources: Readonly<Record<string, Methods>> = {
	manifests: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
	blobs: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
	tags: { GET: listTags, HEAD: listTags },
	referrers: { GET: listReferrers, HEAD: listReferrers },
};

// Bytes of strangers on the origin of the page: a browser must not make a document of them.
const inert = {
	'Docker-Distribution-Api-Version': 'registry/2.0',
	'X-Content-Type-Options': 'nosniff',
	'Content-Security-Policy': "sandbox; default-src 'none'",
};

const resourcePath =
	/^(.+)\/(?:blobs\/(uploads)(?:\/([^/]*))?|tags\/list|(manifests|blobs|referrers)\/([^/]+))$/;

interface Route {
	readonly name: string;
	readonly methods: Methods;
	readonly target: string;
}

/** Takes a path apart after `/v2/`; repository names hold slashes, so the last match counts. */
function findRoute(path: string): Route | undefined {
	const match = resourcePath.exec(path);
	if (!match) return undefined;
	const [, name = '', isUpload, id = '', kind, target = ''] = match;
	if (isUpload) return { name, methods: id ? upload : uploads, target: id };
	return { name, methods: resources[kind ?? 'tags'] ?? {}, target };
}

async function answer(
	request: Request,
	store: Store,
	{ token, stallMs = defaultStallMs }: StoreRoutesOptions,
): Promise<Response> {
	const url = new URL(request.url);
	// Some clients escape the colon of a digest. Every other escape has no place in these paths.
	const path = url.pathname.replace(/^\/v2\/?/, '').replace(/%3a/gi, ':');
	guardRequest(request, token, path === '');
	const isReading = request.method === 'GET' || request.method === 'HEAD';
	if (path === '' && isReading) return jsonResponse(request, {});
	if (path === '_catalog' && isReading) return await listRepositories(request, url, store);
	const route = findRoute(path);
	if (!route) throw new StoreError('notFound', 'The distribution-spec has no such endpoint.');
	const repository = store.repository(route.name);
	const handler = route.methods[request.method];
	if (!handler) {
		throw new StoreError('unsupported', `${request.method} is not possible here.`, {
			headers: { Allow: Object.keys(route.methods).join(', ') },
		});
	}
	return await handler({ request, url, store, repository, stallMs, target: route.target });
}

function failure(error: unknown): StoreError {
	return systemCode(error) === 'ENOSPC'
		? new StoreError('full', 'There is no space left on the disk.', { cause: error })
		: new StoreError('damaged', problemOf(error).reason, { cause: error });
}

function refusal(request: Request, error: unknown): Response {
	const refused = error instanceof StoreError ? error : failure(error);
	const response = jsonResponse(request, refused, refused.headers);
	return new Response(response.body, { status: refused.status, headers: response.headers });
}

/**
 * The routes of the embedded registry, to be mounted on `/v2`. Reading is open to whoever passed the
 * check of the Host header in front; writing needs the token; requests of web pages are refused.
 */
export function createStoreRoutes(store: Store, options: StoreRoutesOptions): Hono {
	const routes = new Hono();
	routes.all('*', async (context) => {
		const request = context.req.raw;
		const response = await answer(request, store, options).catch((error: unknown) =>
			refusal(request, error),
		);
		for (const [name, value] of Object.entries(inert)) response.headers.set(name, value);
		return response;
	});
	return routes;
}
