import { expect } from '@playwright/test';
import { parsePlatform } from '../../shared/oci/platform.ts';
import { emptyDraft, type PruneDraft } from '../../shared/release/prune-fields.ts';
import {
	hasDockerRegistry,
	skippedWithoutDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../support/docker-registry.ts';
import {
	makeHome,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { PublishPage, routeOf } from '../support/publish-page.ts';
import {
	pushSmallRelease,
	releaseRepository,
	smallVersion,
	type SmallRelease,
} from '../support/small-release.ts';
import { digestOfTag, tagsOf } from '../support/tags-in-registry.ts';
import { test } from '../support/watched-browser.ts';

test.skip(!hasDockerRegistry, skippedWithoutDockerRegistry);

let home: Home;
let espalier: RunningEspalier;
let registry: DockerRegistry;
let release: SmallRelease;

test.beforeAll(async () => {
	home = await makeHome();
	[espalier, registry] = await Promise.all([
		startEspalier(home),
		startDockerRegistry({ inMemory: true }),
	]);
	release = await pushSmallRelease({ host: registry.host });
});
test.afterAll(async () => {
	await espalier.stop();
	await registry.stop();
	await home.remove();
});

test('a sparse copy stops before any tag where none is taken, is refused from then on, and is copied whole instead', async ({
	page,
}) => {
	const publish = new PublishPage(page);
	const parts = `${registry.host}/copy/parts`;
	const target = `${registry.host}/copy/release:4.20.0`;
	const draft: Partial<PruneDraft> = {
		mode: 'sparse',
		selection: {
			...emptyDraft.selection,
			preset: { kind: 'platforms', keep: [parsePlatform('linux/amd64')!] },
		},
		to: parts,
		release: target,
	};
	await page.goto(espalier.url);
	await expect(page.getByRole('link', { name: 'Open the demo release' })).toBeVisible();
	await page.goto(`${new URL(espalier.url).origin}/${routeOf('plan', release.reference, draft)}`);
	await expect(publish.heading(`Publish ${target}`)).toBeVisible();
	await expect(page.getByText(/listed, not copied: \d+ children/).first()).toBeVisible();
	await publish.button('Run').click();
	await expect(publish.heading('Not published')).toBeVisible();
	await expect(page.getByText(/takes no sparse index/).first()).toBeVisible();
	expect(await tagsOf(`${registry.host}/copy/release`)).toEqual([]);

	await page.reload();
	await expect(page.getByRole('alert')).toContainText('refuses sparse indexes (tried ');
	await publish.button('Copy it whole instead').click();
	await expect(page.getByText(/are copied whole/).first()).toBeVisible();
	await publish.run();
	await publish.expectVerified();
	expect(await digestOfTag(`${registry.host}/copy/release`, '4.20.0')).toBe(
		await digestOfTag(`${registry.host}/${releaseRepository}`, smallVersion),
	);
});
