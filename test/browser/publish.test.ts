import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { cleanup, render } from 'vitest-browser-svelte';
import { pruneParams } from '../../shared/link/prune-params.ts';
import { formatRoute, type Route } from '../../shared/link/route.ts';
import { emptyDraft, type PruneDraft } from '../../shared/release/prune-fields.ts';
import { ProxyClient } from '../../web/api/proxy-client.ts';
import { Database } from '../../web/cache/database.ts';
import { Journal } from '../../web/cache/journal.ts';
import { Location } from '../../web/state/location.svelte.ts';
import { Publishing } from '../../web/state/publishing.svelte.ts';
import GlyphSprite from '../../web/ui/GlyphSprite.svelte';
import { entryOf, linux, ReleaseMaker } from '../support/release-maker.ts';
import { expectAccessible, reference, setTheme } from './app-page.ts';
import PublishPage from './PublishPage.svelte';

const target = { registry: 'registry.test', repository: 'acme/pruned' };
const chosen: PruneDraft = {
	...emptyDraft,
	to: 'registry.test/acme/pruned',
	release: 'registry.test/acme/pruned:new',
};

let maker: ReleaseMaker;
let database: Database;
let publishing: Publishing;

beforeEach(async () => {
	await page.viewport(1280, 900);
	maker = new ReleaseMaker(['amd64', 'arm64']);
	const pods = maker.architectures.map((name) => maker.image('pod', linux(name)));
	const amd64 = (name: string) => entryOf(maker.image(name, linux('amd64')));
	maker.add('aws-driver', [amd64('aws-driver'), entryOf(pods[1]!)]);
	maker.add(
		'pod',
		pods.map((pod) => entryOf(pod)),
	);
	maker.addBuilt('etcd');
	await maker.finish();
	database = new Database();
});
// As other files find it: a pointer that lies over a matrix would keep its rows from moving.
afterAll(async () => {
	await userEvent.hover(document.documentElement, { position: { x: 1, y: 1 } });
	await page.viewport(414, 896);
});
afterEach(async () => {
	history.replaceState(null, '', '#/');
	delete document.documentElement.dataset['theme'];
	// A run that a test left behind would keep the others from running the same plan.
	for (const run of publishing.runs) run.cancel();
	maker.registries.beforeWrite = undefined;
	await database.clear();
});

function routeTo(view: 'release' | 'plan', draft: PruneDraft | undefined = chosen): Route {
	const params = Object.entries(pruneParams(draft)).filter(([, value]) => value !== undefined);
	return { view, params: { ref: reference, ...Object.fromEntries(params) } };
}

async function open(route: Route): Promise<void> {
	history.replaceState(null, '', formatRoute(route));
	const { registries } = maker;
	const journal = new Journal({ database, keeps: () => true, now: () => Date.now() });
	publishing = new Publishing({ registries, journal, location: new Location() });
	const client = new ProxyClient({ token: () => undefined, origin: 'http://127.0.0.1:9' });
	await render(GlyphSprite);
	await render(PublishPage, { publishing, client });
}

/** As a reload does: what is in memory is gone, what the browser keeps is there. */
async function reload(): Promise<void> {
	cleanup();
	await open(routeTo('plan'));
}

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
const heading = (name: string | RegExp) => page.getByRole('heading', { name });

/** Holds the writes of a kind back until they are let go. */
function holdBack(kind: string): () => void {
	let letGo: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => (letGo = resolve));
	maker.registries.beforeWrite = async (write) => {
		if (write.kind === kind) await gate;
	};
	return () => letGo();
}

/** Catches what the page would save. */
async function saved(click: () => Promise<void>): Promise<{ name: string; text: string }> {
	const made: Blob[] = [];
	const create = vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => {
		made.push(blob as Blob);
		return 'blob:nothing';
	});
	const names: string[] = [];
	const follow = vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
		this: HTMLAnchorElement,
	) {
		names.push(this.download);
	});
	await click();
	create.mockRestore();
	follow.mockRestore();
	return { name: names[0] ?? '', text: (await made[0]?.text()) ?? '' };
}

