/** D3: one random token a process. Whoever has it may use the API; nothing is sent by browsers unasked. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { tokenHeader } from '../../shared/api/schema.ts';
import { refusal } from '../routes/failure.ts';

const tokenBytes = 32;
const tokenPattern = /^[A-Za-z0-9_-]{43}$/;

/** A new token of 256 bits, as 43 characters that need no escaping in a URL. */
export function createToken(): string {
	return randomBytes(tokenBytes).toString('base64url');
}

export function isToken(text: string): boolean {
	return tokenPattern.test(text);
}

/** Compares in constant time, whatever the length of what was given. */
export function tokensEqual(expected: string, given: string): boolean {
	const digest = (text: string) => createHash('sha256').update(text).digest();
	return timingSafeEqual(digest(expected), digest(given));
}

/** Lets through only what carries the token in its header. */
export function requireToken(token: string): MiddlewareHandler {
	return async function tokenGuard(c, next) {
		const given = c.req.header(tokenHeader);
		if (given === undefined) {
			return refusal(c, 401, 'The request carries no token.', 'token-missing');
		}
		if (!tokensEqual(token, given)) {
			return refusal(c, 401, 'The token is not the one of this server.', 'token-rejected');
		}
		return next();
	};
}
