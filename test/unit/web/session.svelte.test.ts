import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Location } from '../../../web/state/location.svelte.ts';
import { Session } from '../../../web/state/session.svelte.ts';

const token = 'T'.repeat(43);
const code = 'C'.repeat(43);
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

/** The window of a tab, whose address bar can be typed into. */
class Tab extends EventTarget {
	readonly location = { hash: '' };
	paste(fragment: string): void {
		this.location.hash = fragment;
		this.dispatchEvent(new Event('hashchange'));
	}
}

let shown: string[];
/** the routes whose registries the user named */
let named: string[];
let storage: Map<string, string>;
let tab: Tab;
/** what the proxy takes */
let good: { tokens: Set<string>; codes: Map<string, string> };

const keys = {
	isAccepted: (given: string) => Promise.resolve(good.tokens.has(given)),
	needsNoKey: () => Promise.resolve(good.tokens.size === 0),
	onnamed: (route: string) => named.push(route),
	exchangeCode: (given: string) => {
		const found = good.codes.get(given);
		good.codes.delete(given);
		return Promise.resolve(found);
	},
};

/** Until the proxy has answered whatever was asked. */
async function answered(): Promise<void> {
	await vi.advanceTimersByTimeAsync(1);
}

/** A new tab, opened at a fragment. */
async function openTab(fragment = '', kept?: string): Promise<Session> {
	storage = new Map(kept === undefined ? [] : [[key, kept]]);
	tab = new Tab();
	tab.location.hash = fragment;
	vi.stubGlobal('window', tab);
	const session = new Session(keys);
	await answered();
	return session;
}

beforeEach(() => {
	vi.useFakeTimers();
	shown = [];
	named = [];
	good = { tokens: new Set([token, 'new']), codes: new Map([[code, token]]) };
	Channel.open.clear();
	vi.stubGlobal('BroadcastChannel', Channel);
	vi.stubGlobal('history', {
		replaceState: (_: unknown, __: string, to: string) => {
			shown.push(to);
			tab.location.hash = to;
		},
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
	it.each([`#t=${token}`, `#c=${code}`])(
		'takes %s out of the address bar, keeps the key in the tab and goes where the link leads',
		async (entry) => {
			const session = await openTab(`${entry}&to=${encodeURIComponent('#/release?ref=a/b')}`);
			expect(session).toMatchObject({ status: 'ready', token });
			expect(shown).toEqual(['#/release?ref=a/b']);
			expect(storage.get(key)).toBe(token);
		},
	);

	it.each([
		[`#t=${token}&named=1`, ['#/release?ref=a/b']],
		[`#c=${code}&named=1`, ['#/release?ref=a/b']],
		[`#t=${token}`, []],
		// As a stranger would write it.
		['#t=junk&named=1', []],
		['#c=junk&named=1', []],
	])(
		'believes %s that the user named where it leads only with a good key',
		async (entry, routes) => {
			await openTab(`${entry}&to=${encodeURIComponent('#/release?ref=a/b')}`, token);
			expect(named).toEqual(routes);
			expect(shown).toEqual(['#/release?ref=a/b']);
		},
	);

	it('clears the address bar before the proxy has answered', () => {
		void openTab(`#c=${code}`);
		expect(shown).toEqual(['#/']);
	});

	it('has no key by a code that was used', async () => {
		await openTab(`#c=${code}`);
		Channel.open.clear();
		const second = await openTab(`#c=${code}`);
		await vi.advanceTimersByTimeAsync(400);
		expect(second).toMatchObject({ status: 'missing', token: undefined });
	});

	it('finds the key again after a reload', async () => {
		expect(await openTab('#/release?ref=a', token)).toMatchObject({ status: 'ready', token });
		expect(shown).toEqual([]);
	});

	it('prefers the key of a link to an old one', async () => {
		expect((await openTab(`#t=${token}`, 'old')).token).toBe(token);
	});

	it.each(['#t=junk', '#t=', '#c=junk'])(
		'keeps its old key where the proxy does not take the one of the link: %s',
		async (entry) => {
			expect(await openTab(entry, token)).toMatchObject({ status: 'ready', token });
			expect(storage.get(key)).toBe(token);
			expect(shown).toEqual(['#/']);
		},
	);

	it('borrows the key of another tab', async () => {
		await openTab(`#t=${token}`);
		expect(await openTab('#/release?ref=a')).toMatchObject({ status: 'ready', token });
		expect(storage.get(key)).toBe(token);
	});

	it('borrows the key of another tab where that of its link is of no use', async () => {
		await openTab(`#t=${token}`);
		expect(await openTab('#t=junk')).toMatchObject({ status: 'ready', token });
	});

	it('says so where nobody has a key, after a moment and not before', async () => {
		const session = await openTab('#/');
		expect(session.status).toBe('asking');
		await vi.advanceTimersByTimeAsync(398);
		expect(session.status).toBe('asking');
		await vi.advanceTimersByTimeAsync(1);
		expect(session).toMatchObject({ status: 'missing', token: undefined });
	});

	it('says that the key of its link is no longer valid, where no other tab has one', async () => {
		const session = await openTab('#t=junk');
		await vi.advanceTimersByTimeAsync(400);
		expect(session).toMatchObject({ status: 'rejected', token: undefined });
		expect(storage.has(key)).toBe(false);
	});

	it('takes a key that comes later', async () => {
		const waiting = await openTab('#/');
		await vi.advanceTimersByTimeAsync(500);
		await openTab(`#t=${token}`);
		expect(waiting).toMatchObject({ status: 'ready', token });
	});

	it('gives no key away that it does not have', async () => {
		await openTab('#/');
		const second = await openTab('#/');
		await vi.advanceTimersByTimeAsync(500);
		expect(second.status).toBe('missing');
	});

	it('keeps its key, whatever others offer', async () => {
		const session = await openTab(`#t=${token}`);
		await openTab('#t=new');
		expect(session.token).toBe(token);
	});

	it('takes no key from others that the proxy does not take', async () => {
		const waiting = await openTab('#/');
		new Channel().postMessage({ token: 'junk' });
		await vi.advanceTimersByTimeAsync(500);
		expect(waiting).toMatchObject({ status: 'missing', token: undefined });
		expect(storage.has(key)).toBe(false);
	});

	it('gives a refused key up, and never takes it again', async () => {
		const stale = await openTab('', 'old');
		await openTab('', 'old');
		stale.reject('old');
		expect(stale).toMatchObject({ status: 'asking', token: undefined });
		await vi.advanceTimersByTimeAsync(400);
		expect(stale.status).toBe('rejected');
		await openTab('#t=new');
		expect(stale).toMatchObject({ status: 'ready', token: 'new' });
	});

	it('is refused once, however many requests were refused', async () => {
		const session = await openTab('', token);
		session.reject(token);
		session.reject(token);
		await vi.advanceTimersByTimeAsync(400);
		session.reject(token);
		expect(session.status).toBe('rejected');
	});

	it('keeps a new key when a request with the old one is refused late', async () => {
		const session = await openTab('', 'old');
		tab.paste(`#t=${token}`);
		await answered();
		session.reject('old');
		expect(session).toMatchObject({ status: 'ready', token });
	});

	it('is there at once without a key where the server takes everybody', async () => {
		good.tokens.clear();
		const session = await openTab('#/');
		expect(session).toMatchObject({ status: 'ready', token: undefined });
		await vi.advanceTimersByTimeAsync(400);
		expect(session.status).toBe('ready');
	});

	it('works without storage and without channels', async () => {
		vi.stubGlobal('BroadcastChannel', undefined);
		const refuse = () => {
			throw new DOMException('no', 'SecurityError');
		};
		vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse });
		expect(await openTab(`#t=${token}`)).toMatchObject({ status: 'ready', token });
		const without = await openTab('#/');
		await vi.advanceTimersByTimeAsync(400);
		expect(without.status).toBe('missing');
	});
});

