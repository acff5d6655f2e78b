import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { page } from 'vitest/browser';
import { cleanup, render } from 'vitest-browser-svelte';
import { pruneParams } from '../../shared/link/prune-params.ts';
import { formatRoute, type Route } from '../../shared/link/route.ts';
import type { CapabilityFact } from '../../shared/registry/capabilities.ts';
import { emptyDraft, type PruneDraft } from '../../shared/release/prune-fields.ts';
import { ProxyClient } from '../../web/api/proxy-client.ts';
import { Database } from '../../web/cache/database.ts';
import { Journal } from '../../web/cache/journal.ts';
import { Location } from '../../web/state/location.svelte.ts';
import type { Access } from '../../web/state/access.ts';
import { KnownRegistries } from '../../web/state/known-registries.svelte.ts';
import { Logins } from '../../web/state/logins.svelte.ts';
import { Publishing } from '../../web/state/publishing.svelte.ts';
import GlyphSprite from '../../web/ui/GlyphSprite.svelte';
import { entryOf, linux, ReleaseMaker } from '../support/release-maker.ts';
import { expectAccessible, reference } from './app-page.ts';
import PublishPage from './PublishPage.svelte';

const chosen: PruneDraft = {
	...emptyDraft,
	mode: 'sparse',
	selection: {
		...emptyDraft.selection,
		preset: { kind: 'platforms', keep: ['linux/amd64'] as never },
	},
	to: 'registry.test/acme/parts',
	release: 'registry.test/acme/release:copy',
};

let maker: ReleaseMaker;
let database: Database;
let publishing: Publishing;
/** what the server says of every registry */
let stated: readonly CapabilityFact[];

beforeEach(async () => {
	await page.viewport(1280, 1400);
	stated = [];
	maker = new ReleaseMaker(['amd64', 'arm64']);
	const pods = maker.addBuilt('pod');
	maker.add('aws-driver', [entryOf(maker.image('aws-driver', linux('amd64'))), entryOf(pods[1]!)]);
	await maker.finish();
	database = new Database();
});
afterEach(async () => {
	history.replaceState(null, '', '#/');
	for (const run of publishing.runs) run.cancel();
	await database.clear();
	await page.viewport(414, 896);
});

function noSparse(changes: Partial<CapabilityFact> = {}): CapabilityFact {
	return {
		registry: 'registry.test',
		about: 'sparse',
		answer: 'no',
		basis: 'stated',
		evidence: 'registry.test answers GET /v2/ with X-Sparse-Manifest-Support: false.',
		checkedAt: Date.UTC(2026, 0, 2),
		...changes,
	};
}

async function open(
	view: 'release' | 'plan',
	draft: PruneDraft = chosen,
	access?: Access,
): Promise<void> {
	const params = Object.entries(pruneParams(draft)).filter(([, value]) => value !== undefined);
	const route: Route = { view, params: { ref: reference, ...Object.fromEntries(params) } };
	history.replaceState(null, '', formatRoute(route));
	publishing = new Publishing({
		registries: maker.registries,
		journal: new Journal({ database, keeps: () => true, now: () => Date.now() }),
		location: new Location(),
		ask: () => Promise.resolve(stated),
	});
	const client = new ProxyClient({ token: () => undefined, origin: 'http://127.0.0.1:9' });
	await render(GlyphSprite);
	await render(PublishPage, { publishing, client, ...(access && { access }) });
}

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
const heading = (name: string | RegExp) => page.getByRole('heading', { name });
const radio = (name: RegExp) => page.getByRole('radio', { name });

describe('the way in which a release is published', () => {
	it('is to prune it, until another is chosen; the link says which', async () => {
		await open('release', emptyDraft);
		await expect.element(radio(/^Prune/)).toBeChecked();
		await radio(/^Sparse copy/).click();
		expect(location.hash).toContain('mode=sparse');
		await expect.element(radio(/^Drop placeholders/)).toBeChecked();
		await expect
			.element(page.getByText(/copied all the same, with a component that keeps/))
			.toBeVisible();
		await expectAccessible();
	});

	it('leaves nothing to choose where everything is copied, and the version alone', async () => {
		await open('release', { ...emptyDraft, version: '4.20.0-acme.1' });
		await radio(/^Whole copy/).click();
		expect(location.hash).toContain('prune=placeholders&mode=whole');
		expect(location.hash).not.toContain('version');
		expect(radio(/^Drop placeholders/).elements()).toEqual([]);
		await expect
			.element(page.getByText('Everything is copied, and nothing changes.'))
			.toBeVisible();
		await expect.element(page.getByRole('checkbox', { name: /^Self-contained/ })).toBeDisabled();
		await radio(/^Prune/).click();
		expect(location.hash).not.toContain('mode');
		await expect.element(radio(/^Drop placeholders/)).toBeChecked();
	});

	it('copies everything, whatever is kept in the link for another way', async () => {
		const nothing = { preset: { kind: 'none' }, components: [], exclude: [], toggled: [] } as const;
		const id = page.getByRole('button', { name: 'Copy the plan’s id' });
		const shown = () => id.element().parentElement?.textContent;
		await open('plan', { ...chosen, mode: 'whole', selection: nothing });
		await expect.element(page.getByText(/are copied whole, components to/)).toBeVisible();
		const planned = shown();
		cleanup();
		await open('plan', { ...chosen, mode: 'whole' });
		await expect.element(page.getByText(/are copied whole, components to/)).toBeVisible();
		expect(shown()).toBe(planned);
	});
});

