import { chromium, expect, type Browser, type Page } from '@playwright/test';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { formatRoute } from '../../shared/link/route.ts';
import { expectAccessible } from '../support/axe-in-page.ts';
import { Certificates } from '../support/certificates.ts';
import { chromiumArguments, chromiumLaunchOptions } from '../support/chromium.ts';
import {
	addressForBrowser,
	makeHome,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { PublishPage } from '../support/publish-page.ts';
import { startStaticHost, type StaticHost } from '../support/static-host.ts';
import { test } from '../support/watched-browser.ts';

const demo = formatRoute({ view: 'release', params: { ref: 'store/demo/release:4.20.0-demo' } });
const unreachable = /Failed to load resource|blocked by CORS policy/;

let home: Home;
let host: StaticHost;
let espalier: RunningEspalier;

test.beforeAll(async () => {
	home = await makeHome();
	host = await startStaticHost();
	espalier = await startEspalier(home, ['--port', '0', '--allow-origin', host.origin]);
});
test.afterAll(async () => {
	await espalier.stop();
	await host.stop();
	await home.remove();
});

/** The address that a page gets at the program's port. */
function proxyOf({ origin }: RunningEspalier): string {
	return origin.replace('localhost', '127.0.0.1');
}

function linkFor(running: RunningEspalier, site: string, to = '#/'): string {
	return `${site}#t=${running.token}&proxy=${proxyOf(running)}&to=${encodeURIComponent(to)}`;
}

async function connect(page: Page): Promise<void> {
	await page.getByRole('button', { name: 'Connect' }).click();
}

async function paste(page: Page, key: string, address: string): Promise<void> {
	await page.getByLabel('Key', { exact: true }).fill(key);
	await page.getByLabel('Address of your Espalier').fill(address);
	await connect(page);
}

function reason(page: Page, name: string | RegExp) {
	return page.getByRole('alert').getByRole('heading', { name });
}

const verdict = '2 of 13 components stand on placeholders';

/** Everything that a page of this origin finds in the browser, as text. */
function everythingStored(page: Page): Promise<string> {
	return page.evaluate(async () => {
		const answered = <T>(request: IDBRequest<T>) =>
			new Promise<T>((resolve, reject) => {
				request.onsuccess = () => resolve(request.result);
				request.onerror = () => reject(new Error('cannot be read'));
			});
		const found: unknown[] = [
			Object.entries(localStorage),
			Object.entries(sessionStorage),
			document.cookie,
		];
		found.push(window.name, history.state, await caches.keys());
		for (const { name = '' } of await indexedDB.databases()) {
			const database = await answered(indexedDB.open(name));
			for (const store of database.objectStoreNames) {
				found.push(store, await answered(database.transaction(store).objectStore(store).getAll()));
			}
			database.close();
		}
		return JSON.stringify(found, (_, value: unknown) =>
			value instanceof Uint8Array ? new TextDecoder().decode(value) : value,
		);
	});
}

test('a link hands the key over: the demo is read, pruned and published, and no other page finds the key', async ({
	page,
	context,
}) => {
	const neighbour = await context.newPage();
	await neighbour.goto(host.neighbour);
	const heard: string[] = [];
	await neighbour.exposeFunction('report', (text: string) => heard.push(text));
	const askTabs = () =>
		neighbour.evaluate(() => {
			const channel = new BroadcastChannel('espalier.token');
			const { report } = window as unknown as { report: (text: string) => void };
			channel.addEventListener('message', ({ data }) => report(JSON.stringify(data)));
			channel.postMessage({ ask: true });
		});
	await askTabs();
	const publish = new PublishPage(page);
	await page.goto(linkFor(espalier, host.site, demo));
	await expect(page.getByText('The key is there')).toBeVisible();
	expect(page.url()).toBe(`${host.site}${demo}`);
	await expectAccessible(page);
	await connect(page);
	await expect(page.getByText(verdict)).toBeVisible();
	await askTabs();
	await publish.button('Prune…').click();
	await publish.useSuggestions('store/demo/release-pruned', '4.20.0-demo');
	await publish.button('Show the plan').click();
	await publish.run();
	await publish.expectVerified();
	for (const tab of [page, neighbour]) {
		const stored = await everythingStored(tab);
		expect(stored.includes('demo/release-pruned')).toBe(true);
		expect(stored.includes(espalier.token)).toBe(false);
	}
	await page.reload();
	await expect(page.getByRole('heading', { name: 'Connect to your Espalier' })).toBeVisible();
	expect(heard.filter((text) => text !== '{"ask":true}')).toEqual([]);
});

test('a pasted address brings the key along; what was read is not kept where that is not wanted', async ({
	page,
}) => {
	await page.goto(`${host.site}${demo}`);
	await page.getByRole('checkbox', { name: /^Keep what was read/ }).uncheck();
	await page.getByLabel('Key', { exact: true }).fill(espalier.url);
	await expect(page.getByLabel('Address of your Espalier')).toHaveValue(espalier.origin);
	await connect(page);
	await expect(page.getByText(verdict)).toBeVisible();
	expect((await everythingStored(page)).includes('sha256:')).toBe(false);
});

test('“espalier open” hands a code over, which the page exchanges', async ({ page }) => {
	const address = await addressForBrowser(home, `${host.site}${demo}`, [
		'--allow-origin',
		host.origin,
	]);
	expect(address).not.toContain(espalier.token);
	await page.goto(address);
	await connect(page);
	await expect(page.getByText(verdict)).toBeVisible();
});

test('a wrong key, and one that was good until Espalier was started anew, are told as such', async ({
	page,
	watch,
}) => {
	watch.expect(unreachable);
	await page.goto(host.site);
	await paste(page, 'x'.repeat(43), proxyOf(espalier));
	await expect(reason(page, 'Espalier does not take this key')).toBeVisible();
	await expectAccessible(page);
	await paste(page, espalier.token, proxyOf(espalier));
	await page.getByRole('link', { name: 'Open the demo release' }).click();
	await expect(page.getByText(verdict)).toBeVisible();
	const { port } = new URL(espalier.origin);
	await espalier.stop();
	espalier = await startEspalier(home, ['--port', port, '--allow-origin', host.origin]);
	await page.getByRole('link', { name: 'Espalier' }).first().click();
	await page.getByRole('link', { name: 'Open the demo release' }).click();
	await expect(reason(page, 'Espalier does not take this key')).toBeVisible();
	await paste(page, espalier.token, proxyOf(espalier));
	await expect(page.getByText(verdict)).toBeVisible();
});

test('an Espalier that does not allow this page is told from none, with the command that helps', async ({
	page,
	watch,
}) => {
	watch.expect(unreachable);
	const other = await makeHome();
	const strict = await startEspalier(other, [
		'--port',
		'0',
		'--allow-origin',
		'https://pages.example.com',
	]);
	try {
		await page.goto(linkFor(strict, host.site));
		await connect(page);
		await expect(reason(page, /does not answer this page/)).toBeVisible();
		await expect(page.getByText(`--allow-origin ${host.origin} "${host.site}#/"`)).toBeVisible();
		await strict.stop();
		await connect(page);
		await expect(reason(page, `Nothing answers at ${proxyOf(strict)}`)).toBeVisible();
	} finally {
		await strict.stop();
		await other.remove();
	}
});

test('the page talks to this computer alone', async ({ page, watch }) => {
	watch.expect(/Content Security Policy|connect-src/);
	const asked: string[] = [];
	const elsewhere = createServer((request, response) => {
		asked.push(request.url ?? '');
		response.end();
	}).listen(0, '127.0.0.2');
	await once(elsewhere, 'listening');
	const { port } = elsewhere.address() as AddressInfo;
	await page.goto(`${host.site}#t=${espalier.token}&proxy=http://127.0.0.2:${port}`);
	await expect(page.getByLabel('Address of your Espalier')).toHaveValue('http://127.0.0.1:4763');
	await page.getByLabel('Address of your Espalier').fill(`http://127.0.0.2:${port}`);
	await expect(page.getByText('The address must be one of this computer')).toBeVisible();
	await connect(page);
	const refused = await page.evaluate(
		(url) =>
			fetch(url, { mode: 'no-cors' }).then(
				() => false,
				() => true,
			),
		`http://127.0.0.2:${port}/`,
	);
	expect(refused).toBe(true);
	expect(asked).toEqual([]);
	elsewhere.close();
});

test.describe('on a public https host', () => {
	const certificates = new Certificates();
	const name = 'pages.test';
	let site: StaticHost;
	let own: RunningEspalier;
	let browser: Browser;

	test.beforeAll(async () => {
		const certificate = certificates.make(name, { hosts: [name] });
		site = await startStaticHost({ name, certificate });
		own = await startEspalier(home, ['--port', '0', '--allow-origin', site.origin]);
		browser = await chromium.launch({
			...chromiumLaunchOptions(),
			args: [
				...chromiumArguments,
				`--host-resolver-rules=MAP ${name} 127.0.0.1`,
				`--ip-address-space-overrides=127.0.0.1:${site.port}=public`,
			],
		});
	});
	test.afterAll(async () => {
		await browser.close();
		await own.stop();
		await site.stop();
		certificates.remove();
	});

	/** A tab, and the requests that it makes to the proxy. */
	async function openSite(permissions: string[]) {
		const context = await browser.newContext({ ignoreHTTPSErrors: true });
		// To grant nothing is to deny.
		if (permissions.length > 0) {
			await context.grantPermissions(permissions, { origin: site.origin });
		}
		const page = await context.newPage();
		const asked: string[] = [];
		page.on('request', (request) => {
			if (request.url().startsWith(proxyOf(own))) asked.push(request.url());
		});
		await page.goto(linkFor(own, site.site, demo));
		return { page, asked };
	}

	test('the page explains what the browser will ask before it does, and tells when it was denied', async () => {
		const { page, asked } = await openSite([]);
		await expect(page.getByText('your browser asks whether this site may reach')).toBeVisible();
		expect(asked).toEqual([]);
		await connect(page);
		await expect(reason(page, 'Your browser keeps this page from your computer')).toBeVisible();
		await page.context().close();
	});

	test('the page works where the browser was allowed to reach this computer', async () => {
		const { page, asked } = await openSite(['local-network-access']);
		await expect(page.getByRole('button', { name: 'Connect' })).toBeEnabled();
		await expect(page.getByText('your browser asks')).toBeHidden();
		expect(asked).toEqual([]);
		await connect(page);
		await expect(page.getByText(verdict)).toBeVisible();
		await page.context().close();
	});
});
