import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { page } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';
import { pruneParams } from '../../shared/link/prune-params.ts';
import { formatRoute, type Route } from '../../shared/link/route.ts';
import type { CapabilityFact } from '../../shared/registry/capabilities.ts';
import { emptyDraft, type PruneDraft } from '../../shared/release/prune-fields.ts';
import { ProxyClient } from '../../web/api/proxy-client.ts';
import { Database } from '../../web/cache/database.ts';
import { Journal } from '../../web/cache/journal.ts';
import { Location } from '../../web/state/location.svelte.ts';
import { Publishing } from '../../web/state/publishing.svelte.ts';
import GlyphSprite from '../../web/ui/GlyphSprite.svelte';
import { attachedImage, cosignTag, sbomType, type AttachedImage } from '../support/attached.ts';
import { entryOf, linux, ReleaseMaker } from '../support/release-maker.ts';
import { expectAccessible, reference } from './app-page.ts';
import PublishPage from './PublishPage.svelte';

const chosen: PruneDraft = {
	...emptyDraft,
	to: 'registry.test/acme/parts',
	release: 'registry.test/acme/release:copy',
};
const withApi: CapabilityFact = {
	registry: 'registry.test',
	about: 'referrers',
	answer: 'yes',
	basis: 'stated',
	evidence: 'registry.test answers 200 to GET /v2/…/referrers/….',
	checkedAt: Date.UTC(2026, 0, 2),
};

let maker: ReleaseMaker;
let database: Database;
let publishing: Publishing;

function put({ manifest, config, layer }: AttachedImage, tag?: string): void {
	for (const { bytes } of [config, layer]) maker.registries.putBlob(maker.parts, bytes);
	maker.registries.putManifest(maker.parts, manifest, tag);
}

beforeEach(async () => {
	await page.viewport(1280, 1400);
	maker = new ReleaseMaker(['amd64', 'arm64']);
	const pods = maker.addBuilt('pod');
	const built = maker.image('aws-driver', linux('amd64'));
	const index = maker.add('aws-driver', [entryOf(built), entryOf(pods[1]!)]);
	await maker.finish();
	put(attachedImage('signature'), cosignTag(built.manifest.digest, 'sig'));
	put(attachedImage('sbom', { subject: built.manifest, artifactType: sbomType }));
	put(attachedImage('signs the index'), cosignTag(index.digest, 'sig'));
	database = new Database();
});
afterEach(async () => {
	history.replaceState(null, '', '#/');
	for (const run of publishing.runs) run.cancel();
	await database.clear();
	await page.viewport(414, 896);
});

async function open(view: 'release' | 'plan', draft: PruneDraft): Promise<void> {
	const params = Object.entries(pruneParams(draft)).filter(([, value]) => value !== undefined);
	const route: Route = { view, params: { ref: reference, ...Object.fromEntries(params) } };
	history.replaceState(null, '', formatRoute(route));
	publishing = new Publishing({
		registries: maker.registries,
		journal: new Journal({ database, keeps: () => true, now: () => Date.now() }),
		location: new Location(),
		ask: () => Promise.resolve([withApi]),
	});
	const client = new ProxyClient({ token: () => undefined, origin: 'http://127.0.0.1:9' });
	await render(GlyphSprite);
	await render(PublishPage, { publishing, client });
}

const box = () => page.getByRole('checkbox', { name: /^With signatures/ });

describe('signatures and attachments', () => {
	it('come along unless that is switched off; the link says so', async () => {
		await open('release', emptyDraft);
		await expect.element(box()).toBeChecked();
		await box().click();
		expect(location.hash).toContain('attached=no');
		await box().click();
		expect(location.hash).not.toContain('attached');
	});

	it('are in the plan: what comes along, and what no longer applies', async () => {
		await open('plan', chosen);
		const along = page.getByRole('table').filter({ hasText: 'copied along' });
		await expect.element(along).toHaveTextContent('1 signature');
		await expect.element(along).toHaveTextContent(sbomType);
		const lapsed = page.getByRole('table').filter({ hasText: 'no longer applies' });
		await expect.element(lapsed).toHaveTextContent('the old index of aws-driver');
		await expect
			.element(
				page.getByText('Attached to images: 2 copied along, 1 no longer apply and stay behind'),
			)
			.toBeVisible();
		await expectAccessible();
	});

	it('have no place in a plan that leaves them behind, which says so', async () => {
		await open('plan', { ...chosen, attachments: false });
		await expect.element(page.getByText(/was not looked for, and is not copied/)).toBeVisible();
		expect(page.getByText(/^Attached to images/).elements()).toEqual([]);
	});

	it('that could not be checked are said to be so', async () => {
		const problem = { code: 'denied', origin: 'registry', reason: 'quay.io says no.' } as const;
		maker.registries.failReferrers = () => problem;
		await open('plan', chosen);
		await expect
			.element(page.getByText(/could not be checked, or not all of it: quay\.io says no\./).first())
			.toBeVisible();
	});
});
