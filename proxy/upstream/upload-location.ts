/** Where a registry wants a blob sent: what its Location means, and where it may lead (D12). */
import type { Digest } from '../../shared/oci/digest.ts';
import { ProblemError, type ProblemCode } from '../../shared/registry/problem.ts';
import { hostnameOf, type RegistryEndpoint } from './endpoint.ts';

function refused({ registry }: RegistryEndpoint, code: ProblemCode, why: string): ProblemError {
	const reason = `${registry} wants blobs sent ${why}, so nothing was sent.`;
	return new ProblemError({ code, origin: 'registry', reason, registry });
}

/** Some registries leave out the scheme: `host/path`, where the host has a dot or a port, or is `localhost`. */
const withoutScheme =
	/^(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|\[[a-f0-9:.]+\])(?::\d{1,5})?\/|^[a-z0-9-]+:\d{1,5}\//i;

function parse(location: string | undefined, asked: URL): URL | undefined {
	if (location === undefined || location === '') return undefined;
	const text = withoutScheme.test(location) ? `${asked.protocol}//${location}` : location;
	return URL.canParse(text, asked) ? new URL(text, asked) : undefined;
}

/** Registries behind a proxy that ends TLS often think that they have none. They are asked on their own origin. */
function onOwnOrigin(url: URL, { origin, hostname, plainHttp }: RegistryEndpoint): URL {
	const own = new URL(origin);
	const sameHost = hostnameOf(url) === hostname && (url.port === '' || url.port === own.port);
	if (plainHttp || url.protocol !== 'http:' || !sameHost) return url;
	return new URL(url.pathname + url.search, own);
}

/**
 * The address to send to, from the Location of the answer to a request to `asked`. Which addresses may be
 * contacted at all is decided by whoever sends.
 * @throws ProblemError `malformed` where there is none, `redirect-refused` where it may not be followed
 */
export function uploadUrl(
	location: string | undefined,
	asked: URL,
	endpoint: RegistryEndpoint,
): URL {
	const parsed = parse(location, asked);
	if (!parsed) throw refused(endpoint, 'malformed', 'to an address that it does not say legibly');
	if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') {
		throw refused(endpoint, 'redirect-refused', `to a ${parsed.protocol} address`);
	}
	if (parsed.username !== '' || parsed.password !== '') {
		throw refused(endpoint, 'redirect-refused', 'to an address with a user name in it');
	}
	const url = onOwnOrigin(parsed, endpoint);
	if (url.protocol === 'http:' && !endpoint.plainHttp) {
		throw refused(endpoint, 'redirect-refused', `to ${url.host} without TLS`);
	}
	url.hash = '';
	return url;
}

/** The address that completes an upload. What the registry put into its query stays as it is. */
export function completionUrl(upload: URL, digest: Digest): URL {
	const url = new URL(upload);
	url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
	return url;
}
