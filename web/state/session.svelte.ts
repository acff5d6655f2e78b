/**
 * The key to the proxy, where it takes one: a team's server takes none. It comes in the fragment of a link, or a code for it does; it leaves the address bar at
 * once, stays in this tab, and is handed to other tabs of the same origin that ask for it.
 */
import { parseEntry, type Entry, type Key } from '../../shared/link/entry.ts';

const storageKey = 'espalier.token';
const channelName = 'espalier.token';
const answerWithinMs = 400;

type Message = { readonly ask: true } | { readonly token: string };

export type SessionStatus =
	/** asking the proxy about the key of a link, or other tabs for theirs */
	| 'asking'
	| 'ready'
	/** no tab has one */
	| 'missing'
	/** the proxy was restarted and takes it no longer */
	| 'rejected';

/** What the proxy says about keys. Where it does not answer, it takes none. */
export interface KeyCheck {
	readonly isAccepted: (token: string) => Promise<boolean>;
	/** True where it takes everybody, and nobody has a key. */
	readonly needsNoKey: () => Promise<boolean>;
	/** The token that a code stands for, where it is given for it. */
	readonly exchangeCode: (code: string) => Promise<string | undefined>;
	/** The route of an entry with a good key whose registries the user named. */
	readonly onnamed?: (route: string) => void;
}

export class Session {
	readonly #keys: KeyCheck;
	#token = $state<string | undefined>(undefined);
	#status = $state<SessionStatus>('asking');
	readonly #channel =
		typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(channelName);
	/** Many tabs may offer the same one at once. */
	#offered: string | undefined;

	constructor(keys: KeyCheck) {
		this.#keys = keys;
		this.#channel?.addEventListener('message', ({ data }: MessageEvent<Message>) =>
			this.#hear(data),
		);
		// A link that is pasted into the address bar of an open page loads nothing.
		window.addEventListener('hashchange', () => this.#takeEntry());
		if (!this.#takeEntry()) this.#resume('missing');
	}

	get status(): SessionStatus {
		return this.#status;
	}

	get token(): string | undefined {
		return this.#token;
	}

	/** The proxy refused this token: perhaps another tab was opened with the new one. */
	reject(token: string | undefined): void {
		if (this.#status !== 'ready' || token !== this.#token) return;
		this.#token = undefined;
		this.#ask('rejected');
	}

	/** Takes an entry out of the address bar before anything is done with it; false where there is none. */
	#takeEntry(): boolean {
		const entry = parseEntry(window.location.hash);
		if (!entry) return false;
		history.replaceState(null, '', entry.to);
		void this.#enter(entry);
		return true;
	}

	/** What the tab had stays where the link brings nothing better. */
	async #enter(key: Entry): Promise<void> {
		const token = await this.#tokenOf(key);
		if (token !== undefined) {
			if (key.isNamed) this.#keys.onnamed?.(key.to);
			this.#adopt(token);
			this.#say({ token });
		} else if (this.#status !== 'ready') {
			this.#resume('code' in key ? 'missing' : 'rejected');
		}
	}

	async #tokenOf(key: Key): Promise<string | undefined> {
		if ('code' in key) return this.#keys.exchangeCode(key.code);
		return (await this.#keys.isAccepted(key.token)) ? key.token : undefined;
	}

	#resume(otherwise: 'missing' | 'rejected'): void {
		const kept = this.#readKept();
		if (kept) this.#adopt(kept);
		else this.#ask(otherwise);
	}

	#ask(otherwise: 'missing' | 'rejected'): void {
		this.#status = 'asking';
		this.#say({ ask: true });
		const othersHadTime = new Promise((resolve) => setTimeout(resolve, answerWithinMs));
		void this.#goWithout(othersHadTime, otherwise);
	}

	async #goWithout(othersHadTime: Promise<unknown>, otherwise: SessionStatus): Promise<void> {
		const needsNone = await this.#keys.needsNoKey();
		if (!needsNone) await othersHadTime;
		if (this.#status === 'asking') this.#status = needsNone ? 'ready' : otherwise;
	}

	#hear(message: Message): void {
		if ('token' in message) {
			if (this.#status !== 'ready') void this.#consider(message.token);
		} else if (this.#status === 'ready' && this.#token) {
			this.#say({ token: this.#token });
		}
	}

	async #consider(token: string): Promise<void> {
		if (token === this.#offered) return;
		this.#offered = token;
		if (await this.#keys.isAccepted(token)) this.#adopt(token);
		this.#offered = undefined;
	}

	#say(message: Message): void {
		this.#channel?.postMessage(message);
	}

	#adopt(token: string): void {
		this.#token = token;
		this.#status = 'ready';
		try {
			sessionStorage.setItem(storageKey, token);
		} catch {
			// Without storage the token lives as long as the page.
		}
	}

	#readKept(): string | undefined {
		try {
			return sessionStorage.getItem(storageKey) ?? undefined;
		} catch {
			return undefined;
		}
	}
}
