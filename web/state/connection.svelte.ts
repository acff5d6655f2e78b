/**
 * The way from a page on a static host to the proxy on the reader's computer. Other pages may be served under the
 * same origin: the key is in this tab's memory only, and gone with a reload.
 */
import { parseEntry, type Entry, type Key } from '../../shared/link/entry.ts';
import { parseProxyAddress } from '../../shared/link/proxy-address.ts';
import type { LocalNetworkPermission } from '../api/local-network.ts';
import type { Meeting, NoMeeting } from '../api/proxy-elsewhere.ts';

export const usualProxy = 'http://127.0.0.1:4763';

export type ConnectionStatus =
	/** waiting for a key, or for the click before the browser asks */
	'waiting' | 'connecting' | 'ready' | NoMeeting;

export interface Ways {
	readonly meet: (origin: string, key: Key) => Promise<Meeting>;
	readonly permission: () => Promise<LocalNetworkPermission>;
	/** The route of an entry with a good key whose registries the user named. */
	readonly onnamed?: (route: string) => void;
}

function keyOf(key: Key): Key {
	return 'code' in key ? { code: key.code } : { token: key.token };
}

/** A key as people paste it: alone, or within the address that the proxy printed, which says where it is, too. */
export function readPastedKey(
	text: string,
): { readonly key: Key; readonly proxy?: string } | undefined {
	const pasted = text.trim();
	const at = pasted.indexOf('#');
	const entry = at < 0 ? undefined : parseEntry(pasted.slice(at));
	if (entry) {
		const proxy = entry.proxy ?? parseProxyAddress(pasted.slice(0, at));
		return { key: keyOf(entry), ...(proxy && { proxy }) };
	}
	return /^[\w-]+$/.test(pasted) ? { key: { token: pasted } } : undefined;
}

export class Connection {
	readonly #ways: Ways;
	#origin = $state(usualProxy);
	#token = $state<string | undefined>(undefined);
	#status = $state<ConnectionStatus>('waiting');
	#permission = $state<LocalNetworkPermission>('unknown');
	/** what a link brought or somebody pasted, until the proxy has looked at it */
	#untried = $state.raw<Entry | undefined>(undefined);

	constructor(ways: Ways) {
		this.#ways = ways;
		// A link that is pasted into the address bar of an open page loads nothing.
		window.addEventListener('hashchange', () => this.#takeEntry());
		this.#takeEntry();
		void this.#look();
	}

	get status(): ConnectionStatus {
		return this.#status;
	}

	get token(): string | undefined {
		return this.#token;
	}

	/** of the proxy */
	get origin(): string {
		return this.#origin;
	}

	/** True where the next request makes the browser ask. */
	get willAsk(): boolean {
		return this.#permission === 'prompt';
	}

	/** True where there is a key that was not tried yet. */
	get hasKey(): boolean {
		return this.#untried !== undefined;
	}

	/** The proxy refused this token: it was started anew. */
	reject(token: string | undefined): void {
		if (this.#status !== 'ready' || token !== this.#token) return;
		this.#token = undefined;
		this.#status = 'rejected';
	}

	/** Asked for by a click: the browser may now ask, too. Tries what is there already where nothing was pasted. */
	async connect(origin: string, pasted?: Key): Promise<void> {
		const entry = pasted ? { ...keyOf(pasted), to: '#/' } : this.#untried;
		if (entry === undefined || this.#status === 'connecting') return;
		this.#untried = entry;
		this.#origin = origin;
		this.#token = undefined;
		this.#status = 'connecting';
		const meeting = await this.#ways.meet(origin, keyOf(entry));
		this.#permission = await this.#ways.permission();
		if (meeting.ok) {
			this.#token = meeting.token;
			if (entry.isNamed) this.#ways.onnamed?.(entry.to);
		}
		if (meeting.ok || meeting.why === 'rejected' || meeting.why === 'failed') {
			this.#untried = undefined;
		}
		this.#status = meeting.ok ? 'ready' : meeting.why;
	}

	async #look(): Promise<void> {
		this.#permission = await this.#ways.permission();
	}

	/** Takes an entry out of the address bar at once. What a link brings is tried with a click only. */
	#takeEntry(): void {
		const entry = parseEntry(window.location.hash);
		if (!entry) return;
		history.replaceState(null, '', entry.to);
		if (this.#status === 'connecting') return;
		this.#untried = entry;
		this.#origin = entry.proxy ?? usualProxy;
		this.#status = 'waiting';
	}
}