function drop(name: string, text: string): void {
	const dataTransfer = new DataTransfer();
	dataTransfer.items.add(new File([text], name));
	window.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
}

describe('choosing what to prune', () => {
	it('opens beside the matrix with placeholders chosen, and says how much goes', async () => {
		await open({ view: 'release', params: { ref: reference } });
		await button('Prune…').click();
		await expect.element(heading('Prune')).toHaveFocus();
		await expect
			.element(page.getByText('1 child of 1 component is dropped'))
			.toHaveTextContent('the release keeps linux/amd64, linux/arm64.');
		expect(location.hash).toBe(`#/release?ref=${reference}&prune=placeholders`);
		await button('Close pruning').click();
		await expect.element(button('Prune…')).toHaveFocus();
		expect(location.hash).toBe(`#/release?ref=${reference}`);
	});

	it('switches cells with a click and with Space, and names stay links to details', async () => {
		await open(routeTo('release'));
		const placeholder = button('Drop aws-driver, linux arm64: placeholder of pod');
		await expect.element(placeholder).toHaveAttribute('aria-pressed', 'true');
		await placeholder.click();
		await expect.element(placeholder).toHaveAttribute('aria-pressed', 'false');
		const built = button('Drop etcd, linux arm64: built');
		(built.element() as HTMLElement).focus();
		await userEvent.keyboard(' ');
		await expect.element(built).toHaveAttribute('aria-pressed', 'true');
		expect(location.hash).toContain('toggle=aws-driver@linux/arm64,etcd@linux/arm64');
		await userEvent.keyboard('{ArrowLeft}');
		await expect.element(button('Drop etcd, linux amd64: built')).toHaveFocus();
		await page.getByRole('link', { name: 'etcd' }).click();
		await expect
			.element(page.getByRole('complementary', { name: 'Details of etcd' }))
			.toBeVisible();
		await button('Reset 2 cells').click();
		await expect.element(placeholder).toHaveAttribute('aria-pressed', 'true');
	});

	it('leaves excluded components alone, and offers that where nothing would be left', async () => {
		await open(routeTo('release'));
		await page.getByRole('radio', { name: /Keep only these platforms/ }).click();
		await page.getByRole('checkbox', { name: 'linux/amd64' }).click();
		await page.getByRole('checkbox', { name: 'linux/arm64' }).click();
		await expect.element(page.getByText('Choose at least one platform to keep.')).toBeVisible();
		await button('Leave them alone').click();
		await expect
			.element(page.getByRole('textbox', { name: 'Leave these alone' }))
			.toHaveValue('aws-driver, pod, etcd');
		expect(page.getByRole('button', { name: /^Drop etcd/ }).elements()).toEqual([]);
	});

	it('keeps what is typed, in the field and in the link', async () => {
		await open(routeTo('release', emptyDraft));
		const only = page.getByRole('textbox', { name: 'Only these components' });
		await userEvent.type(only, 'aws-*, etcd, ');
		await expect.element(only).toHaveValue('aws-*, etcd, ');
		expect(location.hash).toContain('only=aws-*,etcd');
	});

	it('says what is missing when the plan is asked for, and where things could go', async () => {
		await open(routeTo('release', emptyDraft));
		await button('Show the plan').click();
		const to = page.getByRole('textbox', { name: 'Component images to' });
		await expect.element(to).toHaveFocus();
		await expect.element(to).toHaveAccessibleDescription(/Say where component images go/);
		await expect
			.element(page.getByText('Please correct: component images to, release to.'))
			.toBeVisible();
		await button('Use store/acme/release-pruned').click();
		await expect.element(to).toHaveValue('store/acme/release-pruned');
		await expect.element(to).toHaveFocus();
		await button('Use store/acme/release-pruned:4.20.0').click();
		await button('Show the plan').click();
		await expect.element(heading('Publish store/acme/release-pruned:4.20.0')).toHaveFocus();
	});
});

