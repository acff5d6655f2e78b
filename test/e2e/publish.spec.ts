import { expect, type Page } from '@playwright/test';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import { parseReceipt } from '../../shared/plan/receipt.ts';
import { startDockerRegistry, type DockerRegistry } from '../support/docker-registry.ts';
import {
	makeHome,
	runEspalier,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import {
	fullRelease,
	fullReleaseMissing,
	skippedWithoutFullRelease,
} from '../support/full-release-in-registry.ts';
import { PublishPage } from '../support/publish-page.ts';
import { jsonBytes, Pusher, sha256, type Pushed } from '../support/push.ts';
import { readsWhenAsked } from '../support/reads-when-asked.ts';
import { hasSkopeo, skopeo } from '../support/skopeo.ts';
import { digestOfTag, tagsOf } from '../support/tags-in-registry.ts';
import { test } from '../support/watched-browser.ts';

test.skip(fullReleaseMissing, skippedWithoutFullRelease);
test.describe.configure({ mode: 'serial' });

const tag = '4.20.0-pruned';
const changedComponent = 'aws-ebs-csi-driver';

let home: Home;
let espalier: RunningEspalier;
let target: DockerRegistry;
/** What the release tag points to before all this. */
let before: Pushed;
let parts: string;
let releases: string;
/** Files that the page has saved. */
let planText: string;
let receiptText: string;

test.beforeAll(async () => {
	home = await makeHome();
	[espalier, target] = await Promise.all([
		startEspalier(home),
		startDockerRegistry({ inMemory: true }),
	]);
	parts = `${target.host}/ocp/components`;
	releases = `${target.host}/ocp/release`;
	const pusher = new Pusher(target.host);
	const { ociIndex } = mediaTypes;
	const empty = jsonBytes({ schemaVersion: 2, mediaType: ociIndex, manifests: [] });
	before = await pusher.pushManifest('ocp/release', empty, ociIndex, tag);
	await pusher.close();
});
test.afterAll(async () => {
	await espalier.stop();
	await target.stop();
	await home.remove();
});

async function choose(page: Page): Promise<void> {
	await page.goto(espalier.url);
	await page.getByLabel('Reference of a release').fill(fullRelease.docker);
	await page.getByRole('main').getByRole('button', { name: 'Open', exact: true }).click();
	await expect(page.getByText('46 of 190 components stand on placeholders')).toBeVisible();
	await page.getByRole('button', { name: 'Prune…' }).click();
	await page.getByLabel('Component images to').fill(parts);
	await page.getByLabel('Release to').fill(`${releases}:${tag}`);
	await page.getByRole('checkbox', { name: /^Self-contained/ }).check();
}

async function expectSelection(page: Page): Promise<void> {
	await expect(
		page.getByText(
			'95 children of 46 components are dropped; the release keeps linux/amd64, linux/arm64, linux/ppc64le, linux/s390x.',
		),
	).toBeVisible();
	await expect(page.getByRole('radio', { name: /^Drop placeholders/ })).toBeChecked();
	await expect(page.getByLabel('Component images to')).toHaveValue(parts);
	await expect(page.getByLabel('Release to')).toHaveValue(`${releases}:${tag}`);
	await expect(page.getByRole('checkbox', { name: /^Self-contained/ })).toBeChecked();
	await expect(page.locator('tbody button[aria-pressed="true"]')).toHaveCount(95);
}

async function expectPlan(publish: PublishPage): Promise<void> {
	const { page } = publish;
	await expect(publish.heading(`Publish ${releases}:${tag}`)).toBeVisible();
	await expect(
		page.getByText(
			/^46 of 190 components lose 95 children; 144 are copied along as they are; the release becomes/,
		),
	).toBeVisible();
	await expect(page.getByText('47 indexes, 4 image manifests')).toBeVisible();
	await expect(page.getByText('191 tags')).toBeVisible();
	const moved = publish.tagRow(`${releases}:${tag}`);
	await expect(moved).toContainText('moved');
	await expect(moved).toContainText(before.digest.slice(0, 19));
	await expect(publish.tagRow(`${parts}:4.20.0__${changedComponent}`)).toContainText('new');
	const consequences = page.locator('section', { has: publish.heading('No longer holds') });
	await expect(consequences).toContainText(
		`The release signature: it is for ${fullRelease.digest.slice(0, 19)}…`,
	);
	await expect(consequences).toContainText('The update graph');
	await expect(consequences).toContainText(
		'Signatures and referrers of 46 component indexes that changed',
	);
	await expect(consequences).toContainText('every child keeps its bytes and its digest');
	await expect(page.getByText('to copy: 1334 blobs')).toBeVisible();
}

async function expectSamePlanInTerminal(id: string): Promise<void> {
	const file = join(home.folder, 'terminal.json');
	const { code, stdout } = await runEspalier(home, [
		...['plan', 'prune', fullRelease.docker, '--drop-placeholders', '--self-contained'],
		...['--to', parts, '--release', `${releases}:${tag}`, '-o', file, '--no-estimate'],
	]);
	expect(code).toBe(0);
	expect(stdout).toContain(id);
	expect(await readFile(file, 'utf8')).toBe(planText);
}

test('a release is pruned into another registry as its plan says, which a terminal makes byte for byte', async ({
	page,
	browser,
	context,
	watch,
}) => {
	test.slow();
	await context.grantPermissions(['clipboard-read', 'clipboard-write']);
	const publish = new PublishPage(page);
	await test.step('a colleague’s browser shows the same selection', async () => {
		await choose(page);
		await expectSelection(page);
		const colleague = await browser.newContext();
		watch.watch(colleague);
		await readsWhenAsked(colleague);
		const theirs = await colleague.newPage();
		await theirs.goto(espalier.linkTo(new URL(page.url()).hash));
		await expectSelection(theirs);
		await colleague.close();
	});
	await test.step('the plan says everything before anything is written', async () => {
		await publish.button('Show the plan').click();
		await expectPlan(publish);
		const id = await publish.planId();
		const saved = await publish.saved('Download plan');
		planText = saved.text;
		expect(saved.name).toBe(`plan-${id.slice(7, 19)}.json`);
		await expectSamePlanInTerminal(id);
		expect(await tagsOf(releases)).toEqual([tag]);
		expect(await tagsOf(parts)).toEqual([]);
	});
	await test.step('the run ends with a receipt of what is there', async () => {
		await publish.run();
		await publish.expectVerified();
		await expect(
			page.getByText('860 manifests by digest, 191 tags by name, all as planned.'),
		).toBeVisible();
		await expect(page.getByText('1334 blobs copied')).toBeVisible();
		await expect(page.getByText('860 manifests pushed, 0 there already')).toBeVisible();
		receiptText = (await publish.saved('Download the receipt')).text;
		const root = parseReceipt(receiptText).tags.at(-1);
		expect(root).toMatchObject({ repository: releases, tag, before: before.digest });
		expect(await digestOfTag(releases, tag)).toBe(root?.after);
		expect(await tagsOf(parts)).toHaveLength(190);
		await expect(
			page.getByText(
				`OPENSHIFT_INSTALL_RELEASE_IMAGE_OVERRIDE=${releases}@${root?.after ?? ''} openshift-install create cluster`,
			),
		).toBeVisible();
	});
});

test('other clients take the release and a changed component, with all that they list', async () => {
	test.skip(!hasSkopeo, 'skopeo is not installed');
	const receipt = parseReceipt(receiptText);
	for (const name of [`${releases}:${tag}`, `${parts}:4.20.0__${changedComponent}`]) {
		const raw = await skopeo(
			home.folder,
			...['inspect', '--raw', '--tls-verify=false', `docker://${name}`],
		);
		const { manifests } = JSON.parse(new TextDecoder().decode(raw)) as { manifests: unknown[] };
		expect(manifests).toHaveLength(name.startsWith(releases) ? 4 : 2);
		const folder = join(home.folder, name.startsWith(releases) ? 'release' : 'component');
		await skopeo(
			home.folder,
			...['copy', '--all', '--src-tls-verify=false', `docker://${name}`, `dir:${folder}`],
		);
		const expected = receipt.tags.find((each) => `${each.repository}:${each.tag}` === name)?.after;
		expect(sha256(raw)).toBe(expected);
	}
});

test('the new release has no placeholder left', async ({ page }) => {
	await page.goto(espalier.url);
	const publish = new PublishPage(page);
	await publish.drop('receipt.json', receiptText);
	await page.getByRole('link', { name: 'Look at the new release' }).click();
	await expect(publish.heading('OpenShift 4.20.0')).toBeVisible();
	await expect(page.locator('td[data-status="built"]')).toHaveCount(665);
	await expect(page.getByText('95 missing cells.', { exact: true })).toBeVisible();
	await expect(page.locator('td[data-status="missing"]')).toHaveCount(95);
	await expect(page.locator('td[data-status="placeholder"]')).toHaveCount(0);
});

test('the same plan again copies nothing and moves nothing, in the page and in a terminal', async ({
	page,
}) => {
	test.slow();
	await page.goto(espalier.url);
	const publish = new PublishPage(page);
	const writes: string[] = [];
	page.on('request', (request) => {
		const { pathname } = new URL(request.url());
		if (/^\/api\/(copies|manifests\/push)$/.test(pathname) || request.method() === 'PUT') {
			writes.push(pathname);
		}
	});
	const moves: string[] = [];
	await page.route('**/api/tags/move', async (route) => {
		const response = await route.fetch();
		moves.push(await response.text());
		await route.fulfill({ response });
	});
	await publish.drop('plan.json', planText);
	await publish.run();
	await publish.expectVerified();
	await expect(page.getByText(/^Nothing was to be done: /)).toBeVisible();
	await expect(page.getByText('0 manifests pushed, 860 there already')).toBeVisible();
	expect(writes).toEqual([]);
	const states = moves.join('').match(/"state":"[^"]+"/g) ?? [];
	expect(states).toEqual(Array<string>(191).fill('"state":"already-there"'));

	const file = join(home.folder, 'again.json');
	const receiptFile = join(home.folder, 'again-receipt.json');
	await writeFile(file, planText);
	const { code, stdout } = await runEspalier(home, ['run', file, '--receipt', receiptFile]);
	expect(code).toBe(0);
	expect(stdout).toContain('0 manifests pushed, 860 there already');
	const first = parseReceipt(receiptText);
	const again = parseReceipt(await readFile(receiptFile, 'utf8'));
	expect(again.tags).toEqual(first.tags.map((each) => ({ ...each, moved: false })));
	expect(again.blobs).toMatchObject({ copied: { count: 0 }, uploaded: { count: 0 } });
	expect(again.manifests).toEqual(first.manifests.map((each) => ({ ...each, pushed: false })));
});

test('undoing takes the release tag back, and says that the registry keeps the new tags', async ({
	page,
}) => {
	await page.goto(espalier.url);
	const publish = new PublishPage(page);
	await publish.drop('receipt.json', receiptText);
	await publish.button('Undo…').click();
	await expect(publish.heading('Undo a run')).toBeVisible();
	await expect(publish.tagRow(`${releases}:${tag}`)).toContainText('moved');
	await publish.run();
	await expect(publish.heading('Undone, but for tags that cannot be removed')).toBeVisible();
	await expect(page.getByText('1 of 191 tags moved')).toBeVisible();
	await expect(publish.failures.getByRole('listitem').first()).toContainText(
		`Not supported there. ${target.host} removes no tags, so they stay.`,
	);
	await expect(publish.failures).toContainText('and 187 more');
	await expect(publish.button('Retry what failed')).toHaveCount(0);
	expect(await digestOfTag(releases, tag)).toBe(before.digest);
	expect(await tagsOf(parts)).toHaveLength(190);
});
