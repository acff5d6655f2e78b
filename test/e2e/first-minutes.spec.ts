import { expect, test, type Page } from '@playwright/test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatRoute } from '../../shared/link/route.ts';
import {
	addressForBrowser,
	makeHome,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { readsWhenAsked } from '../support/reads-when-asked.ts';

let home: Home;
let espalier: RunningEspalier;

test.beforeAll(async () => {
	home = await makeHome();
	espalier = await startEspalier(home);
});
test.afterAll(async () => {
	await espalier.stop();
	await home.remove();
});

function releaseRoute(ref: string): string {
	return formatRoute({ view: 'release', params: { ref } });
}

/** Fails the test for anything that the browser complains about. */
function watch(page: Page): string[] {
	const complaints: string[] = [];
	page.on('pageerror', (error) => complaints.push(error.message));
	page.on('console', (message) => {
		if (message.type() === 'error') complaints.push(message.text());
	});
	return complaints;
}

test('the demo opens from the first page and shows every status that needs no policy', async ({
	page,
}) => {
	const complaints = watch(page);
	await page.goto(espalier.url);
	await page.getByRole('link', { name: 'Open the demo release' }).click();
	await expect(page.getByRole('heading', { name: 'OpenShift 4.20.0-demo' })).toBeVisible();
	await expect(page.getByText('2 of 13 components stand on placeholders')).toBeVisible();
	for (const status of [
		'built',
		'placeholder',
		'missing',
		'broken',
		'mismatch',
		'extra',
		'unchecked',
	]) {
		await expect(page.locator(`td[data-status="${status}"]`).first()).toBeVisible();
	}
	expect(complaints).toEqual([]);
});

test('a component’s details say what stands where, where it comes from and where it is used', async ({
	page,
}) => {
	await page.goto(espalier.linkTo(releaseRoute('store/demo/release:4.20.0-demo')));
	await page.getByRole('link', { name: 'cluster-autoscaler' }).click();
	const details = page.getByRole('complementary');
	await expect(details).toContainText('Its manifest is listed, but it is not in the registry.');
	await expect(
		details.getByRole('link', { name: 'https://github.com/openshift/kubernetes-autoscaler' }),
	).toBeVisible();
	await expect(details).toContainText('Deployment');
	await page.getByRole('link', { name: 'pod', exact: true }).click();
	await expect(details).toContainText('No manifest of the payload names it');
	await page.keyboard.press('Escape');
	await expect(details).toBeHidden();
});

test('a reload, a new tab and a middle click need no new key, and the key is never in the address bar', async ({
	page,
	context,
}) => {
	await page.goto(espalier.linkTo(releaseRoute('store/demo/release:4.20.0-demo')));
	await expect(page.getByText('components stand on placeholders')).toBeVisible();
	expect(page.url()).not.toContain(espalier.token);
	await page.reload();
	await expect(page.getByText('components stand on placeholders')).toBeVisible();

	const [clicked] = await Promise.all([
		context.waitForEvent('page'),
		page.getByRole('link', { name: 'etcd', exact: true }).click({ button: 'middle' }),
	]);
	await expect(clicked.getByRole('complementary')).toContainText('etcd');

	const typed = await context.newPage();
	await typed.goto(`${espalier.origin}/${releaseRoute('store/demo/release:4.20.0-demo')}`);
	await expect(typed.getByText('components stand on placeholders')).toBeVisible();
});

test('the address that a browser is handed opens the page once, and has no key in it', async ({
	page,
	browser,
}) => {
	const route = releaseRoute('store/demo/release:4.20.0-demo');
	const address = await addressForBrowser(home, `${espalier.origin}/${route}`);
	expect(address).toContain('/#c=');
	expect(address).not.toContain(espalier.token);
	await page.goto(address);
	await expect(page.getByText('components stand on placeholders')).toBeVisible();
	expect(page.url()).toBe(`${espalier.origin}/${route}`);
	await page.reload();
	await expect(page.getByText('components stand on placeholders')).toBeVisible();

	const fresh = await browser.newContext();
	const second = await fresh.newPage();
	await second.goto(address);
	await expect(
		second.getByRole('heading', { name: 'This page was opened without its key' }),
	).toBeVisible();
	expect(second.url()).toBe(`${espalier.origin}/${route}`);
	await fresh.close();
});

for (const kind of ['address that was printed', 'address that a browser was handed']) {
	test(`the ${kind} can be pasted into an open tab, and leaves no key in sight`, async ({
		page,
	}) => {
		const route = releaseRoute('store/demo/release:4.20.0-demo');
		const link = kind.includes('printed')
			? espalier.linkTo(route)
			: await addressForBrowser(home, `${espalier.origin}/${route}`);
		await page.goto(espalier.origin);
		await expect(
			page.getByRole('heading', { name: 'This page was opened without its key' }),
		).toBeVisible();
		// As from the address bar: only the fragment changes, so nothing is loaded.
		await page.goto(link);
		await expect(page.getByText('components stand on placeholders')).toBeVisible();
		expect(page.url()).toBe(`${espalier.origin}/${route}`);
		await expect(page.locator('body')).not.toContainText(new URL(link).hash.slice(3, 40));
	});
}

test('a link with a wrong key costs an open tab nothing', async ({ page }) => {
	await page.goto(espalier.linkTo(releaseRoute('store/demo/release:4.20.0-demo')));
	await expect(page.getByText('components stand on placeholders')).toBeVisible();
	await page.goto(`${espalier.origin}/#t=junk`);
	await expect(page.getByRole('link', { name: 'Open the demo release' })).toBeVisible();
	expect(page.url()).toBe(`${espalier.origin}/#/`);
	await page.reload();
	await page.getByRole('link', { name: 'Open the demo release' }).click();
	await expect(page.getByText('components stand on placeholders')).toBeVisible();
	await expect(page.getByText('junk')).toBeHidden();
});

test('a page without a key says exactly that, and how to open it', async ({ page }) => {
	await page.goto(`${espalier.origin}/${releaseRoute('store/demo/release:4.20.0-demo')}`);
	await expect(
		page.getByRole('heading', { name: 'This page was opened without its key' }),
	).toBeVisible();
	await expect(
		page.getByText(
			/npx --no espalier open "http:\/\/localhost:\d+\/#\/release\?ref=store\/demo\/release:4.20.0-demo"/,
		),
	).toBeVisible();
});

test('after a restart an old tab says so, and works again once another tab has the new key', async ({
	page,
	context,
}) => {
	const own = await makeHome();
	const first = await startEspalier(own);
	const { port } = new URL(first.origin);
	await page.goto(first.linkTo(releaseRoute('store/demo/release:4.20.0-demo')));
	await expect(page.getByText('components stand on placeholders')).toBeVisible();
	await first.stop();
	const second = await startEspalier(own, ['--port', port]);
	try {
		await page.reload();
		await expect(
			page.getByRole('heading', { name: 'Espalier was restarted since this page was opened' }),
		).toBeVisible();
		const other = await context.newPage();
		await other.goto(second.url);
		await expect(page.getByText('components stand on placeholders')).toBeVisible();
	} finally {
		await second.stop();
		await own.remove();
	}
});

test('when nothing runs any more, the page says how to start it', async ({ page }) => {
	const own = await makeHome();
	const other = await startEspalier(own);
	await page.goto(other.linkTo('#/'));
	await expect(page.getByRole('link', { name: 'Open the demo release' })).toBeVisible();
	await other.stop();
	await page.getByLabel('Reference of a release').fill('store/demo/release:4.20.0-demo');
	await page.getByRole('main').getByRole('button', { name: 'Open', exact: true }).click();
	await expect(page.getByRole('heading', { name: 'Espalier is not running' })).toBeVisible();
	await own.remove();
});

test('the matrix is walked by keyboard alone', async ({ page }) => {
	await page.goto(espalier.linkTo(releaseRoute('store/demo/release:4.20.0-demo')));
	const first = page.getByRole('link', { name: 'cluster-autoscaler' });
	await first.focus();
	await page.keyboard.press('ArrowRight');
	await page.keyboard.press('ArrowRight');
	await expect(page.locator(':focus')).toHaveAttribute(
		'aria-label',
		'cluster-autoscaler, linux arm64: broken 404',
	);
	await page.keyboard.press('Enter');
	await expect(page.getByRole('complementary')).toContainText('cluster-autoscaler');
	await page.keyboard.press('Control+End');
	await expect(page.locator(':focus')).toHaveAttribute('data-row', '12');
	await page.keyboard.press('Escape');
	await expect(page.getByRole('complementary')).toBeHidden();
});

test('a filter that is not understood says where and why, and hides nothing', async ({ page }) => {
	await page.goto(espalier.linkTo(releaseRoute('store/demo/release:4.20.0-demo')));
	await page.getByLabel('Filter').fill('etcd status:bogus');
	await expect(page.locator('#filter-error mark')).toHaveText('status:bogus');
	await expect(page.getByText('“bogus” is not a status')).toBeVisible();
	await expect(page.locator('tbody tr')).toHaveCount(13);
	await page.getByLabel('Filter').fill('name:nothing-like-it');
	await page.getByRole('button', { name: 'Clear the filter' }).click();
	await expect(page.locator('tbody tr')).toHaveCount(13);
});

test('a link with a wrong parameter opens, and names what was left out', async ({ page }) => {
	await page.goto(espalier.linkTo('#/release?ref=store/demo/release:4.20.0-demo&sort=bogus'));
	await expect(
		page.getByText('“sort=bogus” in the link was not understood and is left out.'),
	).toBeVisible();
	await expect(page.locator('tbody tr')).toHaveCount(13);
});

test.describe('what goes wrong is said with its cause and a remedy', () => {
	async function titleOf(page: Page, reference: string): Promise<string> {
		await readsWhenAsked(page.context());
		await page.goto(espalier.linkTo(releaseRoute(reference)));
		await expect(page.getByRole('alert').getByText('Details')).toBeVisible();
		return page.getByRole('alert').innerText();
	}

	test('something that is no reference', async ({ page }) => {
		expect(await titleOf(page, 'https://quay.io/x')).toMatch(
			/This is not a reference[\s\S]*web address/,
		);
	});

	test('nobody there', async ({ page }) => {
		expect(await titleOf(page, '127.0.0.1:1/x/y:z')).toMatch(
			/Nobody answers there[\s\S]*127\.0\.0\.1:1[\s\S]*Check host and port/,
		);
	});

	test('a host that does not exist', async ({ page }) => {
		expect(await titleOf(page, 'registry.invalid/x/y:z')).toMatch(
			/There is no such host[\s\S]*registry\.invalid/,
		);
	});

	test('a repository that is not there', async ({ page }) => {
		expect(await titleOf(page, 'store/no/such:1')).toMatch(/No such repository/);
	});

	for (const [status, title] of [
		[401, /A login is needed[\s\S]*docker login/],
		[403, /Access denied/],
		[429, /Too many requests/],
	] as const) {
		test(`a registry that answers ${status}`, async ({ page }) => {
			const server = createServer((_, response) => {
				response.writeHead(status, status === 429 ? { 'retry-after': '3600' } : {});
				response.end();
			});
			await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
			const { port } = server.address() as AddressInfo;
			try {
				expect(await titleOf(page, `127.0.0.1:${port}/x/y:z`)).toMatch(title);
			} finally {
				server.closeAllConnections();
				server.close();
			}
		});
	}
});
