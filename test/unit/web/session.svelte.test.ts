import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Session } from '../../../web/state/session.svelte.ts';

const token = 'T'.repeat(43);
const key = 'espalier.token';

/** All tabs of one origin: what one says, the others hear at once. */
class Channel {
	static readonly open = new Set<Channel>();
	readonly #listeners = new Set<(event: { data: unknown }) => void>();
	constructor() {
		Channel.open.add(this);
	}
	addEventListener(_: string, listener: (event: { data: unknown }) => void): void {
		this.#listeners.add(listener);
	}
	postMessage(data: unknown): void {
		for (const other of Channel.open) {
			if (other !== this) for (const listener of other.#listeners) listener({ data });
		}
	}
}

let shown: string[];
let storage: Map<string, string>;

/** A new tab, opened at a fragment. */
function openTab(fragment = '', kept?: string): Session {
	storage = new Map(kept === undefined ? [] : [[key, kept]]);
	vi.stubGlobal('window', { location: { hash: fragment } });
	return new Session();
}

beforeEach(() => {
	vi.useFakeTimers();
	shown = [];
	Channel.open.clear();
	vi.stubGlobal('BroadcastChannel', Channel);
	vi.stubGlobal('history', {
		replaceState: (_: unknown, __: string, to: string) => shown.push(to),
	});
	vi.stubGlobal('sessionStorage', {
		getItem: (name: string) => storage.get(name) ?? null,
		setItem: (name: string, value: string) => void storage.set(name, value),
	});
});
afterEach(() => {
	vi.unstubAllGlobals();
	vi.useRealTimers();
});

describe('the session of a tab', () => {
	it('takes the key out of the address bar, keeps it in the tab and goes where the link leads', () => {
		const session = openTab(`#t=${token}&to=${encodeURIComponent('#/release?ref=a/b')}`);
		expect(session).toMatchObject({ status: 'ready', token });
		expect(shown).toEqual(['#/release?ref=a/b']);
		expect(storage.get(key)).toBe(token);
	});

	it('finds the key again after a reload', () => {
		expect(openTab('#/release?ref=a', token)).toMatchObject({ status: 'ready', token });
		expect(shown).toEqual([]);
	});

	it('prefers the key of a link to an old one', () => {
		expect(openTab(`#t=${token}`, 'old').token).toBe(token);
	});

	it('borrows the key of another tab', () => {
		openTab(`#t=${token}`);
		expect(openTab('#/release?ref=a')).toMatchObject({ status: 'ready', token });
		expect(storage.get(key)).toBe(token);
	});

	it('says so where nobody has a key, after a moment and not before', () => {
		const session = openTab('#/');
		expect(session.status).toBe('asking');
		vi.advanceTimersByTime(399);
		expect(session.status).toBe('asking');
		vi.advanceTimersByTime(1);
		expect(session).toMatchObject({ status: 'missing', token: undefined });
	});

	it('takes a key that comes later', () => {
		const waiting = openTab('#/');
		vi.advanceTimersByTime(500);
		openTab(`#t=${token}`);
		expect(waiting).toMatchObject({ status: 'ready', token });
	});

	it('gives no key away that it does not have', () => {
		openTab('#/');
		const second = openTab('#/');
		vi.advanceTimersByTime(500);
		expect(second.status).toBe('missing');
	});

	it('keeps its key, whatever others offer', () => {
		const session = openTab(`#t=${token}`);
		openTab('#t=other');
		expect(session.token).toBe(token);
	});

	it('gives a refused key up, and never takes it again', () => {
		const stale = openTab('', token);
		openTab('', token);
		stale.reject();
		expect(stale).toMatchObject({ status: 'asking', token: undefined });
		vi.advanceTimersByTime(400);
		expect(stale.status).toBe('rejected');
		openTab('#t=new');
		expect(stale).toMatchObject({ status: 'ready', token: 'new' });
	});

	it('is refused once, however many requests were refused', () => {
		const session = openTab('', token);
		session.reject();
		session.reject();
		vi.advanceTimersByTime(400);
		session.reject();
		expect(session.status).toBe('rejected');
	});

	it('works without storage and without channels', () => {
		vi.stubGlobal('BroadcastChannel', undefined);
		const refuse = () => {
			throw new DOMException('no', 'SecurityError');
		};
		vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse });
		expect(openTab(`#t=${token}`)).toMatchObject({ status: 'ready', token });
		const without = openTab('#/');
		vi.advanceTimersByTime(400);
		expect(without.status).toBe('missing');
	});
});
