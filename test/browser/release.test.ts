import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';
import {
	expectAccessible,
	openRelease,
	reference,
	releaseOfAllStatuses,
	setTheme,
} from './app-page.ts';
import Home from '../../web/views/Home/Home.svelte';
import GlyphSprite from '../../web/ui/GlyphSprite.svelte';
import { ReleaseMaker } from '../support/release-maker.ts';

beforeEach(() => page.viewport(1280, 900));
// As other files find it.
afterAll(() => page.viewport(414, 896));
afterEach(() => {
	history.replaceState(null, '', '#/');
	delete document.documentElement.dataset['theme'];
});

const names = ['zz-last', 'aa-first', 'mm-middle'];

/** A registry that answers about components only when told to. */
async function heldBack(): Promise<{ maker: ReleaseMaker; letGo: () => void }> {
	const maker = releaseOfAllStatuses(names);
	await maker.finish();
	let letGo: () => void = () => undefined;
	const gate = new Promise<void>((resolve) => (letGo = resolve));
	let passed = 0;
	maker.registries.beforeRead = async ({ repository }) => {
		if (repository !== maker.parts.repository) return;
		passed += 1;
		// The first lists arrive, so that there is something to look at.
		if (passed > 3) await gate;
	};
	return { maker, letGo };
}

function rows(): string[] {
	return [...document.querySelectorAll('tbody tr th')].map((cell) => cell.textContent.trim());
}

function tops(): Readonly<Record<string, number>> {
	return Object.fromEntries(
		[...document.querySelectorAll('tbody tr')].map((row) => [
			row.querySelector('th')?.textContent.trim() ?? '',
			Math.round(row.getBoundingClientRect().top),
		]),
	);
}

async function done(): Promise<void> {
	await expect.element(page.getByRole('grid')).toHaveAttribute('aria-busy', 'false');
}

