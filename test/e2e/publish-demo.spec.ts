import { expect, type Locator, type Page } from '@playwright/test';
import { expectAccessible } from '../support/axe-in-page.ts';
import {
	makeHome,
	runEspalier,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { PublishPage } from '../support/publish-page.ts';
import { test } from '../support/watched-browser.ts';

let home: Home;
let espalier: RunningEspalier;

test.beforeEach(async () => {
	home = await makeHome();
	espalier = await startEspalier(home);
});
test.afterEach(async () => {
	await espalier.stop();
	await home.remove();
});

const suggested = 'store/demo/release-pruned';

/** Holds what the page asks the proxy to write back until it is let go. */
async function holdWrites(page: Page): Promise<() => void> {
	let letGo: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => (letGo = resolve));
	await page.route(/\/api\/(copies|manifests\/push)$/, async (route) => {
		await gate;
		await route.continue();
	});
	return () => letGo();
}

test('a newcomer prunes the demo into the embedded registry, and opens what came out', async ({
	page,
}) => {
	const publish = new PublishPage(page);
	await page.goto(espalier.url);
	await page.getByRole('link', { name: 'Open the demo release' }).click();
	await expect(page.getByText('2 of 13 components stand on placeholders')).toBeVisible();
	await publish.button('Prune…').click();
	await publish.useSuggestions(suggested, '4.20.0-demo');
	await publish.button('Show the plan').click();
	await expect(publish.heading(`Publish ${suggested}:4.20.0-demo`)).toBeVisible();
	await publish.run();
	await publish.expectVerified();
	await page.getByRole('link', { name: 'Look at the new release' }).click();
	await expect(publish.heading('OpenShift 4.20.0-demo')).toBeVisible();
	await expect(page.locator('td[data-status="missing"]')).toHaveCount(6);
	await expect(page.locator('td[data-status="placeholder"]')).toHaveCount(0);
	await expect(page.getByText(/^1 broken cell; 6 missing cells;/)).toBeVisible();
	const { code } = await runEspalier(home, ['audit', `${suggested}:4.20.0-demo`, '--json']);
	expect(code).toBe(0);
});

/** Presses Tab until the keyboard is there; a person would not press it for ever. */
async function tabTo(page: Page, wanted: Locator): Promise<void> {
	for (let presses = 0; presses < 80; presses += 1) {
		if (await wanted.evaluate((element) => element === document.activeElement)) return;
		await page.keyboard.press('Tab');
	}
	throw new Error(`Tab does not lead to ${String(wanted)}`);
}

async function pressOn(page: Page, wanted: Locator): Promise<void> {
	await tabTo(page, wanted);
	await page.keyboard.press('Enter');
}

test('a release is pruned, planned and published with the keyboard alone', async ({ page }) => {
	const publish = new PublishPage(page);
	await page.goto(espalier.url);
	await pressOn(page, page.getByRole('link', { name: 'Open the demo release' }));
	await expect(page.getByText('2 of 13 components stand on placeholders')).toBeVisible();
	await pressOn(page, publish.button('Prune…'));
	await expect(publish.heading('Prune')).toBeFocused();
	await tabTo(page, page.getByLabel('Component images to'));
	await page.keyboard.type('store/keys/parts');
	await page.keyboard.press('Tab');
	await expect(page.getByLabel('Release to')).toBeFocused();
	await page.keyboard.type('store/keys/release:1');
	await pressOn(page, publish.button('Show the plan'));
	await expect(publish.heading('Publish store/keys/release:1')).toBeFocused();
	await pressOn(page, publish.button('Run'));
	await publish.expectVerified();
	await pressOn(page, page.getByRole('link', { name: 'Look at the new release' }));
	await expect(publish.heading('OpenShift 4.20.0-demo')).toBeVisible();
});

for (const theme of ['light', 'dark'] as const) {
	test(`panel, plan, run and receipt are accessible in ${theme}`, async ({ page }) => {
		const publish = new PublishPage(page);
		await page.addInitScript((name) => localStorage.setItem('espalier.theme', name), theme);
		await page.goto(espalier.url);
		await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
		await page.getByRole('link', { name: 'Open the demo release' }).click();
		await expect(page.getByText('2 of 13 components stand on placeholders')).toBeVisible();
		await publish.button('Prune…').click();
		await expect(publish.heading('Prune')).toBeVisible();
		await expectAccessible(page);
		await publish.useSuggestions(suggested, '4.20.0-demo');
		await publish.button('Show the plan').click();
		await expect(page.getByText(/requests to the target/)).toBeVisible();
		await expectAccessible(page);
		const letGo = await holdWrites(page);
		await publish.run();
		await expect(page.getByText('no tag moved yet')).toBeVisible();
		await expectAccessible(page);
		await publish.button('Pause').click();
		await expect(publish.heading(/^Paused/)).toBeVisible();
		await expectAccessible(page);
		await publish.button('Resume').click();
		letGo();
		await publish.expectVerified();
		await expectAccessible(page);
	});
}
