import { expect, type BrowserContext, type Page } from '@playwright/test';
import { mediaTypes } from '../../shared/oci/media-type.ts';
import {
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
import { startFront, type Front } from '../support/front.ts';
import { holdBack, isBlobUpload } from '../support/hold-back.ts';
import { PublishPage, routeOf } from '../support/publish-page.ts';
import { jsonBytes, Pusher, type Pushed } from '../support/push.ts';
import { componentCount, pushSmallRelease, type SmallRelease } from '../support/small-release.ts';
import { digestOfTag, tagsOf } from '../support/tags-in-registry.ts';
import { test } from '../support/watched-browser.ts';

test.skip(!hasDockerRegistry, skippedWithoutDockerRegistry);

const tag = 'pruned';

let home: Home;
let espalier: RunningEspalier;
let registry: DockerRegistry;
/** What is published to: a front of the same registry, under another name. */
let front: Front;
let source: SmallRelease;
let next = 0;
/** Every test publishes to repositories of its own. */
let parts: string;
let releases: string;

test.beforeAll(async () => {
	home = await makeHome();
	[espalier, registry] = await Promise.all([
		startEspalier(home),
		startDockerRegistry({ inMemory: true }),
	]);
	front = await startFront(registry.host);
	source = await pushSmallRelease({ host: registry.host, layerBytes: 20_000 });
});
test.beforeEach(() => {
	next += 1;
	parts = `${front.host}/run${next}/components`;
	releases = `${front.host}/run${next}/release`;
	front.answered.length = 0;
});
test.afterEach(() => {
	front.meddle = undefined;
});
test.afterAll(async () => {
	await espalier.stop();
	await front.stop();
	await registry.stop();
	await home.remove();
});

/** Lets some blobs through, and holds the others back. */
function holdAfterSomeBlobs(): ReturnType<typeof holdBack> {
	let uploads = 0;
	return holdBack(front, (request) => {
		if (isBlobUpload(request)) uploads += 1;
		return uploads > 4;
	});
}

async function openPlan(context: BrowserContext, from = espalier): Promise<PublishPage> {
	const publish = new PublishPage(await context.newPage());
	const draft = { to: parts, release: `${releases}:${tag}`, selfContained: true };
	await publish.page.goto(from.linkTo(routeOf('plan', source.reference, draft)));
	await expect(publish.heading(`Publish ${releases}:${tag}`)).toBeVisible();
	return publish;
}

/** Another manifest under a tag, as somebody else would push it. */
async function pushOther(name: string): Promise<Pushed> {
	const pusher = new Pusher(registry.host);
	const { ociIndex } = mediaTypes;
	const annotations = { name };
	const index = jsonBytes({ schemaVersion: 2, mediaType: ociIndex, manifests: [], annotations });
	const pushed = await pusher.pushManifest(`run${next}/release`, index, ociIndex, tag);
	await pusher.close();
	return pushed;
}

async function expectNothingTagged(): Promise<void> {
	expect(await tagsOf(parts)).toEqual([]);
	expect(await tagsOf(releases)).toEqual([]);
}

/** Everything is there, and the release's tag was written after everything else. */
async function expectPublished(): Promise<void> {
	expect(await tagsOf(parts)).toHaveLength(componentCount);
	expect(await tagsOf(releases)).toEqual([tag]);
	const written = front.answered.filter(({ method, status }) => method === 'PUT' && status === 201);
	expect(written.at(-1)?.path).toBe(`/v2/run${next}/release/manifests/${tag}`);
	const firstTag = written.findIndex(({ path }) => /\/manifests\/(?!sha256:)/.test(path));
	expect(written.slice(firstTag)).toHaveLength(componentCount + 1);
}

async function goOn(page: Page): Promise<void> {
	const publish = new PublishPage(page);
	await expect(publish.heading('Unfinished runs')).toBeVisible();
	await expect(page.getByText(`${releases}:${tag}`).first()).toBeVisible();
	await publish.button('Go on').click();
	await publish.expectVerified();
	await expect(page.getByText(/^[1-9]\d* blobs? there already/)).toBeVisible();
}

test('a tab that is closed in the middle of a run tags nothing, and the run goes on from the first page', async ({
	context,
}) => {
	const held = holdAfterSomeBlobs();
	const publish = await openPlan(context);
	await publish.run();
	await held.begun;
	await publish.page.close();
	held.letGo();
	const other = await context.newPage();
	await other.goto(espalier.url);
	await expect(new PublishPage(other).heading('Unfinished runs')).toBeVisible();
	await expectNothingTagged();
	await goOn(other);
	await expectPublished();
});

test('a proxy that is killed in the middle of a run tags nothing, and another one finishes it', async ({
	context,
	watch,
}) => {
	watch.expect(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED_ENCODING/);
	watch.expect(/ERR_EMPTY_RESPONSE|the server responded with a status of 401/);
	const own = await makeHome();
	const first = await startEspalier(own);
	const { port } = new URL(first.origin);
	const held = holdAfterSomeBlobs();
	const publish = await openPlan(context, first);
	await publish.run();
	await held.begun;
	first.process.kill('SIGKILL');
	await expect(publish.heading('Not published')).toBeVisible();
	await expect(publish.page.getByText('Espalier is not running')).toBeVisible();
	await expect(publish.page.getByText('; no tag was moved.').last()).toBeVisible();
	held.letGo();
	await expectNothingTagged();
	const second = await startEspalier(own, ['--port', port]);
	try {
		await publish.page.goto(second.url);
		await goOn(publish.page);
		await expectPublished();
	} finally {
		await second.stop();
		await own.remove();
	}
});

test('a run is paused and says what is under way, goes on, and leaves no tag when it is cancelled', async ({
	context,
}) => {
	const held = holdAfterSomeBlobs();
	const publish = await openPlan(context);
	const { page } = publish;
	await publish.run();
	await held.begun;
	await publish.button('Pause').click();
	await expect(publish.heading(/^Paused, [1-9]\d* under way$/)).toBeVisible();
	await expect(page.getByText('no tag moved yet')).toBeVisible();
	const heldAgain = holdBack(
		front,
		({ method, path }) => method === 'PUT' && /manifests/.test(path),
	);
	held.letGo();
	await expect(publish.heading('Paused, 0 under way')).toBeVisible();
	await expectNothingTagged();
	await publish.button('Resume').click();
	await heldAgain.begun;
	await publish.button('Cancel…').click();
	await expect(page.getByRole('dialog')).toContainText('no tag was moved');
	await publish.button('Stop').click();
	await expect(publish.heading('Stopped')).toBeVisible();
	heldAgain.letGo();
	await expectNothingTagged();
	await publish.button('Go on').click();
	await publish.expectVerified();
	await expectPublished();
});

test('a plan is run in one tab at a time', async ({ context }) => {
	const held = holdAfterSomeBlobs();
	const first = await openPlan(context);
	const second = await openPlan(context);
	await first.run();
	await held.begun;
	await second.run();
	await expect(second.heading('Another tab is at it')).toBeVisible();
	await expect(
		second.page.getByText('This plan is being run in another tab of this browser.'),
	).toBeVisible();
	held.letGo();
	await first.expectVerified();
	await expect(second.heading('The other tab is done')).toBeVisible();
	await second.button('Look again').click();
	await expect(second.page.getByText(/^This was published at /)).toBeVisible();
	await second.run();
	await second.expectVerified();
	await expect(second.page.getByText(/^Nothing was to be done: /)).toBeVisible();
	await expect(second.page.getByText(/^0 manifests pushed/)).toBeVisible();
	await expectPublished();
});

test('a tag that was moved after planning stays where it is; planning again takes it along', async ({
	context,
}) => {
	const seen = await pushOther('seen');
	const publish = await openPlan(context);
	await expect(publish.tagRow(`${releases}:${tag}`)).toContainText(seen.digest.slice(0, 19));
	const moved = await pushOther('moved');
	await publish.run();
	await expect(publish.heading('Not published')).toBeVisible();
	await expect(publish.failures).toContainText('Somebody else was faster');
	await expect(publish.failures).toContainText(`${seen.digest.slice(0, 19)}…`);
	await expect(publish.failures).toContainText(`${moved.digest.slice(0, 19)}…`);
	expect(await digestOfTag(releases, tag)).toBe(moved.digest);
	expect(await tagsOf(parts)).toEqual([]);

	await publish.button('Plan again').click();
	await expect(publish.tagRow(`${releases}:${tag}`)).toContainText(moved.digest.slice(0, 19));
	await publish.run();
	await publish.expectVerified();
	expect(await digestOfTag(releases, tag)).not.toBe(moved.digest);
	await expectPublished();
});
