import { expect, test } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatRoute } from '../../shared/link/route.ts';
import {
	makeHome,
	startEspalier,
	type Home,
	type RunningEspalier,
} from '../support/espalier-process.ts';
import { hasSkopeo, skopeo } from '../support/skopeo.ts';

test.skip(!hasSkopeo, 'skopeo is not installed');

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

function json(bytes: Uint8Array): unknown {
	return JSON.parse(new TextDecoder().decode(bytes));
}

test('skopeo copies the demo out of the embedded registry and back in, and the page reads the copy', async ({
	page,
}) => {
	const { host } = new URL(espalier.origin);
	const demo = `docker://${host}/demo/release:4.20.0-demo`;
	const copy = `docker://${host}/acme/release:copied`;
	const layout = join(home.folder, 'layout');
	const noTls = (side: 'src' | 'dest') => `--${side}-tls-verify=false`;
	await skopeo(home.folder, 'copy', '--all', noTls('src'), demo, `oci:${layout}:demo`);
	await expect(
		skopeo(home.folder, 'copy', '--all', noTls('dest'), `oci:${layout}:demo`, copy),
	).rejects.toThrow();
	const login = ['--dest-creds', `any:${espalier.token}`];
	await skopeo(home.folder, 'copy', '--all', noTls('dest'), ...login, `oci:${layout}:demo`, copy);

	const raw = (reference: string) =>
		skopeo(home.folder, 'inspect', '--raw', '--tls-verify=false', reference);
	expect(await raw(copy)).toEqual(await raw(demo));

	const folder = join(home.folder, 'espalier/store/acme/release');
	expect(await readFile(join(folder, 'oci-layout'), 'utf8')).toContain('1.0.0');
	expect(json(await skopeo(home.folder, 'inspect', `oci:${folder}:copied`))).toMatchObject({
		Labels: { 'io.openshift.release': '4.20.0-demo' },
	});

	await page.goto(
		espalier.linkTo(formatRoute({ view: 'release', params: { ref: 'store/acme/release:copied' } })),
	);
	await expect(page.getByText('2 of 13 components stand on placeholders')).toBeVisible();
});

test('a page cannot reach the embedded registry, not even this one', async ({ page }) => {
	await page.goto(espalier.url);
	const status = await page.evaluate(
		async () => (await fetch('/v2/demo/release/tags/list')).status,
	);
	expect(status).toBe(403);
});