describe('the panel', () => {
	it('has the way to the plan in reach, however long it is', async () => {
		const draft = { ...chosen, tagTemplate: 'x-{component}' };
		await open(routeTo('release', draft));
		const show = button('Show the plan');
		await expect.element(show).toBeVisible();
		expect(show.element().getBoundingClientRect().bottom).toBeLessThanOrEqual(900);
	});

	it('shows the field that has the focus above that', async () => {
		await page.viewport(1280, 500);
		await open(routeTo('release', emptyDraft));
		await button('Show the plan').click();
		const to = page.getByRole('textbox', { name: 'Component images to' });
		await expect.element(to).toHaveFocus();
		const bottom = (element: Element) => element.getBoundingClientRect().bottom;
		const foot = button('Show the plan').element().parentElement?.parentElement;
		await expect
			.poll(() => bottom(to.element()))
			.toBeLessThan(foot?.getBoundingClientRect().top ?? 0);
	});

	it('offers a target beside the field for as long as that is empty', async () => {
		await open(routeTo('release', { ...emptyDraft, release: 'registry.test/a:1' }));
		const to = page.getByRole('textbox', { name: 'Component images to' });
		await expect.element(button('Use store/acme/release-pruned')).toBeVisible();
		await userEvent.type(to, 'registry.test/b');
		expect(button('Use store/acme/release-pruned').elements()).toEqual([]);
		await userEvent.clear(page.getByRole('textbox', { name: 'Release to' }));
		await expect.element(button('Use registry.test/b:4.20.0')).toBeVisible();
	});

	it('lists every platform that could be kept, also one that only a link names', async () => {
		const preset = { kind: 'platforms' as const, keep: ['linux/amd64', 'linux/riscv64'] as never };
		await open(routeTo('release', { ...chosen, selection: { ...chosen.selection, preset } }));
		const platform = (name: string) => page.getByRole('checkbox', { name });
		await expect.element(platform('linux/riscv64')).toBeChecked();
		await expect.element(platform('linux/arm64')).not.toBeChecked();
		await platform('linux/arm64').click();
		expect(location.hash).toContain('keep=linux/amd64,linux/arm64,linux/riscv64');
	});

	it('is shown to be open by its button', async () => {
		await open({ view: 'release', params: { ref: reference } });
		await expect.element(button('Prune…')).toHaveAttribute('aria-expanded', 'false');
		await button('Prune…').click();
		await expect.element(button('Prune…')).toHaveAttribute('aria-expanded', 'true');
	});
});

