import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Route } from '../../../shared/link/route.ts';
import type { NamedMirrors } from '../../../shared/registry/mirror-rules.ts';
import { Database } from '../../../web/cache/database.ts';
import { isMirrorFile, Mirrors } from '../../../web/state/mirrors.svelte.ts';

/** The address bar, without one. */
class FakeLocation {
	route = $state.raw<Route>({ view: 'home' });

	go(route: Route): void {
		this.route = route;
	}
}

const stored = new Map<string, string>();
let database: Database;
let location: FakeLocation;
let keeps: boolean;
beforeEach(() => {
	stored.clear();
	vi.stubGlobal('sessionStorage', {
		getItem: (key: string) => stored.get(key) ?? null,
		setItem: (key: string, value: string) => stored.set(key, value),
	});
	database = new Database();
	location = new FakeLocation();
	keeps = true;
});
afterEach(async () => {
	await database.clear();
	vi.unstubAllGlobals();
});

function open(): Mirrors {
	return new Mirrors({ database, keeps: () => keeps, location });
}

/** With a server that has answered. */
async function greeted(server?: NamedMirrors): Promise<Mirrors> {
	const mirrors = open();
	mirrors.greet(server);
	await vi.waitFor(() => {
		expect(mirrors.isSettled).toBe(true);
	});
	return mirrors;
}

function fileOf(name: string, source = 'quay.io/a'): File {
	return new File(
		[`[[registry]]\nlocation = "${source}"\n[[registry.mirror]]\nlocation = "m.io"`],
		name,
	);
}

const ofServer: NamedMirrors = {
	name: 'server.yaml',
	rules: [{ source: 'b.io', location: 'b.io', mirrors: [], contactsSource: true }],
	notes: [],
};
const ref = 'quay.io/a/b:1';
const linkTo = (mirrors?: string): Route => ({
	view: 'release',
	params: { ref, ...(mirrors && { mirrors }) },
});

describe('the mirrors of a tab', () => {
	it('are not known before the server has answered', async () => {
		const mirrors = open();
		await vi.waitFor(async () => expect(await database.mirrors()).toEqual([]));
		expect(mirrors.isSettled).toBe(false);
		mirrors.greet(undefined);
		await vi.waitFor(() => {
			expect(mirrors.isSettled).toBe(true);
		});
		expect(mirrors.rules).toEqual([]);
	});

	it('are those of the server until they are turned off', async () => {
		const mirrors = await greeted(ofServer);
		expect(mirrors.on).toEqual(ofServer);
		// The server’s flags name them already.
		expect(mirrors.commandFlags).toBe('');
		mirrors.off();
		expect(mirrors.rules).toEqual([]);
		expect((await greeted(ofServer)).rules).toEqual([]);
	});

	it('are those of a file that was opened, which the link then names', async () => {
		location.route = linkTo();
		const mirrors = await greeted();
		await mirrors.open(fileOf("o'neil.conf"));
		expect(mirrors.rules).toMatchObject([{ source: 'quay.io/a' }]);
		expect(location.route).toEqual(linkTo("o'neil.conf"));
		expect(mirrors.commandFlags).toBe(String.raw`--mirrors 'o'\''neil.conf'`);
		mirrors.off();
		expect(location.route).toEqual(linkTo());
		expect(mirrors.on).toBeUndefined();
	});

	it('are those of several files, one after the other; one of the same name takes the place of all', async () => {
		const mirrors = await greeted(ofServer);
		await mirrors.open(fileOf('a.conf'));
		await mirrors.open(fileOf('b.conf', 'c.io'));
		expect(mirrors.on?.name).toBe('server.yaml/a.conf/b.conf');
		expect(mirrors.rules.map(({ source }) => source)).toEqual(['b.io', 'quay.io/a', 'c.io']);
		expect(mirrors.commandFlags).toBe('--mirrors a.conf --mirrors b.conf');
		await mirrors.open(fileOf('a.conf', 'd.io'));
		expect(mirrors.on).toMatchObject({ name: 'a.conf', rules: [{ source: 'd.io' }] });
		expect(mirrors.opened).toBe(3);
	});

	it('are those that a link names, where they are kept', async () => {
		await (await greeted()).open(fileOf('kept.conf'));
		stored.clear();
		location.route = linkTo('kept.conf');
		expect((await greeted(ofServer)).on?.name).toBe('kept.conf');
	});

	it('are missing where a link names others, until the user opens them or does without', async () => {
		location.route = linkTo('unknown.yaml');
		const mirrors = await greeted(ofServer);
		expect(mirrors.missing).toBe('unknown.yaml');
		expect(mirrors.rules).toEqual([]);
		await mirrors.open(fileOf('unknown.yaml'));
		expect(mirrors.missing).toBeUndefined();
		expect(mirrors.on?.name).toBe('unknown.yaml');
		location.route = linkTo('another.yaml');
		mirrors.off();
		expect(mirrors.missing).toBeUndefined();
		expect(mirrors.on).toBeUndefined();
	});

	it('are in every link that is handed on', async () => {
		location.route = linkTo();
		expect((await greeted(ofServer)).route).toEqual(linkTo('server.yaml'));
	});

	it('outlive the page only where something is kept', async () => {
		keeps = false;
		await (await greeted()).open(fileOf('gone.conf'));
		expect(await database.mirrors()).toEqual([]);
		// What was chosen and is gone gives way to what the server says.
		expect((await greeted(ofServer)).on).toEqual(ofServer);
	});

	it('stay as they are where a file cannot be used, and say why', async () => {
		const mirrors = await greeted(ofServer);
		await mirrors.open(new File(['[[registry]]\nlocation = 5'], 'bad.conf'));
		expect(mirrors.problem).toMatchObject({ code: 'mirrors-invalid' });
		expect(mirrors.problem?.reason).toMatch(/^“bad\.conf”: /);
		expect(mirrors.on).toEqual(ofServer);
	});
});

describe('a dropped file', () => {
	it.each([
		['mirrors.yaml', '', true],
		['registries.conf', 'x', true],
		['list.json', '{"apiVersion": "v1", "kind": "List"}', true],
		['plan.json', '{"schema": "espalier/plan/v1"}', false],
		['receipt', '{\n\t"schema": "espalier/receipt/v1"', false],
	])('%s is one of mirrors: %s → %s', async (name, text, expected) => {
		expect(await isMirrorFile(new File([text], name))).toBe(expected);
	});
});
