import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Key } from '../../../shared/link/entry.ts';
import type { LocalNetworkPermission } from '../../../web/api/local-network.ts';
import type { Meeting } from '../../../web/api/proxy-elsewhere.ts';
import { Connection, readPastedKey, usualProxy } from '../../../web/state/connection.svelte.ts';

const token = 'T'.repeat(43);
const proxy = 'http://127.0.0.1:5000';

class Tab extends EventTarget {
	readonly location = { hash: '' };
	paste(fragment: string): void {
		this.location.hash = fragment;
		this.dispatchEvent(new Event('hashchange'));
	}
}

let tab: Tab;
let shown: string[];
let met: { readonly origin: string; readonly key: Key }[];
let named: string[];
let permission: LocalNetworkPermission;
let meeting: () => Promise<Meeting>;

function openTab(fragment = ''): Connection {
	tab.location.hash = fragment;
	return new Connection({
		meet: (origin, key) => {
			met.push({ origin, key });
			return meeting();
		},
		permission: () => Promise.resolve(permission),
		onnamed: (route) => named.push(route),
	});
}

beforeEach(() => {
	tab = new Tab();
	[shown, met, named] = [[], [], []];
	permission = 'unknown';
	meeting = () => Promise.resolve({ ok: true, token });
	vi.stubGlobal('window', tab);
	vi.stubGlobal('history', {
		replaceState: (_: unknown, __: string, to: string) => {
			shown.push(to);
			tab.location.hash = to;
		},
	});
	const refuse = () => expect.unreachable('nothing is stored, and no other tab is told');
	vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse });
	vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse });
	vi.stubGlobal('BroadcastChannel', refuse);
});
afterEach(() => {
	vi.unstubAllGlobals();
});

describe('the connection of a page on a static host', () => {
	it('waits for a key, at the usual address', () => {
		expect(openTab('#/release?ref=a')).toMatchObject({
			status: 'waiting',
			origin: usualProxy,
			token: undefined,
			hasKey: false,
		});
		expect(shown).toEqual([]);
	});

	it('takes a link out of the address bar at once, and asks nobody before it is told to', async () => {
		const connection = openTab(`#t=${token}&proxy=${proxy}&to=%23%2Frelease%3Fref%3Da`);
		expect(shown).toEqual(['#/release?ref=a']);
		expect(connection).toMatchObject({ status: 'waiting', origin: proxy, hasKey: true });
		expect(met).toEqual([]);
		await connection.connect(connection.origin);
		expect(met).toMatchObject([{ origin: proxy, key: { token } }]);
		expect(connection).toMatchObject({ status: 'ready', token, hasKey: false });
		expect(named).toEqual([]);
	});

	it('says that the user named the registries of a link only where its key is good', async () => {
		meeting = () => Promise.resolve({ ok: false, why: 'rejected' });
		const link = `#t=${token}&named=1&to=%23%2Frelease%3Fref%3Da`;
		await openTab(link).connect(proxy);
		expect(named).toEqual([]);
		meeting = () => Promise.resolve({ ok: true, token });
		await openTab(link).connect(proxy, { token });
		expect(named).toEqual([]);
		await openTab(link).connect(proxy);
		expect(named).toEqual(['#/release?ref=a']);
	});

	it('does nothing without a key', async () => {
		const connection = openTab();
		await connection.connect(proxy);
		expect(met).toEqual([]);
		expect(connection.status).toBe('waiting');
	});

	it('knows whether the browser will ask, and looks again when it has', async () => {
		permission = 'prompt';
		const connection = openTab();
		await vi.waitFor(() => expect(connection.willAsk).toBe(true));
		meeting = () => {
			permission = 'granted';
			return Promise.resolve({ ok: true, token });
		};
		await connection.connect(proxy, { token });
		expect(connection).toMatchObject({ status: 'ready', willAsk: false });
	});

	it.each(['denied', 'not-running', 'not-allowed'] as const)(
		'keeps a key for another try where it was not looked at: %s',
		async (why) => {
			for (const link of [`#t=${token}`, '']) {
				meeting = () => Promise.resolve({ ok: false, why });
				const connection = openTab(link);
				await connection.connect(proxy, link === '' ? { token } : undefined);
				expect(connection).toMatchObject({ status: why, hasKey: true, token: undefined });
				meeting = () => Promise.resolve({ ok: true, token });
				await connection.connect(proxy);
				expect(connection).toMatchObject({ status: 'ready', hasKey: false, token });
			}
		},
	);

	it.each(['rejected', 'failed'] as const)('drops a key that is of no use: %s', async (why) => {
		meeting = () => Promise.resolve({ ok: false, why });
		const connection = openTab('#c=code');
		await connection.connect(proxy);
		expect(connection).toMatchObject({ status: why, hasKey: false, token: undefined });
	});

	it('is not asked twice at the same time', async () => {
		let answer: (meeting: Meeting) => void = () => undefined;
		meeting = () => new Promise((resolve) => (answer = resolve));
		const connection = openTab(`#t=${token}`);
		const first = connection.connect(proxy);
		await connection.connect(usualProxy, { token: 'other' });
		tab.paste('#t=third');
		expect(tab.location.hash).toBe('#/');
		answer({ ok: true, token });
		await first;
		expect(met).toHaveLength(1);
		expect(connection).toMatchObject({ status: 'ready', origin: proxy, token });
	});

	it('gives up a token that the proxy no longer takes, and no newer one', async () => {
		const connection = openTab();
		await connection.connect(proxy, { token });
		connection.reject('older');
		expect(connection.status).toBe('ready');
		connection.reject(token);
		expect(connection).toMatchObject({ status: 'rejected', token: undefined });
	});

	it('waits for a click again where a link is pasted into the address bar', async () => {
		const connection = openTab();
		await connection.connect(proxy, { token });
		tab.paste(`#t=new&proxy=${usualProxy}`);
		expect(connection).toMatchObject({ status: 'waiting', origin: usualProxy, hasKey: true });
		expect(met).toHaveLength(1);
	});
});

describe('a pasted key', () => {
	it.each([
		[` ${token}\n`, { key: { token } }],
		[`http://localhost:4763/#t=${token}`, { key: { token }, proxy: 'http://localhost:4763' }],
		[`https://pages.example.com/a/#t=${token}&proxy=${proxy}`, { key: { token }, proxy }],
		[`#c=code&proxy=${proxy}`, { key: { code: 'code' }, proxy }],
		[`https://evil.test/#t=${token}`, { key: { token } }],
	])('is found in %j', (text, expected) => {
		const found = readPastedKey(text);
		expect(found).toMatchObject(expected);
		expect(found?.proxy).toBe('proxy' in expected ? expected.proxy : undefined);
	});

	it.each(['', ' ', 'http://localhost:4763/', '#/release?ref=a', 'two words', 'a/b:c'])(
		'is not in %j',
		(text) => {
			expect(readPastedKey(text)).toBeUndefined();
		},
	);
});
