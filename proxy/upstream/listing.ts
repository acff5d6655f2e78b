/** Listings of several pages: followed on the registry's own origin, never twice the same page (D12, D14). */
import type { RegistryRequest } from '../../shared/registry/distribution.ts';
import { nextLink } from '../../shared/registry/link-header.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';
import { hostnameOf, type RegistryEndpoint } from './endpoint.ts';
import type { Answer } from './exchange.ts';
import type { Call, RegistryClient } from './registry-client.ts';

/** What URLs let stand unescaped and no path may have. */
const unsafe = /[^\w.:/?=&%+~,;@!$'()*-]/g;

function problem(registry: string, code: ProblemCode, reason: string): ProblemError {
	return new ProblemError({ code, origin: 'registry', reason, registry });
}

/**
 * The path of the next page. Only the path of a link is used, so even a link that says `http:`
 * (registries behind a proxy do) cannot lead off the origin.
 * @throws ProblemError `redirect-refused`
 */
function nextPath(endpoint: RegistryEndpoint, path: string, link: string): string {
	const here = new URL(path, endpoint.origin);
	const { registry } = endpoint;
	if (!URL.canParse(link, here)) {
		throw problem(
			registry,
			'malformed',
			`${registry} says where its next page is, but not legibly.`,
		);
	}
	const next = new URL(link, here);
	const elsewhere =
		hostnameOf(next) !== endpoint.hostname || (next.port !== here.port && next.port !== '');
	if (elsewhere || next.username !== '' || !next.pathname.startsWith('/v2/')) {
		const reason = `${registry} says that its next page is at ${next.host}${next.pathname}, where no page of it can be, so it was not followed.`;
		throw problem(registry, 'redirect-refused', reason);
	}
	return (next.pathname + next.search).replace(unsafe, encodeURIComponent);
}

/**
 * The pages of a listing, each answered with 200.
 * @throws ProblemError of the registry; `malformed` where pages repeat, `too-large` beyond `mostPages`
 */
export async function* listingPages(
	client: RegistryClient,
	first: RegistryRequest,
	call: Call,
	mostPages: number,
): AsyncGenerator<Answer, void, undefined> {
	const endpoint = client.endpoint(call.registry);
	const { registry } = call;
	const seen = new Set<string>();
	let request = first;
	let previous: Uint8Array | undefined;
	for (;;) {
		if (seen.size >= mostPages) {
			throw problem(registry, 'too-large', `${registry} lists more than ${mostPages} pages.`);
		}
		seen.add(request.path);
		const answer = await client.collect(request, call);
		if (answer.status !== 200) throw await client.refusal(request, call, answer);
		const link = nextLink(answer.headers['link'] ?? '');
		const path = link === undefined ? undefined : nextPath(endpoint, request.path, link);
		const repeats = previous !== undefined && Buffer.compare(previous, answer.bytes) === 0;
		if (repeats || (path !== undefined && seen.has(path))) {
			const reason = `${registry} lists the same page again and again, so its listing cannot be complete.`;
			throw problem(registry, 'malformed', reason);
		}
		yield answer;
		if (path === undefined) return;
		previous = answer.bytes;
		request = { ...request, path };
	}
}