describe('a team’s server', () => {
	function accessOf(served: readonly string[]): Access {
		return {
			logins: new Logins(),
			known: new KnownRegistries({ database, keeps: () => false }),
			describe: ({ registry }) =>
				Promise.resolve({ registry, transport: 'https', credential: { registry, kind: 'none' } }),
			served: () => served,
		};
	}

	it('runs and probes nothing before there is a login of one’s own', async () => {
		const access = accessOf(['registry.test']);
		await open('plan', { ...chosen, mode: 'prune' }, access);
		await expect.element(button('Run')).toBeDisabled();
		await expect
			.element(page.getByText('This Espalier writes only with your own login:').first())
			.toBeVisible();
		await page.getByText('What registry.test/acme/parts takes').click();
		await expect.element(button('Try it by writing…').first()).toBeDisabled();
		access.logins.add('registry.test', { kind: 'password', username: 'u', password: 'p' });
		await expect.element(button('Run')).toBeEnabled();
		await expect.element(button('Try it by writing…').first()).toBeEnabled();
	});

	it('says in the panel where it does not write', async () => {
		await open('release', chosen, accessOf(['quay.io/team']));
		await expect
			.element(
				page.getByText('This Espalier does not write there; it serves quay.io/team.').first(),
			)
			.toBeVisible();
	});
});

describe('a sparse plan', () => {
	it('is refused where the registry says that it takes none; the other ways are a button away', async () => {
		stated = [noSparse()];
		await open('plan');
		const alert = page.getByRole('alert');
		await expect.element(alert).toHaveTextContent('registry.test refuses sparse indexes');
		await expect.element(alert).toHaveTextContent('X-Sparse-Manifest-Support: false');
		await expectAccessible();
		await button('Prune instead').click();
		await expect.element(heading('Publish registry.test/acme/release:copy')).toBeVisible();
		expect(location.hash).not.toContain('mode');
		expect(location.hash).toContain('keep=linux/amd64');
		expect(maker.registries.written).toEqual([]);
	});

	it('is planned where nobody knows, stops at the first index, and is refused the next time', async () => {
		await open('plan');
		await expect.element(heading('Publish registry.test/acme/release:copy')).toBeVisible();
		await expect.element(page.getByText(/listed, not copied: 2 children/)).toBeVisible();
		await page.getByText('What registry.test/acme/parts takes').click();
		const row = page.getByRole('row', { name: /^sparse indexes/ });
		await expect.element(row).toHaveTextContent('Found at the first index push, before any tag.');
		await button('Run').click();
		await expect.element(heading('Not published')).toBeVisible();
		await expect.element(page.getByText(/takes no sparse index/).first()).toBeVisible();
		expect(maker.registries.written.filter((line) => line.startsWith('tag'))).toEqual([]);
		await expect
			.poll(() => database.facts())
			.toContainEqual(
				expect.objectContaining({ about: 'sparse', answer: 'no', basis: 'observed' }),
			);
	});

	it('is not planned again where a run of this browser was refused', async () => {
		const journal = new Journal({ database, keeps: () => true, now: () => 1 });
		const evidence = 'registry.test refused one for want of a child.';
		await journal.keepFacts([noSparse({ basis: 'observed', evidence })]);
		await open('plan');
		await expect
			.element(page.getByRole('alert'))
			.toHaveTextContent('registry.test refuses sparse indexes (tried ');
		await button('Copy it whole instead').click();
		await expect.element(page.getByText(/are copied whole, components to/)).toBeVisible();
		expect(location.hash).toContain('mode=whole');
	});

	it('is tried by writing once that was said, and what came of it is shown and kept', async () => {
		await open('plan');
		await page.getByText('What registry.test/acme/parts takes').click();
		await page.getByRole('button', { name: 'Try it by writing…' }).first().click();
		await expect.element(page.getByText(/^This would write to .*They get no tag/)).toBeVisible();
		expect(maker.registries.written).toEqual([]);
		await button('Write it and see').click();
		await expect.element(page.getByText('Tried: the answers are above.')).toBeVisible();
		await expect.element(page.getByText(/^Written to .*They get no tag/)).toBeVisible();
		const row = page.getByRole('row', { name: /^sparse indexes/ }).first();
		await expect.element(row).toHaveTextContent('no');
		await expect
			.element(page.getByRole('row', { name: /^OCI indexes/ }).first())
			.toHaveTextContent('yes');
		await expect.poll(async () => (await database.facts()).length).toBe(3);
		expect(maker.registries.written.filter((line) => line.startsWith('tag'))).toEqual([]);
	});
});