describe('a link that is pasted into an open tab', () => {
	const to = encodeURIComponent('#/release?ref=a/b');

	it.each(['missing', 'rejected'] as const)(
		'gives the tab its key where that was %s',
		async (status) => {
			const session = await openTab('#/', status === 'rejected' ? 'old' : undefined);
			if (status === 'rejected') session.reject('old');
			await vi.advanceTimersByTimeAsync(400);
			expect(session.status).toBe(status);
			tab.paste(`#c=${code}&to=${to}`);
			expect(tab.location.hash).toBe('#/release?ref=a/b');
			await answered();
			expect(session).toMatchObject({ status: 'ready', token });
		},
	);

	it('changes the key of the tab only where the proxy takes the new one', async () => {
		const session = await openTab('#/', 'old');
		tab.paste('#t=junk');
		await answered();
		expect(session).toMatchObject({ status: 'ready', token: 'old' });
		expect(storage.get(key)).toBe('old');
		tab.paste(`#t=${token}`);
		expect(session).toMatchObject({ status: 'ready', token: 'old' });
		await answered();
		expect(session).toMatchObject({ status: 'ready', token });
	});

	it('is never a view, and is quoted nowhere', () => {
		tab = new Tab();
		vi.stubGlobal('window', tab);
		for (const entry of ['#t=secret', '#c=secret', `#t=secret&to=${to}`]) {
			tab.location.hash = entry;
			expect(new Location().notices).toEqual([]);
		}
		expect(new Location().route).toMatchObject({ view: 'release', params: { ref: 'a/b' } });
	});

	it('leaves other changes of the address alone', async () => {
		await openTab('#/', token);
		tab.paste('#/release?ref=a/b');
		expect(shown).toEqual([]);
	});
});
