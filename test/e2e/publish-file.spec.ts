import { expect } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demoReference } from '../../proxy/demo/demo-release.ts';
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
/** A plan that the command made, as a file. */
let text: string;

interface PlanFile {
	readonly repositories: readonly string[];
	readonly steps: readonly { readonly kind: string; readonly to: number; readonly tag?: string }[];
}

test.beforeAll(async () => {
	home = await makeHome();
	espalier = await startEspalier(home);
	const file = join(home.folder, 'plan.json');
	const { code, stderr } = await runEspalier(home, [
		...['plan', 'prune', demoReference, '--drop-placeholders', '--to', 'store/acme/parts'],
		...['--release', 'store/acme/release:pruned', '-o', file],
	]);
	expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
	text = await readFile(file, 'utf8');
});
test.afterAll(async () => {
	await espalier.stop();
	await home.remove();
});

test('a plan that a terminal made shows every repository and tag that it writes to, and is run in the page', async ({
	page,
}) => {
	const publish = new PublishPage(page);
	await page.goto(espalier.url);
	await publish.drop('from-a-colleague.json', text);
	await expect(page.getByText('This plan is from a file, from-a-colleague.json')).toBeVisible();
	const { repositories, steps } = JSON.parse(text) as PlanFile;
	const name = (at: number) => repositories[at] ?? '';
	const written = page.locator('section', { has: publish.heading('What is written, and where') });
	for (const at of new Set(steps.map(({ to }) => to))) {
		await expect(written.getByRole('rowheader', { name: name(at), exact: true })).toBeVisible();
	}
	const tags = steps.filter(({ kind }) => kind === 'tag');
	expect(tags.length).toBeGreaterThan(1);
	for (const { to, tag } of tags) {
		await expect(publish.tagRow(`${name(to)}:${tag ?? ''}`)).toBeVisible();
	}
	await expect(written.locator('dd').first()).toHaveText(
		'store/demo/components, store/demo/release',
	);
	await publish.run();
	await publish.expectVerified();
});

test.describe('a plan file that was changed is refused with a reason', () => {
	const changes: readonly (readonly [name: string, change: (plan: string) => string, RegExp])[] = [
		[
			'another target',
			(plan) => plan.replaceAll('acme/parts', 'evil/parts'),
			/This is not a plan that can be run[\s\S]*its content has the id[\s\S]*it was changed/,
		],
		[
			'other bytes',
			(plan) => plan.replace('io.openshift.release', 'io.openshift.RELEASE'),
			/This is not a plan that can be run[\s\S]*It carries \d+ bytes with the digest sha256:/,
		],
		['the half of it', (plan) => plan.slice(0, plan.length / 2), /It is not JSON/],
	];
	for (const [name, change, reason] of changes) {
		test(name, async ({ page }) => {
			const publish = new PublishPage(page);
			await page.goto(espalier.url);
			expect(change(text)).not.toBe(text);
			await publish.drop('changed.json', change(text));
			await expect(publish.heading('changed.json')).toBeVisible();
			await expect(page.getByRole('alert')).toHaveText(reason);
			await expect(publish.button('Run')).toHaveCount(0);
		});
	}
});
