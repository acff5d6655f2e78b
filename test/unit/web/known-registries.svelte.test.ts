import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseRoute } from '../../../shared/link/route.ts';
import { Database } from '../../../web/cache/database.ts';
import { KnownRegistries, registriesOf } from '../../../web/state/known-registries.svelte.ts';

const stored = new Map<string, string>();
let database: Database;
let keeps: boolean;
beforeEach(() => {
	stored.clear();
	vi.stubGlobal('sessionStorage', {
		getItem: (key: string) => stored.get(key) ?? null,
		setItem: (key: string, value: string) => stored.set(key, value),
	});
	database = new Database();
	keeps = true;
});
afterEach(async () => {
	await database.clear();
	vi.unstubAllGlobals();
});

async function open(): Promise<KnownRegistries> {
	const known = new KnownRegistries({ database, keeps: () => keeps });
	await vi.waitFor(() => {
		expect(known.isLoaded).toBe(true);
	});
	return known;
}

describe('the registries that a user knows', () => {
	it.each([
		'store',
		'quay.io',
		'docker.io',
		'ghcr.io',
		'eu.gcr.io',
		'europe-west3-docker.pkg.dev',
		'registry.ci.openshift.org',
	])('are the public ones and the embedded one: %s', async (registry) => {
		expect((await open()).strangersAmong([registry])).toEqual([]);
	});

	it.each([
		'127.0.0.1:5000',
		'localhost:5000',
		'[::1]:5000',
		'10.0.0.1',
		'registry.example.com',
		'quay.io:8443',
		'quay.io.evil.test',
		'evil-quay.io',
		'x.evil.gcr.io',
		'evil.pkg.dev',
		'pkg.dev',
	])('are not any others, on this computer or elsewhere: %s', async (registry) => {
		expect((await open()).strangersAmong(['quay.io', registry])).toEqual([registry]);
	});

	it('are those that were approved, also when the page is opened again', async () => {
		(await open()).approve(['r.test', 's.test']);
		await vi.waitFor(async () => expect(await database.registries()).toHaveLength(2));
		expect((await open()).strangersAmong(['r.test', 's.test', 't.test'])).toEqual(['t.test']);
		expect(stored.size).toBe(0);
	});

	it('are those of this tab alone where nothing is kept', async () => {
		keeps = false;
		(await open()).approve(['r.test']);
		expect(await database.registries()).toEqual([]);
		expect((await open()).isKnown('r.test')).toBe(true);
		stored.clear();
		expect((await open()).isKnown('r.test')).toBe(false);
	});

	it('are read from nothing else that lies in the storage of the tab', async () => {
		for (const junk of ['{', '{"r.test":1}', '[1,null]']) {
			stored.set('espalier.registries', junk);
			expect((await open()).isKnown('r.test')).toBe(false);
		}
	});

	it('are those of a reference that was typed, and of nothing that is none', async () => {
		const known = await open();
		known.approveReference(' docker://R.test/a/b:1 ');
		known.approveReference('https://s.test/a');
		expect(known.strangersAmong(['r.test', 's.test'])).toEqual(['s.test']);
	});

	it('are those in a field for as long as they stand there, and for good when it is left', async () => {
		const known = await open();
		known.type('to', 'r.test/a');
		expect(known.isKnown('r.test')).toBe(true);
		known.type('to', 's.test/a');
		expect(known.isKnown('r.test')).toBe(false);
		known.settle('to');
		known.settle('release');
		await vi.waitFor(async () => expect(await database.registries()).toEqual(['s.test']));
		expect((await open()).strangersAmong(['r.test', 's.test'])).toEqual(['r.test']);
	});

	it('are those that the operator of the server named', async () => {
		const known = await open();
		known.serve(['r.test/team', 's.test']);
		expect(known.strangersAmong(['r.test', 's.test'])).toEqual([]);
		expect(await database.registries()).toEqual([]);
	});

	it('are forgotten by the browser with everything else', async () => {
		(await open()).approve(['r.test']);
		await database.clear();
		expect((await open()).isKnown('r.test')).toBe(false);
	});
});

describe('what a route reads from', () => {
	const asked = (fragment: string) => registriesOf(parseRoute(fragment).route);

	it('is the registry of its release, and for a plan those of its targets', () => {
		const params = 'ref=r.test/a:1&prune=placeholders&to=s.test/b&release=t.test/c:1';
		expect(asked(`#/release?${params}`)).toEqual(['r.test']);
		expect(asked(`#/plan?${params}`)).toEqual(['r.test', 's.test', 't.test']);
		expect(asked('#/plan?ref=r.test/a:1&to=r.test/b&release=r.test/b:1')).toEqual(['r.test']);
	});

	it('is Docker Hub where none is written, and none where it cannot be read', () => {
		expect(asked('#/release?ref=a/b')).toEqual(['docker.io']);
		expect(asked('#/release?ref=https://r.test/a')).toEqual([]);
		expect(asked('#/')).toEqual([]);
		expect(asked('#/file')).toEqual([]);
	});
});