describe('a plan', () => {
	it('says first what becomes of the release, then all of what is written', async () => {
		await open(routeTo('plan'));
		await expect.element(heading('Publish registry.test/acme/pruned:new')).toHaveFocus();
		await expect
			.element(page.getByText(/^1 of 3 components loses 1 child; the release becomes/))
			.toBeVisible();
		await expect
			.element(page.getByRole('row', { name: /registry\.test\/acme\/pruned:4\.20\.0__aws-driver/ }))
			.toHaveTextContent('new');
		await expect.element(page.getByText(/mounted|made here, to upload/).first()).toBeVisible();
		await expect.element(page.getByText('Still holds')).toBeVisible();
		expect(maker.registries.written).toEqual([]);
	});

	it('shows digests short in sentences, and copies them in full', async () => {
		await open(routeTo('plan'));
		const headline = page.getByText(/^1 of 3 components loses 1 child; the release becomes/);
		await expect.element(headline).toHaveTextContent(/acme\/pruned@sha256:[0-9a-f]{12}…/);
		const copy = page.getByRole('button', { name: /^Copy registry\.test\/acme\/pruned@sha256:/ });
		await expect
			.element(copy)
			.toHaveAttribute('title', expect.stringMatching(/@sha256:[0-9a-f]{64}$/));
	});

	it('appends to commands what they need to reach the same registries', async () => {
		await open(routeTo('plan'));
		publishing.serverFlags = '--store /srv/store';
		await page.getByText('In a terminal').click();
		await expect
			.element(page.getByText(/^espalier run plan-.*\.json --store \/srv\/store$/))
			.toBeVisible();
		await expect
			.element(page.getByText(/^espalier plan prune .* -o plan\.json --store \/srv\/store$/))
			.toBeVisible();
	});

	it('tells of a run that was begun and not finished, and of the one that was', async () => {
		await open(routeTo('plan'));
		await expect.element(page.getByText(/^Nothing is written until you press Run\./)).toBeVisible();
		maker.registries.failWrites = () => ({
			code: 'denied',
			origin: 'registry',
			reason: 'Not you.',
		});
		await button('Run').click();
		await expect.element(heading('Not published')).toBeVisible();
		maker.registries.failWrites = undefined;
		await reload();
		await expect
			.element(page.getByText(/^A run of this plan was begun at .* and not finished:$/))
			.toBeVisible();
		await button('Run').click();
		await expect.element(heading('Published and verified')).toBeVisible();
		await reload();
		await expect.element(page.getByText(/^This was published at .*\d/)).toBeVisible();
		await button('Show its receipt').click();
		await expect.element(page.getByText(/^This receipt was kept by this browser\./)).toBeVisible();
	});

	it('is refused with a reason, and leads back to the selection', async () => {
		const toggled = maker.architectures.map((name) => ({
			component: 'etcd',
			platform: `linux/${name}` as never,
		}));
		const draft = { ...chosen, selection: { ...chosen.selection, toggled } };
		await open(routeTo('plan', draft));
		await expect.element(page.getByRole('alert')).toHaveTextContent('etcd');
		await page.getByRole('link', { name: 'Back to the selection' }).click();
		await expect.element(page.getByText('Nothing would be left of etcd')).toBeVisible();
	});

	it('says what a link lacks', async () => {
		await open(routeTo('plan', emptyDraft));
		await expect
			.element(page.getByRole('alert'))
			.toHaveTextContent('Say where component images go');
	});

	it('says what could not be estimated, and what to do, and can be run all the same', async () => {
		maker.registries.exists = async function* (requests) {
			for (const request of requests) {
				yield {
					ok: false as const,
					request,
					problem: { code: 'unauthorized' as const, origin: 'registry' as const, reason: 'Who?' },
				};
			}
		};
		await open(routeTo('plan'));
		await expect.element(page.getByText('It could not be asked.')).toBeVisible();
		await expect.element(button('Ask again')).toBeVisible();
		await expect.element(button('Run')).toBeEnabled();
	});

	it('comes back out of its file the same, and shows a file that is none for what it is', async () => {
		await open(routeTo('plan'));
		const { name, text } = await saved(() => button('Download plan').click());
		expect(name).toMatch(/^plan-[0-9a-f]{12}\.json$/);
		drop('from-a-friend.json', text);
		await expect.element(page.getByText('This plan is from a file')).toBeVisible();
		expect(location.hash).toBe('#/file');
		// Its registries are shown before any of them is contacted.
		const asked = maker.registries.asked.length;
		await expect.element(page.getByText('its registries were not contacted yet')).toBeVisible();
		expect(maker.registries.asked).toHaveLength(asked);
		await expect.element(heading('Publish registry.test/acme/pruned:new')).toHaveFocus();
		await button('Ask them').click();
		await expect.element(page.getByText(/^about \d+ requests to the target/)).toBeVisible();
		drop('changed.json', text.replace('acme/pruned:new', 'acme/pruned:old'));
		await expect.element(heading('changed.json')).toBeVisible();
		await expect
			.element(page.getByRole('alert'))
			.toHaveTextContent('This is not a plan that can be run');
		drop('notes.txt', 'hello');
		await expect.element(page.getByRole('alert')).toHaveTextContent('It is not JSON');
	});
});

