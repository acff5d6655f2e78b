import { expect, type BrowserContext, type Page } from '@playwright/test';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatRoute } from '../../shared/link/route.ts';
import {
	hasDockerRegistry,
	skippedWithoutDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../support/docker-registry.ts';
import {
	addressForBrowser,
	makeHome,
	runEspalier,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { PublishPage, routeOf } from '../support/publish-page.ts';
import { placeholderCount, pushSmallRelease, releaseRepository } from '../support/small-release.ts';
import { test } from '../support/watched-browser.ts';

test.skip(!hasDockerRegistry, skippedWithoutDockerRegistry);
test.use({ knowsRegistries: false });

// “tester” with the password “pass:word”, as htpasswd -B prints it.
const line = 'tester:$2b$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki';
const password = 'pass:word';
const wrongPassword = 'hunter2-marker';

let folder: string;
let home: Home;
let espalier: RunningEspalier;
/** Wants passwords, and has what was pushed to an open one on the same disk. */
let registry: DockerRegistry;
let open: DockerRegistry;
let reference: string;

test.beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'espalier-logins-'));
	const file = join(folder, 'htpasswd');
	await writeFile(file, `${line}\n`);
	const storage = { filesystem: { rootdirectory: join(folder, 'data') } };
	[home, open, registry] = await Promise.all([
		makeHome(),
		startDockerRegistry({ storage }),
		startDockerRegistry({
			storage,
			auth: { htpasswd: { realm: 'test', path: file } },
			accessLog: true,
		}),
	]);
	const { root } = await pushSmallRelease({ host: open.host, named: registry.host });
	reference = `${registry.host}/${releaseRepository}@${root.digest}`;
	espalier = await startEspalier(home);
});
test.afterAll(async () => {
	await Promise.all([espalier.stop(), registry.stop(), open.stop()]);
	await home.remove();
	await rm(folder, { recursive: true, force: true });
});

const dialogOf = (page: Page) => page.getByRole('dialog', { name: 'Logins of this tab' });
const card = (page: Page) => page.getByRole('heading', { name: 'A login is needed' });
const verdict = (page: Page) =>
	page.getByText(`${placeholderCount} cells that would pull the pod image`);
const question = (page: Page) =>
	page.getByRole('heading', { name: 'This link names a registry that you have not used here' });

async function type(page: Page, typed: string): Promise<void> {
	await page.goto(espalier.url);
	await page.getByLabel('Release reference').fill(typed);
	await page.keyboard.press('Enter');
}

async function logIn(page: Page, secret: string): Promise<void> {
	await page.getByRole('button', { name: `Log in to ${registry.host}` }).click();
	const dialog = dialogOf(page);
	await expect(dialog.getByLabel('Registry or namespace')).toHaveValue(registry.host);
	await dialog.getByLabel('User name', { exact: true }).fill('tester');
	await dialog.getByLabel('Password or token').fill(secret);
	await page.keyboard.press('Enter');
	await expect(dialog).toBeHidden();
}

/** Everything that the browser keeps for the page, and where it is. */
async function kept(page: Page): Promise<string> {
	return page.evaluate(async () => {
		const promised = <T>(request: IDBRequest<T>) =>
			new Promise<T>((resolve, reject) => {
				request.onsuccess = () => resolve(request.result);
				request.onerror = () => reject(request.error ?? new Error('no answer'));
			});
		const found: unknown[] = [
			location.href,
			Object.entries(localStorage),
			Object.entries(sessionStorage),
		];
		for (const { name = '' } of await indexedDB.databases()) {
			const database = await promised(indexedDB.open(name));
			for (const store of database.objectStoreNames) {
				found.push(store, await promised(database.transaction(store).objectStore(store).getAll()));
			}
			database.close();
		}
		return JSON.stringify(found, (_, value: unknown) =>
			value instanceof Uint8Array ? new TextDecoder().decode(value) : value,
		);
	});
}

function said(context: BrowserContext): readonly string[] {
	const texts: string[] = [];
	context.on('console', (message) => texts.push(message.text()));
	return texts;
}

function secretsIn(text: string): readonly string[] {
	const secrets = [password, wrongPassword].flatMap((secret) => [
		secret,
		Buffer.from(`tester:${secret}`).toString('base64'),
		Buffer.from(secret).toString('base64').replace(/=+$/, ''),
		encodeURIComponent(secret),
	]);
	return secrets.filter((secret) => text.includes(secret));
}

test('a release behind a login is read once that is typed in, and kept nowhere', async ({
	page,
	context,
}) => {
	const texts = said(context);
	await type(page, reference);
	await expect(card(page)).toBeVisible();

	const before = registry.requests.length;
	await logIn(page, wrongPassword);
	await expect(page.getByRole('heading', { name: 'This login is not accepted' })).toBeVisible();
	await expect(page.getByRole('alert')).toContainText('as typed into this tab');
	// One to learn what is asked for, if that, and one with the login.
	expect(registry.requests.length - before).toBeLessThanOrEqual(2);

	await logIn(page, password);
	await expect(verdict(page)).toBeVisible();
	await expect(
		page.getByText(`${registry.host}, without TLS: read as tester (what was typed into the page)`),
	).toBeVisible();

	await page.getByRole('button', { name: 'Logins (1)' }).click();
	const dialog = dialogOf(page);
	await expect(dialog.getByRole('list', { name: 'Logins' })).toContainText(registry.host);
	expect(secretsIn(await kept(page))).toEqual([]);
	expect(secretsIn(await page.content())).toEqual([]);
	expect(secretsIn(texts.join('\n'))).toEqual([]);

	await dialog.getByRole('button', { name: 'Forget all' }).click();
	await page.keyboard.press('Escape');
	await page.getByRole('button', { name: 'Recheck' }).click();
	await expect(card(page)).toBeVisible();
	await expect(page.getByText('read anonymously')).toBeVisible();
});

