import { expect } from '@playwright/test';
import { createServer, type Server } from 'node:http';
import {
	hasDockerRegistry,
	skippedWithoutDockerRegistry,
	startDockerRegistry,
	type DockerRegistry,
} from '../support/docker-registry.ts';
import { program } from '../support/espalier-process.ts';
import { startFront, type Front } from '../support/front.ts';
import { PublishPage, routeOf } from '../support/publish-page.ts';
import { startRoundRobin, type RoundRobin } from '../support/round-robin.ts';
import { startReplica, type Replica } from '../support/shared-replica.ts';
import { pushSmallRelease, smallVersion, type SmallRelease } from '../support/small-release.ts';
import { digestOfTag } from '../support/tags-in-registry.ts';
import { test } from '../support/watched-browser.ts';

test.skip(!hasDockerRegistry, skippedWithoutDockerRegistry);
test.describe.configure({ mode: 'serial' });

let source: DockerRegistry;
let target: DockerRegistry;
let front: Front;
let release: SmallRelease;
let balancer: RoundRobin;
let replicas: readonly Replica[];

test.beforeAll(async () => {
	[source, target] = await Promise.all([
		startDockerRegistry({ inMemory: true }),
		startDockerRegistry({ inMemory: true }),
	]);
	front = await startFront(target.host);
	release = await pushSmallRelease({ host: source.host, layerBytes: 20_000 });
	balancer = await startRoundRobin();
	const served = `${source.host}/small,${front.host}`;
	const flags = ['--registries', served, '--public-url', balancer.origin];
	replicas = await Promise.all([startReplica(flags, [program]), startReplica(flags, [program])]);
	balancer.replicas.push(...replicas.map(({ port }) => port));
});
test.afterAll(async () => {
	for (const { process, ended } of replicas) {
		process.kill('SIGKILL');
		await ended;
	}
	await Promise.all([balancer.stop(), front.stop()]);
	await Promise.all([source.stop(), target.stop()]);
});

test('a team’s page opens without a key, says what it serves, and reads it', async ({ page }) => {
	await page.goto(balancer.origin);
	await expect(page.getByRole('region', { name: 'About this Espalier' })).toContainText(
		`It serves ${source.host}/small and ${front.host}, and keeps no logins of yours`,
	);
	await expect(page.getByRole('link', { name: 'Open the demo release' })).toHaveCount(0);
	await page.getByLabel('Reference of a release').fill(release.reference);
	await page.getByRole('main').getByRole('button', { name: 'Open', exact: true }).click();
	await expect(page.getByText('3 of 7 components stand on placeholders')).toBeVisible();
});

test('what is not served is refused with the reason', async ({ page, watch }) => {
	// The browser's own words for an answer of 403.
	watch.expect(/Failed to load resource.*403/);
	await page.goto(`${balancer.origin}/${routeOf('release', `${source.host}/other/release:1`)}`);
	await expect(page.getByText('This Espalier does not serve that').first()).toBeVisible();
	await expect(
		page.getByText(`and not ${source.host}/other/release`, { exact: false }).first(),
	).toBeVisible();
});

test('a page of another origin gets nothing, and changes nothing', async ({ page, watch }) => {
	watch.expect(/CORS|Failed to load|blocked|refused|ERR_/i);
	const evil: Server = createServer((_, response) => {
		response.setHeader('content-type', 'text/html');
		response.end('<!doctype html><title>evil</title>');
	});
	await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve));
	const address = evil.address();
	const port = typeof address === 'object' && address ? address.port : 0;
	const before = balancer.passed.length;
	await page.goto(`http://localhost:${port}/`);
	const read = await page.evaluate(async (origin) => {
		const attempts: readonly (() => Promise<Response>)[] = [
			() => fetch(`${origin}/api/session`),
			() => fetch(`${origin}/api/tags?repository=a/b`, { credentials: 'include' }),
			() => fetch(`${origin}/api/manifests`, { method: 'POST', body: '{"requests":[]}' }),
			() =>
				fetch(`${origin}/api/manifests`, {
					method: 'POST',
					headers: { 'content-type': 'application/json' },
					body: '{"requests":[]}',
				}),
		];
		const seen: string[] = [];
		for (const attempt of attempts) {
			seen.push(
				await attempt().then(
					(answer) => answer.text(),
					() => 'nothing',
				),
			);
		}
		return seen;
	}, balancer.origin);
	expect(read).toEqual(['nothing', 'nothing', 'nothing', 'nothing']);
	expect(balancer.passed.length).toBeGreaterThan(before);
	await new Promise((resolve) => evil.close(resolve));
});

// Not shown since the login is typed into the page; test/unit/publish/replicas.test.ts shows the same without one.
test.fixme('a replica is killed in the middle of a run, and the page goes on with the other', async ({
	page,
	watch,
}) => {
	watch.expect(/ERR_|Failed to load resource/);
	const to = `${front.host}/mirror/parts`;
	const goal = `${front.host}/mirror/release:${smallVersion}`;
	const draft = { to, release: goal, selfContained: true };
	await page.goto(`${balancer.origin}/${routeOf('plan', release.reference, draft)}`);
	const publish = new PublishPage(page);
	await expect(publish.button('Run')).toBeDisabled();
	await page
		.getByRole('button', { name: `Log in to ${front.host}` })
		.first()
		.click();
	const dialog = page.getByRole('dialog', { name: 'Logins of this tab' });
	await dialog.getByLabel('User name', { exact: true }).fill('tester');
	await dialog.getByLabel('Password or token').fill('anything');
	await page.keyboard.press('Enter');
	await expect(publish.button('Run')).toBeEnabled();
	let uploads = 0;
	let killed: Replica | undefined;
	front.meddle = ({ method, path }) => {
		if (method === 'PUT' && path.includes('/blobs/')) uploads += 1;
		if (uploads < 5 || killed) return undefined;
		const copying = balancer.passed.findLast((passed) => passed.path === '/api/copies');
		killed = replicas.find(({ port }) => port === copying?.replica);
		killed?.process.kill('SIGKILL');
		return undefined;
	};
	await publish.run();
	await publish.expectVerified();
	expect(await killed?.ended).toBe('SIGKILL');
	expect(await digestOfTag(`${target.host}/mirror/release`, smallVersion)).toMatch(/^sha256:/);
});