describe('the view of a release', () => {
	it('moves nothing while documents arrive, nor when all are there, while a hand is in the grid', async () => {
		const { maker, letGo } = await heldBack();
		await openRelease(maker);
		await expect.element(page.getByRole('grid')).toHaveAttribute('aria-busy', 'true');
		await vi.waitFor(() => expect(rows()).toHaveLength(7));
		const before = tops();
		(document.querySelector('[data-row="2"][data-column="0"]') as HTMLElement).focus();
		letGo();
		await done();
		expect(tops()).toEqual(before);
		expect(rows()).toEqual([...rows()].sort());
		(document.activeElement as HTMLElement).blur();
		await vi.waitFor(() => expect(rows()[0]).toBe('cli'));
		expect(rows().slice(0, 4)).toEqual(['cli', 'aws-driver', 'os-images', 'aa-first']);
	});

	it('dims what the filter will hide, and hides it when all is read', async () => {
		const { maker, letGo } = await heldBack();
		await openRelease(maker, { q: 'status:missing' });
		await vi.waitFor(() => expect(rows()).toHaveLength(7));
		letGo();
		await done();
		await vi.waitFor(() => expect(rows()).toEqual(['aws-driver']));
	});

	it('says in one sentence how it stands, and in the totals', async () => {
		const maker = releaseOfAllStatuses(names);
		await maker.finish();
		await openRelease(maker);
		await expect
			.element(page.getByText(/^1 of 7 components stands on placeholders: 1 cell/))
			.toBeVisible();
		await expect
			.element(page.getByRole('heading', { level: 1 }))
			.toHaveTextContent('OpenShift 4.20.0');
		await expect.element(page.getByRole('button', { name: 'broken 1' })).toBeVisible();
		expect(document.title).toBe(`4.20.0, ${reference} · Espalier`);
	});

	it('puts every choice into the address bar, without losing what it does not know', async () => {
		const maker = releaseOfAllStatuses(names);
		await maker.finish();
		await openRelease(maker, { rest: [['policy', 'p1']] });
		await done();
		await page.getByRole('searchbox', { name: 'Filter' }).fill('mm');
		await expect.poll(() => rows()).toEqual(['mm-middle']);
		await page.getByRole('button', { name: 'size', exact: true }).click();
		await page.getByRole('link', { name: 'mm-middle' }).click();
		expect(location.hash).toBe(
			`#/release?ref=${reference}&q=mm&sort=-size&component=mm-middle&policy=p1`,
		);
	});

	it('says where no component matches, and clears the filter', async () => {
		const maker = releaseOfAllStatuses();
		await maker.finish();
		await openRelease(maker, { q: 'nothing-of-that-name' });
		await page.getByRole('button', { name: 'Clear the filter' }).click();
		await expect.poll(() => rows()).toHaveLength(4);
		expect(location.hash).toBe(`#/release?ref=${reference}`);
	});

	it('shows the details of a component, and closes them with Escape', async () => {
		const maker = releaseOfAllStatuses();
		await maker.finish();
		await openRelease(maker, { component: 'aws-driver' });
		const details = page.getByRole('complementary', { name: 'Details of aws-driver' });
		await expect.element(details).toHaveTextContent('placeholder of pod');
		await expect.element(details).toHaveTextContent('Nothing is listed for linux/s390x.');
		await expect
			.element(details.getByRole('link', { name: 'https://github.com/acme/aws-driver' }))
			.toHaveAttribute('rel', 'noopener noreferrer');
		await expect.element(details).toHaveTextContent('No manifest of the payload names it');
		await userEvent.keyboard('{Escape}');
		await expect.element(details).not.toBeInTheDocument();
		expect(location.hash).toBe(`#/release?ref=${reference}`);
	});

	it('says what it is where it is no release', async () => {
		const maker = new ReleaseMaker();
		await maker.finish({ label: '' });
		await openRelease(maker);
		await expect
			.element(page.getByRole('heading', { name: 'This is not an OpenShift release' }))
			.toBeVisible();
		await expect.element(page.getByText('It is an index of 2 entries.')).toBeVisible();
		await expect
			.element(page.getByRole('cell', { name: 'linux/arm64', exact: true }))
			.toBeVisible();
	});

	it('says what is wrong, and reads again when asked to', async () => {
		const maker = releaseOfAllStatuses();
		await maker.finish();
		const root = { ...maker.release, tag: '1' };
		maker.registries.fail(root, {
			code: 'timeout',
			origin: 'registry',
			reason: 'quay.io did not answer.',
		});
		await openRelease(maker);
		await expect.element(page.getByRole('alert')).toHaveTextContent('quay.io did not answer.');
		maker.registries.fail(root, undefined);
		await page.getByRole('button', { name: 'Try again' }).click();
		await expect.poll(() => rows()).toHaveLength(4);
		expect(page.getByRole('alert').elements()).toEqual([]);
	});

	it('says what is wrong with what is no reference, and asks nobody', async () => {
		const maker = releaseOfAllStatuses();
		await openRelease(maker, { ref: 'https://quay.io/a/b' });
		await expect.element(page.getByRole('alert')).toHaveTextContent('is a web address');
		expect(maker.registries.asked).toEqual([]);
	});
});

describe.each(['light', 'dark'] as const)('in %s', (theme) => {
	it('the first page is accessible', async () => {
		setTheme(theme);
		await render(GlyphSprite);
		await render(Home, {
			demo: 'store/demo/release:1',
			problem: undefined,
			onopen: () => undefined,
		});
		await expectAccessible();
	});

	it('a release is accessible, with details, facts and a filter that is wrong', async () => {
		setTheme(theme);
		const maker = releaseOfAllStatuses(names);
		await maker.finish({ metadata: { url: 'https://example.com/errata' } });
		await openRelease(maker, { component: 'cli', q: 'colour:red' });
		await done();
		await page.getByText('About this release').click();
		await expectAccessible();
	});

	it('a release that is still being read is accessible', async () => {
		setTheme(theme);
		const { maker, letGo } = await heldBack();
		await openRelease(maker, { q: 'status:missing' });
		await vi.waitFor(() => expect(rows()).toHaveLength(7));
		await expectAccessible();
		letGo();
		await done();
	});

	it('a problem is accessible', async () => {
		setTheme(theme);
		const maker = new ReleaseMaker();
		await openRelease(maker);
		await expect.element(page.getByRole('alert')).toBeVisible();
		await page.getByText('Details').click();
		await expectAccessible();
	});
});
