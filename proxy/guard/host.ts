/** D2: answers only to its own names. Stops DNS rebinding, for every path. */
import type { MiddlewareHandler } from 'hono';
import { refusal } from '../routes/failure.ts';
import { incomingOf, type NodeEnv } from '../server/node-request.ts';

export const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** What identifies the addressee of a request, as it came over the wire. */
export interface Addressee {
	/** the request target; only the origin form (`/path?query`) is served */
	readonly target: string;
	/** the value of each Host header */
	readonly hosts: readonly string[];
}

/** The Host values of a server on this port of the loopback addresses. */
export function loopbackHosts(port: number): ReadonlySet<string> {
	const withPort = loopbackNames.map((name) => `${name}:${port}`);
	return new Set(port === 80 ? [...loopbackNames, ...withPort] : withPort);
}

/** Lower case, without the one dot that may end a fully qualified name. */
function canonicalHost(host: string): string {
	return host.toLowerCase().replace(/\.(?=:\d+$|$)/, '');
}

/** Why this request is not for this server; undefined where it is. */
export function judgeAddressee(
	{ target, hosts }: Addressee,
	allowed: ReadonlySet<string>,
): string | undefined {
	if (!target.startsWith('/')) return 'The request target must be a path.';
	const [host, ...more] = hosts;
	if (host === undefined) return 'The request has no Host header.';
	if (more.length > 0) return 'The request has more than one Host header.';
	if (!allowed.has(canonicalHost(host))) return 'This server does not go by the name in Host.';
	return undefined;
}

// Node joins or drops repeated headers; only the raw list tells that there were two.
function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
	return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
}

/** Refuses whatever was not sent to one of the allowed hosts. X-Forwarded-* counts for nothing. */
export function guardHost(allowed: ReadonlySet<string>): MiddlewareHandler<NodeEnv> {
	return async function hostGuard(c, next) {
		const incoming = incomingOf(c);
		const host = c.req.header('host');
		const addressee: Addressee = incoming
			? { target: incoming.url ?? '', hosts: headerValues(incoming.rawHeaders, 'host') }
			: { target: '/', hosts: host === undefined ? [] : [host] };
		const reason = judgeAddressee(addressee, allowed);
		if (reason !== undefined) return refusal(c, 403, reason);
		return next();
	};
}
