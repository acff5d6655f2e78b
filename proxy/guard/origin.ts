/** D4, D5: who a browser says is asking. Programs that are no browser send none of these headers. */
import type { Context, MiddlewareHandler } from 'hono';
import { refusal } from '../routes/failure.ts';
import { loopbackNames } from './host.ts';

/** The origins under which this server's own page runs. Never derived from the Host header. */
export function loopbackOrigins(port: number, more: readonly string[] = []): ReadonlySet<string> {
	const own = loopbackNames.map((name) => new URL(`http://${name}:${port}`).origin);
	return new Set([...own, ...more]);
}

function comesFromElsewhere(c: Context, origins: ReadonlySet<string>): boolean {
	const origin = c.req.header('origin');
	return origin !== undefined && !origins.has(origin);
}

export const apiMethods: readonly string[] = ['GET', 'POST', 'PUT'];

const foreign = 'The request comes from another site.';

/** A script of a page of these origins that asked to read the answer; navigations and pictures name no origin. */
function isReadBy(c: Context, origins: ReadonlySet<string>): boolean {
	const origin = c.req.header('origin');
	const mode = c.req.header('sec-fetch-mode') ?? 'cors';
	return origin !== undefined && origins.has(origin) && mode === 'cors';
}

const nobody: ReadonlySet<string> = new Set();

/**
 * The API: only for pages of this origin, and only by the methods that it has.
 * @param allowed other origins that may use it, and read what it answers (guard/cors.ts)
 */
export function guardApi(
	origins: ReadonlySet<string>,
	allowed: ReadonlySet<string> = nobody,
): MiddlewareHandler {
	return async function apiGuard(c, next) {
		const site = c.req.header('sec-fetch-site');
		const isForeign =
			comesFromElsewhere(c, origins) || (site !== undefined && site !== 'same-origin');
		if (isForeign && !isReadBy(c, allowed)) return refusal(c, 403, foreign);
		// A HEAD would start a stream that nobody reads.
		if (!apiMethods.includes(c.req.method)) {
			return refusal(c, 405, `The method must be ${apiMethods.join(' or ')}.`);
		}
		return next();
	};
}

/**
 * A link from elsewhere opens the page only where a person followed it: a script of another site
 * cannot open it unseen, and nothing can embed it.
 */
function mayNavigate(c: Context, site: string): boolean {
	if (c.req.header('sec-fetch-dest') !== 'document') return false;
	return site === 'none' || site === 'same-origin' || c.req.header('sec-fetch-user') === '?1';
}

const embedding: readonly string[] = ['iframe', 'frame', 'embed', 'object', 'fencedframe'];

/** The page and its files: own requests, and navigations of the whole tab. */
export function guardPages(origins: ReadonlySet<string>): MiddlewareHandler {
	return async function pageGuard(c, next) {
		if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
			return refusal(c, 405, 'The method must be GET or HEAD.');
		}
		const site = c.req.header('sec-fetch-site');
		const allowed =
			site === undefined ||
			(c.req.header('sec-fetch-mode') === 'navigate'
				? mayNavigate(c, site)
				: site === 'same-origin' || site === 'none');
		const embedded = embedding.includes(c.req.header('sec-fetch-dest') ?? '');
		if (comesFromElsewhere(c, origins) || !allowed || embedded) return refusal(c, 403, foreign);
		return next();
	};
}

/** The embedded registry is for registry clients: whatever shows signs of a browser is refused. */
export const refuseBrowsers: MiddlewareHandler = async function browserGuard(c, next) {
	if (c.req.header('origin') !== undefined || c.req.header('sec-fetch-site') !== undefined) {
		return refusal(c, 403, 'The embedded registry does not talk to browsers.');
	}
	return next();
};

/** A preflight is told no, and no answer names an origin; but for those that were allowed (guard/cors.ts). */
export const refusePreflights: MiddlewareHandler = async function preflightGuard(c, next) {
	if (c.req.method === 'OPTIONS') return refusal(c, 403, 'Other origins are not served.');
	return next();
};
