import { expect } from '@playwright/test';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import {
	content,
	makeImage,
	makeIndex,
	makeLayer,
	type Content,
} from '../../proxy/demo/image-maker.ts';
import { payloadFiles } from '../../proxy/demo/payload-maker.ts';
import { formatEntry } from '../../shared/link/entry.ts';
import { formatRoute } from '../../shared/link/route.ts';
import { byDigest } from '../../shared/oci/reference.ts';
import { releaseLabel } from '../../shared/release/read-release.ts';
import { architectureKey } from '../../shared/release/release-metadata.ts';
import { test } from '../support/watched-browser.ts';
import { startWatched, type WatchedEspalier } from '../support/watched-espalier.ts';

const markup = '<img src=x onerror=window.pwned=1>';
const script = '<script>window.pwned=1</script>';
const version = '4.20.0';
/** What comes after the first character reads from the right. */
const turned = `\u202e${markup}`;
const created = '2026-01-01T00:00:00Z';
const platform = { os: 'linux', architecture: 'amd64' } as const;
const repository = 'hostile/release';

let espalier: WatchedEspalier;
/** A service of this computer, which only the payload names. */
let neighbour: Server;
const visits: string[] = [];

test.beforeAll(async () => {
	espalier = await startWatched();
	neighbour = createServer((incoming, response) => {
		visits.push(incoming.url ?? '');
		response.end('{}');
	});
	neighbour.listen(0, '127.0.0.1');
	await once(neighbour, 'listening');
	await pushHostileRelease((neighbour.address() as AddressInfo).port);
});
test.afterAll(async () => {
	neighbour.close();
	await espalier.stop();
});

async function send(method: 'POST' | 'PUT', path: string, { mediaType, bytes }: Content) {
	const authorization = `Basic ${Buffer.from(`any:${espalier.token}`).toString('base64')}`;
	const { statusCode, body } = await request(`http://127.0.0.1:${espalier.port}/v2/${path}`, {
		method,
		headers: { authorization, 'content-type': mediaType },
		body: bytes,
	});
	if (statusCode !== 201) throw new Error(`${path}: ${statusCode} ${await body.text()}`);
	await body.dump();
}

/** A release whose payload says whatever could become markup, a script, a request or another reading direction. */
async function pushHostileRelease(port: number): Promise<void> {
	const { digest } = content('', new TextEncoder().encode('not there'));
	const component = (name: string, registry: string, source: string, versions: string) => ({
		name,
		source,
		versions,
		reference: byDigest({ registry, repository: 'internal/secrets' }, digest),
	});
	const components = [
		component('one', `127.0.0.1:${port}`, 'javascript:window.pwned=1', `k=${script}`),
		component(
			'two',
			`localhost:${port}`,
			`https://x.test/"onmouseover="window.pwned=1"${turned}`,
			'k=1.2.3',
		),
		component('three', '169.254.169.254', `data:text/html,${script}`, 'k=1.2.3'),
		component('pod', `[::1]:${port}`, 'https://github.com/openshift/x', 'k=1.2.3'),
	];
	const files = payloadFiles({
		version,
		created,
		previous: [],
		metadata: { url: 'javascript:window.pwned=1', description: script, [architectureKey]: 'multi' },
		components,
		files: [],
	});
	const layers = [await makeLayer('oci', 'release-manifests', files)];
	const labels = { [releaseLabel]: version, 'io.openshift.build.source-location': markup };
	const image = makeImage({ flavour: 'oci', platform, layers, created, labels });
	for (const blob of image.blobs) {
		const octets = { ...blob, mediaType: 'application/octet-stream' };
		await send('POST', `${repository}/blobs/uploads/?digest=${blob.digest}`, octets);
	}
	const index = makeIndex('oci', [{ manifest: image.manifest, platform }]);
	for (const made of [image.manifest, index]) {
		await send('PUT', `${repository}/manifests/${made.digest}`, made);
	}
	await send('PUT', `${repository}/manifests/v1`, index);
}

test('D9, D11, D22 (test 14): a hostile payload is text, runs nothing, and leads nowhere', async ({
	page,
}) => {
	const to = formatRoute({ view: 'release', params: { ref: `store/${repository}:v1` } });
	const entry = formatEntry({ token: espalier.token, to });
	await page.goto(`http://localhost:${espalier.port}/${entry}`);
	await page.getByText('About this release').click();
	const shown: string[] = [];
	for (const name of ['one', 'three', 'two']) {
		await page.getByRole('link', { name, exact: true }).click();
		const details = page.getByRole('complementary', { name: `Details of ${name}` });
		await expect(details.getByText('unchecked').first()).toBeVisible();
		shown.push(await page.locator('body').innerText());
	}
	for (const said of ['javascript:window.pwned=1', script, 'data:text/html', markup]) {
		expect(shown.join('\n')).toContain(said);
	}
	expect(shown.join('\n')).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);

	expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
	const links = await page
		.locator('a[href]')
		.evaluateAll((anchors) => anchors.map((anchor) => (anchor as HTMLAnchorElement).protocol));
	expect(new Set(links)).not.toContain('javascript:');
	expect(new Set(links)).not.toContain('data:');
	expect(
		await page.locator('img, script:not([src]), iframe, [onerror], [onmouseover]').count(),
	).toBe(0);
	const outward = page.locator('a[target=_blank]');
	for (const rel of await outward.evaluateAll((all) => all.map((a) => a.getAttribute('rel')))) {
		expect(rel).toContain('noopener');
	}
	expect(visits).toEqual([]);
});

test('D9 (test 14): bytes of strangers are no document of this origin, even when they say they are', async ({
	page,
	watch,
}) => {
	watch.expect(/403|404/);
	const text = new TextEncoder().encode(`<!doctype html>${script}`);
	const blob = content('application/octet-stream', text);
	await send('POST', `${repository}/blobs/uploads/?digest=${blob.digest}`, blob);
	await page.goto(`http://localhost:${espalier.port}/#t=${espalier.token}`);
	const path = `/api/blob?reference=store/${repository}@${blob.digest}`;
	const got = await page.evaluate(
		async ([at = '', token = '']) => {
			const answer = await fetch(at, { headers: { 'x-espalier-token': token } });
			return {
				type: answer.headers.get('content-type'),
				policy: answer.headers.get('content-security-policy'),
			};
		},
		[path, espalier.token],
	);
	expect(got.type).toBe('application/octet-stream');
	expect(got.policy).toContain('sandbox');
	// Without the header that only the page sends, a tab gets a refusal.
	const answer = await page.goto(`http://localhost:${espalier.port}${path}`);
	expect(answer?.status()).toBe(403);
	expect(await page.evaluate(() => 'pwned' in window)).toBe(false);
});
