/** D5: what browsers are told about every answer. */
import type { MiddlewareHandler } from 'hono';

/**
 * The page's policy. Svelte builds its templates through one Trusted Types policy, and the page starts its
 * worker (web/workers/gzip.ts) through the other; nothing else may turn text into markup or scripts.
 */
const policy = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self' blob:",
	"connect-src 'self'",
	"font-src 'self'",
	"manifest-src 'self'",
	"worker-src 'self'",
	"form-action 'none'",
	"frame-ancestors 'none'",
	"base-uri 'none'",
	"object-src 'none'",
	"require-trusted-types-for 'script'",
	'trusted-types svelte-trusted-html espalier-worker',
];

export const contentSecurityPolicy = policy.join('; ');

/**
 * For the page on a static host, as a `<meta>`: the same, but that it may talk to this computer. Where the proxy
 * serves the page, both policies hold, and so the stricter one. Frames are left out: a `<meta>` cannot forbid them.
 */
export const staticPagePolicy = policy
	.map((rule) =>
		rule.startsWith('connect-src ') ? `${rule} http://127.0.0.1:* http://localhost:*` : rule,
	)
	.filter((rule) => !rule.startsWith('frame-ancestors '))
	.join('; ');

export const securityHeaders: Readonly<Record<string, string>> = {
	'content-security-policy': contentSecurityPolicy,
	'cross-origin-resource-policy': 'same-origin',
	'cross-origin-opener-policy': 'same-origin',
	'cross-origin-embedder-policy': 'require-corp',
	'x-content-type-options': 'nosniff',
	'referrer-policy': 'no-referrer',
};

/** Sets them on every answer that has not a stricter one of its own. */
export const setSecurityHeaders: MiddlewareHandler = async function securityHeaderSetter(c, next) {
	await next();
	for (const [name, value] of Object.entries(securityHeaders)) {
		if (!c.res.headers.has(name)) c.res.headers.set(name, value);
	}
};

/** Nothing of the API is kept by browsers. */
export const forbidStoring: MiddlewareHandler = async function storingForbidder(c, next) {
	await next();
	c.res.headers.set('cache-control', 'no-store');
};