describe('a run', () => {
	it('publishes, shows a receipt, and is undone by the plan that the receipt makes', async () => {
		await open(routeTo('plan'));
		await button('Run').click();
		await expect.element(heading('Published and verified')).toBeVisible();
		expect(maker.registries.written.at(-1)).toMatch(/^tag registry\.test\/acme\/pruned:new /);
		await expect
			.element(page.getByText(/^OPENSHIFT_INSTALL_RELEASE_IMAGE_OVERRIDE=/))
			.toBeVisible();
		expect(document.title).toBe('Published registry.test/acme/pruned:new · Espalier');
		const { text } = await saved(() => button('Download the receipt').click());

		await button('Undo…').click();
		await expect.element(heading('Undo a run')).toHaveFocus();
		await expect.element(page.getByText(/^Tags go back to where they were/)).toBeVisible();
		expect(page.getByText('made by the plan').elements()).toEqual([]);
		expect(heading('What it costs now').elements()).toEqual([]);
		await button('Run').click();
		await expect.element(heading('Undone and verified')).toBeVisible();
		expect(maker.registries.tagOf(target, 'new')).toBe('absent');

		drop('receipt.json', text);
		await expect
			.element(page.getByRole('heading', { level: 1 }))
			.toHaveTextContent(/^Published on .*\d/);
		await expect
			.element(
				page.getByText(/^This receipt is from a file, receipt\.json\. It says what was done then/),
			)
			.toBeVisible();
		await expect.element(page.getByText(/^Everything was read back then: /)).toBeVisible();
		await expect.element(page.getByRole('columnheader', { name: 'then' })).toBeVisible();
	});

	it('that finds everything there says that nothing was to be done', async () => {
		await open(routeTo('plan'));
		await button('Run').click();
		await expect.element(heading('Published and verified')).toBeVisible();
		publishing.runs = [];
		await expect.element(button('Run')).toBeVisible();
		await button('Run').click();
		await expect.element(page.getByText(/^Nothing was to be done: /)).toBeVisible();
		await expect
			.element(page.getByRole('row', { name: /acme\/pruned:new/ }).first())
			.toHaveTextContent('there already');
	});

	it('is ended where an undoing leaves only tags that cannot be removed', async () => {
		const before = maker.index([], { annotations: { before: 'yes' } });
		maker.registries.putManifest(target, before, 'new');
		await open(routeTo('plan'));
		await button('Run').click();
		await expect.element(heading('Published and verified')).toBeVisible();
		await button('Undo…').click();
		maker.registries.failWrites = (write) =>
			write.kind === 'tag' && write.reference.tag !== 'new'
				? { code: 'unsupported', origin: 'registry', reason: 'registry.test removes no tags.' }
				: undefined;
		await button('Run').click();
		await expect.element(heading('Undone, but for tags that cannot be removed')).toBeVisible();
		expect(button('Retry what failed').elements()).toEqual([]);
		publishing.location.go({ view: 'home' });
		await expect.element(heading('Published from this browser')).toBeVisible();
		expect(heading('Unfinished runs').elements()).toEqual([]);
	});

	it('that another tab does is waited for, and looked at again', async () => {
		let release: () => void = () => undefined;
		await open(routeTo('plan'));
		await expect.element(button('Run')).toBeVisible();
		const { text } = await saved(() => button('Download plan').click());
		const { id } = JSON.parse(text) as { id: string };
		await new Promise<void>((taken) => {
			void navigator.locks.request(`espalier-run-${id}`, () => {
				taken();
				return new Promise<void>((resolve) => (release = resolve));
			});
		});
		await button('Run').click();
		await expect.element(heading('Another tab is at it')).toBeVisible();
		release();
		await expect.element(heading('The other tab is done')).toBeVisible();
		await button('Look again').click();
		await button('Run').click();
		await expect.element(heading('Published and verified')).toBeVisible();
	});

	it('is paused and resumed, goes on in other views, and can be stopped', async () => {
		const letGo = holdBack('manifest');
		await open(routeTo('plan'));
		await button('Run').click();
		await expect.element(page.getByText('no tag moved yet')).toBeVisible();
		await expect.element(page.getByRole('progressbar')).toBeInTheDocument();
		expect(document.title).toMatch(/^\d+ % – publishing/);
		await button('Pause').click();
		await expect.element(heading(/^Paused, \d+ under way/)).toBeVisible();
		publishing.location.go({ view: 'home' });
		await expect.element(page.getByText('Paused registry.test/acme/pruned:new')).toBeVisible();
		await button('Show').click();
		await button('Resume').click();
		await button('Cancel…').click();
		await expect.element(page.getByRole('dialog')).toHaveTextContent('no tag was moved');
		await expect.element(button('Keep publishing')).toHaveFocus();
		await button('Stop').click();
		letGo();
		await expect.element(heading('Stopped')).toBeVisible();
		expect(maker.registries.tagOf(target, 'new')).toBe('absent');
		await button('Go on').click();
		await expect.element(heading('Published and verified')).toBeVisible();
	});

	it('says what failed and why, and finishes it on request', async () => {
		maker.registries.failWrites = ({ kind }) =>
			kind === 'manifest'
				? { code: 'storage-full', origin: 'registry', reason: 'registry.test is full.' }
				: undefined;
		await open(routeTo('plan'));
		await button('Run').click();
		await expect.element(heading('Not published')).toBeVisible();
		await expect
			.element(page.getByRole('list', { name: 'What failed' }))
			.toHaveTextContent('There is no room left. registry.test is full.');
		maker.registries.failWrites = undefined;
		await button('Retry what failed').click();
		await expect.element(heading('Published and verified')).toBeVisible();
	});

	it('shows both digests of a tag that was moved meanwhile, and plans again', async () => {
		await open(routeTo('plan'));
		await expect.element(button('Run')).toBeVisible();
		const other = maker.index([], { annotations: { other: 'yes' } });
		maker.registries.putManifest(target, other, 'new');
		await button('Run').click();
		await expect.element(heading('Not published')).toBeVisible();
		await expect
			.element(page.getByRole('list', { name: 'What failed' }))
			.toHaveTextContent(`was not there; now it points to ${other.digest.slice(0, 19)}…`);
		await button('Plan again').click();
		await expect
			.element(page.getByRole('row', { name: /acme\/pruned:new/ }).first())
			.toHaveTextContent('moved');
	});

	it('that was not finished is on the first page, and goes on from there', async () => {
		await open(routeTo('plan'));
		maker.registries.failWrites = () => ({
			code: 'denied',
			origin: 'registry',
			reason: 'Not you.',
		});
		await button('Run').click();
		await expect.element(heading('Not published')).toBeVisible();
		maker.registries.failWrites = undefined;
		publishing.runs = [];
		publishing.location.go({ view: 'home' });
		await button('Go on').click();
		await expect.element(heading('Published and verified')).toBeVisible();
		publishing.location.go({ view: 'home' });
		await expect.element(heading('Published from this browser')).toBeVisible();
		expect(heading('Unfinished runs').elements()).toEqual([]);
		await button('Receipt of registry.test/acme/pruned:new').click();
		await expect.element(page.getByRole('heading', { level: 1 })).toHaveTextContent('Published');
	});
});

