/** The first meeting of a page on a static host with the proxy on the reader's computer, or why there is none. */
import { exchangedSchema } from '../../shared/api/schema.ts';
import type { Key } from '../../shared/link/entry.ts';
import { problemOf } from '../../shared/registry/problem.ts';
import { localNetworkPermission, type LocalNetworkPermission } from './local-network.ts';
import { ProxyClient } from './proxy-client.ts';

export type NoMeeting =
	/** the browser does not let this page reach this computer */
	| 'denied'
	/** nothing listens there */
	| 'not-running'
	/** something listens there that does not answer this page */
	| 'not-allowed'
	/** the proxy does not take the key */
	| 'rejected'
	/** the proxy answers, and not as it should */
	| 'failed';

export type Meeting =
	{ readonly ok: true; readonly token: string } | { readonly ok: false; readonly why: NoMeeting };

const patienceMs = 10_000;
/** People read what their browser asks before they answer; the request waits for that. */
const patienceWithPeopleMs = 180_000;

async function tokenOf(key: Key, origin: string, signal: AbortSignal): Promise<string> {
	if ('token' in key) return key.token;
	const client = new ProxyClient({ token: () => undefined, origin });
	const response = await client.request('/api/session/exchange', {
		method: 'POST',
		body: JSON.stringify({ code: key.code }),
		signal,
	});
	return exchangedSchema.parse(await response.json()).token;
}

/**
 * An answer that the page may not read and an answer that never came look alike to it. What `/api/listening`
 * says may not be read either, but arrives: that tells the two apart.
 */
async function listens(origin: string): Promise<boolean> {
	try {
		const signal = AbortSignal.timeout(patienceMs);
		await fetch(`${origin}/api/listening`, { mode: 'no-cors', credentials: 'omit', signal });
		return true;
	} catch {
		return false;
	}
}

async function whyUnreachable(
	origin: string,
	permission: () => Promise<LocalNetworkPermission>,
): Promise<NoMeeting> {
	const now = await permission();
	// Still to be asked: the prompt was closed without an answer, and another request would bring it up again.
	if (now === 'denied' || now === 'prompt') return 'denied';
	return (await listens(origin)) ? 'not-allowed' : 'not-running';
}

/** Gives the token that the proxy at `origin` takes. A code is used up by this. */
export async function meetProxy(
	origin: string,
	key: Key,
	permission: () => Promise<LocalNetworkPermission> = localNetworkPermission,
): Promise<Meeting> {
	const asks = (await permission()) === 'prompt';
	const signal = AbortSignal.timeout(asks ? patienceWithPeopleMs : patienceMs);
	try {
		const token = await tokenOf(key, origin, signal);
		const client = new ProxyClient({ token: () => token, origin });
		await client.request('/api/session', { signal });
		return { ok: true, token };
	} catch (error) {
		const { code } = problemOf(error);
		if (code === 'proxy-unreachable') {
			return { ok: false, why: await whyUnreachable(origin, permission) };
		}
		const isKey = code === 'token-missing' || code === 'token-rejected';
		// A code that is not taken is refused as such; only the token has codes of its own.
		return { ok: false, why: isKey || 'code' in key ? 'rejected' : 'failed' };
	}
}
