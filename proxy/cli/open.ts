/** `espalier open LINK`: shows a link in this user's own server, wherever it was made. */
import { parseEntry } from '../../shared/link/entry.ts';
import { formatRoute } from '../../shared/link/route.ts';
import { formatReference, parseReference } from '../../shared/oci/reference.ts';
import { loopbackNames } from '../guard/host.ts';
import { dataDirectory, ownSurroundings } from '../server/data-directory.ts';
import { defaultPort, homeRoute, localOrigin } from '../server/page-url.ts';
import { findServer } from '../server/running-server.ts';
import { requireAllowed } from './allowed-origins.ts';
import type { OpenArguments } from './arguments.ts';
import { announce, serve, type ServeContext, type View } from './serve.ts';
import { UsageError } from './usage.ts';

export interface Link extends View {
	/** of the server for which the link was made */
	readonly port?: number;
}

/** A route, or an entry with somebody's token or code: it is of no use elsewhere and is dropped. */
function routeOf(fragment: string): string {
	const entry = parseEntry(fragment);
	if (entry) return entry.to;
	if (fragment === '' || fragment === '#') return homeRoute;
	if (fragment.startsWith('#/')) return fragment;
	throw new UsageError(`“${fragment}” is not a view of the page.`);
}

/** The page on a static host, wherever on it that lies. */
function readStaticPageLink(url: URL): Link {
	const { origin, pathname, hash } = url;
	return { to: routeOf(hash), site: `${origin}${pathname.replace(/(?:\/index\.html|\/)$/, '')}` };
}

function readPageLink(text: string, allowedOrigins: readonly string[]): Link {
	const url = URL.canParse(text) ? new URL(text) : undefined;
	if (url && allowedOrigins.includes(url.origin)) return readStaticPageLink(url);
	if (
		url?.protocol !== 'http:' ||
		!loopbackNames.includes(url.hostname) ||
		url.username !== '' ||
		url.password !== '' ||
		url.pathname !== '/'
	) {
		throw new UsageError(
			`“${text}” is not a link to this page; such links begin with “http://localhost:${defaultPort}/#/”, or with an origin that “--allow-origin” names.`,
		);
	}
	return { to: routeOf(url.hash), port: url.port === '' ? 80 : Number(url.port) };
}

/**
 * Reads a link of the page, its fragment alone, or a plain reference.
 * @param allowedOrigins of pages on static hosts
 * @throws UsageError
 */
export function readLink(text: string, allowedOrigins: readonly string[] = []): Link {
	if (text.startsWith('#')) return { to: routeOf(text) };
	if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) && !text.startsWith('docker://')) {
		return readPageLink(text, allowedOrigins);
	}
	const parsed = parseReference(text);
	if (!parsed.ok) throw new UsageError(parsed.reason);
	return {
		to: formatRoute({ view: 'release', params: { ref: formatReference(parsed.reference) } }),
		isNamed: true,
	};
}

/** Opens the link in a running server, else in one that it starts and keeps in the foreground. */
export async function open(args: OpenArguments, context: ServeContext): Promise<number> {
	const { port: linked, ...view } = readLink(args.link, args.allowedOrigins);
	const port = args.port ?? linked ?? defaultPort;
	const running = await findServer(dataDirectory(ownSurroundings()), port);
	if (!running) return serve({ ...args, port }, context, view);
	requireAllowed(running, args.allowedOrigins);
	const page = { origin: localOrigin(running.port), server: running, view };
	await announce(context, { headline: 'Open:', page, openBrowser: args.openBrowser });
	return 0;
}
