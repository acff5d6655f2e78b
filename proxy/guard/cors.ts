/** D4, D5 where pages of other origins are allowed (`--allow-origin`): what they and nobody else may read. */
import type { Context, MiddlewareHandler } from 'hono';
import { loginsHeader } from '../../shared/api/logins.ts';
import { tokenHeader } from '../../shared/api/schema.ts';
import { refusal } from '../routes/failure.ts';
import { apiMethods } from './origin.ts';

const headers: readonly string[] = ['content-type', tokenHeader, loginsHeader];

/** Seconds for which a browser need not ask again. A server that is started anew may allow other origins. */
const maxAgeSeconds = 60;

function asksForMore(c: Context): boolean {
	const method = c.req.header('access-control-request-method') ?? '';
	const wanted = (c.req.header('access-control-request-headers') ?? '').split(',');
	const names = wanted.map((name) => name.trim().toLowerCase()).filter((name) => name !== '');
	return !apiMethods.includes(method) || !names.every((name) => headers.includes(name));
}

function answerPreflight(c: Context): Response {
	if (asksForMore(c)) return refusal(c, 403, 'The API has no such method, or no such header.');
	return c.body(null, 204, {
		'access-control-allow-methods': apiMethods.join(', '),
		'access-control-allow-headers': headers.join(', '),
		'access-control-max-age': `${maxAgeSeconds}`,
	});
}

/**
 * For the API alone. Lets pages of these origins read what it answers, never with credentials of the browser's: the
 * token is asked for as ever. Answers to everybody else name no origin. The preflight header of Private Network
 * Access is not answered: browsers ask the person instead.
 */
export function allowReading(origins: ReadonlySet<string>): MiddlewareHandler {
	return async function corsAnswerer(c, next) {
		const origin = c.req.header('origin');
		const isAllowed = origin !== undefined && origins.has(origin);
		if (isAllowed && c.req.method === 'OPTIONS') c.res = answerPreflight(c);
		else await next();
		if (origins.size > 0) c.res.headers.append('vary', 'Origin');
		if (isAllowed) c.res.headers.set('access-control-allow-origin', origin);
	};
}
