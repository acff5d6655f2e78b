import { expect, type Page } from '@playwright/test';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRoute } from '../../shared/link/route.ts';
import {
	freePort,
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
import { PublishPage } from '../support/publish-page.ts';
import {
	componentRepository,
	placeholderCount,
	pushSmallRelease,
	releaseRepository,
	type SmallRelease,
} from '../support/small-release.ts';
import { test } from '../support/watched-browser.ts';

test.skip(!hasDockerRegistry, skippedWithoutDockerRegistry);

let home: Home;
let espalier: RunningEspalier;
let registry: DockerRegistry;
let release: SmallRelease;
/** What the release and its content call themselves; nobody listens there. */
let unreachable: string;
let asked: string;

test.beforeAll(async () => {
	[home, registry] = await Promise.all([makeHome(), startDockerRegistry()]);
	unreachable = `127.0.0.1:${await freePort()}`;
	release = await pushSmallRelease({ host: registry.host, named: unreachable });
	asked = `${unreachable}/${releaseRepository}@${release.root.digest}`;
	espalier = await startEspalier(home);
});
test.afterAll(async () => {
	await Promise.all([espalier.stop(), registry.stop()]);
	await home.remove();
});

function mirrorSet(): string {
	return `apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
spec:
  imageDigestMirrors:
  - source: ${unreachable}/small
    mirrors: ["${registry.host}/small"]
    mirrorSourcePolicy: NeverContactSource
---
apiVersion: v1
kind: ConfigMap
`;
}

const linkTo = (mirrors?: string) =>
	formatRoute({ view: 'release', params: { ref: asked, component: 'etcd', mirrors } });

const lineOf = (page: Page) => page.getByRole('region', { name: 'Mirrors' });

async function expectRead(page: Page): Promise<void> {
	await expect(
		page.getByText(`${placeholderCount} cells that would pull the pod image`),
	).toBeVisible();
	const details = page.getByRole('complementary', { name: 'Details of etcd' });
	await expect(details.getByText(`Read at its mirror`)).toContainText(
		`${registry.host}/${componentRepository}@sha256:`,
	);
	await expect(details.getByText(`${unreachable}/${componentRepository}@`).first()).toBeVisible();
}

test('a release behind a firewall is read once a file of mirrors is dropped; the link names it', async ({
	page,
	context,
}) => {
	const publish = new PublishPage(page);
	await page.goto(espalier.linkTo(linkTo()));
	await expect(page.getByRole('heading', { name: 'Nobody answers there' })).toBeVisible();
	await publish.drop('idms.yaml', mirrorSet());
	await expectRead(page);
	await expect(lineOf(page)).toContainText('Reading through the mirrors of idms.yaml (1 rule).');
	await lineOf(page).getByText('1 entry ignored').click();
	await expect(lineOf(page)).toContainText('Line 9: a ConfigMap says nothing of mirrors');
	expect(page.url()).toContain('&mirrors=idms.yaml');

	// The name is enough where the file was kept.
	const again = await context.newPage();
	await again.goto(espalier.linkTo(linkTo('idms.yaml')));
	await expectRead(again);

	await publish.button('Read without them').click();
	await expect(page.getByRole('heading', { name: 'Nobody answers there' })).toBeVisible();
	await expect(lineOf(page)).toBeHidden();
	expect(page.url()).not.toContain('mirrors=');
});

test('a link with mirrors that are not known here reads nothing until the user says how', async ({
	page,
}) => {
	const publish = new PublishPage(page);
	const requests: string[] = [];
	page.on('request', (request) => requests.push(new URL(request.url()).pathname));
	await page.goto(espalier.linkTo(linkTo('of-a-colleague.yaml')));
	const card = page.getByRole('alert').filter({ hasText: 'of-a-colleague.yaml' });
	await expect(card).toContainText('This link reads through mirrors that are not known here');
	expect(requests).not.toContain('/api/manifests');
	await publish.drop('of-a-colleague.yaml', 'kind: ImageDigestMirrorSet\nspec: [');
	await expect(
		page.getByRole('heading', { name: 'This is not a file of mirrors that can be used' }),
	).toBeVisible();
	await publish.drop('of-a-colleague.yaml', mirrorSet());
	await expectRead(page);
});

test('such a link is read without mirrors where the user says so', async ({ page }) => {
	await page.goto(espalier.linkTo(linkTo('of-a-colleague.yaml')));
	await new PublishPage(page).button('Read without them').click();
	await expect(page.getByRole('heading', { name: 'Nobody answers there' })).toBeVisible();
});

test('the mirrors that the server was started with are followed from the first request on', async ({
	page,
}) => {
	const own = await makeHome();
	const file = join(own.folder, 'idms.yaml');
	await writeFile(file, mirrorSet());
	const server = await startEspalier(own, ['--port', '0', '--mirrors', file]);
	try {
		await page.goto(server.linkTo(linkTo()));
		await expectRead(page);
		await expect(lineOf(page)).toContainText('idms.yaml (1 rule)');
	} finally {
		await server.stop();
		await own.remove();
	}
});
