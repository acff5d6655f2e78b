/** Redirects, followed by hand: few, never to a worse scheme, never with credentials to another origin (D12). */
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import type { AnswerHead } from './exchange.ts';

/** One request of a chain. */
export interface Hop {
	readonly url: URL;
	readonly headers: Readonly<Record<string, string>>;
	/** for a request that changes something: it goes on only as it is, and only on its own origin */
	readonly writes?: boolean;
}

/** Statuses that keep method and body. */
const keepingStatuses: ReadonlySet<number> = new Set([307, 308]);
const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
	return redirectStatuses.has(status);
}

function refused(from: URL, why: string): ProblemError {
	return new ProblemError({
		code: 'redirect-refused',
		origin: 'registry',
		reason: `${from.host} sent this request on to ${why}, so it was not followed.`,
		registry: from.host,
	});
}

/** Without what is meant for one origin only. */
export function withoutCredentials(
	headers: Readonly<Record<string, string>>,
): Record<string, string> {
	return Object.fromEntries(
		Object.entries(headers).filter(
			([name]) => !['authorization', 'cookie', 'proxy-authorization'].includes(name.toLowerCase()),
		),
	);
}

/** @throws ProblemError `redirect-refused` */
function nextHop(
	{ url, headers, writes = false }: Hop,
	{ status, headers: sent }: AnswerHead,
): Hop {
	const location = sent['location'];
	if (location === undefined || !URL.canParse(location, url)) throw refused(url, 'nowhere');
	const target = new URL(location, url);
	if (target.protocol !== 'https:' && target.protocol !== 'http:') {
		throw refused(url, `a ${target.protocol} address`);
	}
	if (target.username !== '' || target.password !== '') {
		throw refused(url, 'an address with a user name in it');
	}
	if (url.protocol === 'https:' && target.protocol === 'http:') {
		throw refused(url, `${target.host} without TLS`);
	}
	if (writes && (target.origin !== url.origin || !keepingStatuses.has(status))) {
		throw refused(url, `${target.host}, though it was to change something`);
	}
	target.hash = '';
	return {
		url: target,
		writes,
		headers: target.origin === url.origin ? headers : withoutCredentials(headers),
	};
}

/**
 * Sends `first` and follows what comes back. `send` answers for the egress rules of each hop;
 * `discard` ends an answer that nobody reads.
 * @throws ProblemError `redirect-refused`
 */
export async function followRedirects<A extends AnswerHead>(
	first: Hop,
	answer: A,
	send: (hop: Hop) => Promise<A>,
	discard: (answer: A) => void,
): Promise<A> {
	const seen = new Set([first.url.href]);
	let hop = first;
	let latest = answer;
	while (isRedirect(latest.status)) {
		discard(latest);
		const next = nextHop(hop, latest);
		if (seen.has(next.url.href)) throw refused(hop.url, 'an address that sent it here');
		if (seen.size > limits.redirects) {
			throw refused(hop.url, `one more address, after ${limits.redirects} others`);
		}
		seen.add(next.url.href);
		hop = next;
		latest = await send(hop);
	}
	return latest;
}