describe.each(['light', 'dark'] as const)('in %s', (theme) => {
	beforeEach(() => setTheme(theme));

	it('choosing is accessible, with fields that are wrong', async () => {
		await open(routeTo('release', emptyDraft));
		await button('Show the plan').click();
		await expect.element(page.getByText('Say where component images go')).toBeVisible();
		await expectAccessible();
	});

	it('plan, run, dialog and receipt are accessible', async () => {
		const letGo = holdBack('manifest');
		await open(routeTo('plan'));
		await expect.element(button('Run')).toBeVisible();
		await expect.element(page.getByText('An estimate of this moment')).toBeVisible();
		await expectAccessible();
		await button('Run').click();
		await button('Cancel…').click();
		await expectAccessible();
		await button('Keep publishing').click();
		letGo();
		await expect.element(heading('Published and verified')).toBeVisible();
		await expectAccessible();
	});

	it('a failed run is accessible, and the first page with what is left of it', async () => {
		maker.registries.failWrites = () => ({
			code: 'denied',
			origin: 'registry',
			reason: 'Not you.',
		});
		await open(routeTo('plan'));
		await button('Run').click();
		await expect.element(heading('Not published')).toBeVisible();
		await expectAccessible();
		publishing.location.go({ view: 'home' });
		await expect.element(heading('Unfinished runs')).toBeVisible();
		await expectAccessible();
	});
});

it('nothing of it is wider than a narrow window', async () => {
	await page.viewport(320, 800);
	await open(routeTo('plan'));
	await expect.element(button('Run')).toBeVisible();
	expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(320);
	await button('Run').click();
	await expect.element(heading('Published and verified')).toBeVisible();
	expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(320);
});