test('another tab and a reload know nothing of it', async ({ page, context }) => {
	await type(page, reference);
	await logIn(page, password);
	await expect(verdict(page)).toBeVisible();
	const other = await context.newPage();
	await other.goto(espalier.url);
	await expect(other.getByRole('button', { name: 'Logins', exact: true })).toBeVisible();
	await page.reload();
	await expect(page.getByRole('button', { name: 'Logins', exact: true })).toBeVisible();
});

test('a pull secret that is dropped on the page is used', async ({ page }) => {
	await type(page, reference);
	await expect(card(page)).toBeVisible();
	const auth = Buffer.from(`tester:${password}`).toString('base64');
	const secret = { auths: { [registry.host]: { auth }, 'quay.io': {} }, credsStore: 'desktop' };
	await new PublishPage(page).drop('pull-secret.json', JSON.stringify(secret));
	const dialog = dialogOf(page);
	await expect(dialog).toContainText('1 login was added.');
	await expect(dialog).toContainText('“quay.io”: its login is with the credential helper');
	await page.keyboard.press('Escape');
	await page.getByRole('button', { name: 'Try again' }).click();
	await expect(verdict(page)).toBeVisible();
});

test.describe('a link that names a registry which the user did not', () => {
	const link = () => formatRoute({ view: 'release', params: { ref: reference } });

	test('reads nothing there before the user said so, and is asked about once', async ({ page }) => {
		const asked: string[] = [];
		page.on('request', (request) => asked.push(new URL(request.url()).pathname));
		const before = registry.requests.length;
		await page.goto(espalier.linkTo(link()));
		await expect(question(page)).toBeVisible();
		await expect(page.getByRole('alert')).toContainText(registry.host);
		await page.getByRole('button', { name: 'Not now' }).click();
		await expect(page.getByLabel('Reference of a release')).toBeVisible();
		await page.goto(`${espalier.origin}/${link()}`);
		await expect(question(page)).toBeVisible();
		await page.reload();
		await expect(question(page)).toBeVisible();
		expect(asked.filter((path) => /manifests|registries|tags/.test(path))).toEqual([]);
		expect(registry.requests.length).toBe(before);

		await page.getByRole('button', { name: 'Read from it' }).click();
		await expect(card(page)).toBeVisible();
		await page.reload();
		await expect(card(page)).toBeVisible();
	});

	test('is asked about in the target of a plan, too', async ({ page }) => {
		const stranger = 'registry.stranger.test';
		const chosen = { to: `${stranger}/a`, release: `${stranger}/a:1` };
		const route = routeOf('plan', 'store/demo/release:4.20.0-demo', chosen);
		const asked: string[] = [];
		page.on('request', (request) => asked.push(new URL(request.url()).pathname));
		await page.goto(espalier.linkTo(route));
		await expect(question(page)).toBeVisible();
		await expect(page.getByRole('alert')).toContainText(stranger);
		expect(asked.filter((path) => /manifests|registries|tags/.test(path))).toEqual([]);
	});

	test('is not asked about where the user typed it, in the page or after “espalier open”', async ({
		page,
		browser,
	}) => {
		await type(page, reference);
		await expect(card(page)).toBeVisible();
		const fresh = await browser.newContext();
		const named = await fresh.newPage();
		await named.goto(await addressForBrowser(home, reference));
		await expect(card(named)).toBeVisible();
		await fresh.close();
		const linked = await browser.newContext();
		const clicked = await linked.newPage();
		await clicked.goto(await addressForBrowser(home, `${espalier.origin}/${link()}`));
		await expect(question(clicked)).toBeVisible();
		await linked.close();
	});
});

test('a plan file that names such a registry is shown, and contacts nobody before the user said so', async ({
	page,
}) => {
	const file = join(folder, 'plan.json');
	const to = `${open.host}/pruned`;
	const demo = 'store/demo/release:4.20.0-demo';
	const choices = ['--drop-placeholders', '--to', to, '--release', `${to}:1`, '-o', file];
	const { code, stderr } = await runEspalier(home, ['plan', 'prune', demo, ...choices]);
	expect(stderr).not.toContain('Error');
	expect(code).toBe(0);

	const publish = new PublishPage(page);
	const asked: string[] = [];
	page.on('request', (request) => asked.push(new URL(request.url()).pathname));
	await page.goto(espalier.url);
	await publish.drop('plan.json', await readFile(file, 'utf8'));
	const card = page.getByRole('alert');
	await expect(card).toContainText('This plan names a registry that you have not used here');
	await expect(card).toContainText(open.host);
	await expect(publish.heading('What is written, and where')).toBeVisible();
	await expect(publish.button('Run')).toBeHidden();
	await expect(publish.button('Ask them')).toBeHidden();
	await publish.button('Read from it').click();
	await expect(publish.button('Run')).toBeVisible();
	await expect(publish.button('Ask them')).toBeVisible();
	expect(asked.filter((path) => /manifests|registries|tags|exists/.test(path))).toEqual([]);
});
