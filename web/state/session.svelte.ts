/**
 * The key to the proxy. It comes in the fragment of the first link, leaves the address bar at once,
 * stays in this tab, and is handed to other tabs of the same origin that ask for it.
 */
import { parseEntry } from '../../shared/link/entry.ts';

const storageKey = 'espalier.token';
const channelName = 'espalier.token';
const answerWithinMs = 400;

type Message = { readonly ask: true } | { readonly token: string };

export type SessionStatus =
	/** asking other tabs */
	| 'asking'
	| 'ready'
	/** no tab has one */
	| 'missing'
	/** the proxy was restarted and takes it no longer */
	| 'rejected';

export class Session {
	#token = $state<string | undefined>(undefined);
	#status = $state<SessionStatus>('asking');
	readonly #channel =
		typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(channelName);
	/** Tokens that the proxy refused: another tab may still offer them. */
	// eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is drawn from it
	readonly #refused = new Set<string>();

	constructor() {
		this.#channel?.addEventListener('message', ({ data }: MessageEvent<Message>) =>
			this.#hear(data),
		);
		const entry = parseEntry(window.location.hash);
		if (entry) {
			history.replaceState(null, '', entry.to);
			this.#adopt(entry.token);
			this.#say({ token: entry.token });
			return;
		}
		const kept = this.#readKept();
		if (kept) this.#adopt(kept);
		else this.#ask('missing');
	}

	get status(): SessionStatus {
		return this.#status;
	}

	get token(): string | undefined {
		return this.#token;
	}

	/** The proxy refused the token: perhaps another tab was opened with the new one. */
	reject(): void {
		if (this.#status !== 'ready') return;
		if (this.#token) this.#refused.add(this.#token);
		this.#token = undefined;
		this.#ask('rejected');
	}

	#ask(otherwise: 'missing' | 'rejected'): void {
		this.#status = 'asking';
		this.#say({ ask: true });
		setTimeout(() => {
			if (this.#status === 'asking') this.#status = otherwise;
		}, answerWithinMs);
	}

	#hear(message: Message): void {
		if ('ask' in message) {
			if (this.#status === 'ready' && this.#token) this.#say({ token: this.#token });
		} else if (this.#status !== 'ready' && !this.#refused.has(message.token)) {
			this.#adopt(message.token);
		}
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
