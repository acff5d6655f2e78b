import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { page } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';
import '../../web/ui/tokens.css';
import { parsePlatform } from '../../shared/oci/platform.ts';
import { countStatuses, type PlatformCoverage } from '../../shared/release/coverage.ts';
import { parseFilter } from '../../shared/release/filter.ts';
import CopyButton from '../../web/ui/CopyButton.svelte';
import { copyText } from '../../web/ui/copy-text.ts';
import Notices from '../../web/ui/Notices.svelte';
import ProblemCard from '../../web/ui/ProblemCard.svelte';
import WithoutKey from '../../web/ui/WithoutKey.svelte';
import Legend from '../../web/views/Release/Legend.svelte';
import Toolbar from '../../web/views/Release/Toolbar.svelte';

const onfilter = vi.fn();
const oncolumns = vi.fn();
beforeEach(() => vi.clearAllMocks());
afterEach(() => vi.restoreAllMocks());

describe('the legend', () => {
	const counts = { ...countStatuses([]), built: 7, missing: 2, unchecked: 5 };

	it('has a switch for every status, with its count; what is pending counts for none', async () => {
		await render(Legend, { counts, pending: 4, query: '', onfilter });
		const texts = page
			.getByRole('button')
			.elements()
			.map((button) => button.textContent.replace(/\s+/g, ' ').trim());
		expect(texts).toEqual([
			'built 7',
			'placeholder 0',
			'missing 2',
			'broken 0',
			'mismatch 0',
			'extra 0',
			'unchecked 1',
		]);
	});

	it('shows exempt only where something is', async () => {
		await render(Legend, { counts: { ...counts, exempt: 1 }, pending: 0, query: '', onfilter });
		await expect.element(page.getByRole('button', { name: 'exempt' })).toBeVisible();
	});

	it('switches a status in the filter on and off, and leaves the rest of it', async () => {
		const { rerender } = await render(Legend, { counts, pending: 0, query: 'etcd', onfilter });
		const missing = page.getByRole('button', { name: 'missing' });
		await expect.element(missing).toHaveAttribute('aria-pressed', 'false');
		await missing.click();
		expect(onfilter).toHaveBeenLastCalledWith('etcd status:missing');
		await rerender({ counts, pending: 0, query: 'etcd status:missing', onfilter });
		await expect.element(missing).toHaveAttribute('aria-pressed', 'true');
		await missing.click();
		expect(onfilter).toHaveBeenLastCalledWith('etcd');
	});
});

describe('the toolbar', () => {
	const platforms = ['linux/amd64', 'linux/arm64'].map((name, at): PlatformCoverage => ({
		platform: parsePlatform(name)!,
		expected: true,
		counts: { ...countStatuses([]), built: 3 - at, placeholder: at },
	}));
	const [amd64, arm64] = platforms.map(({ platform }) => platform);

	async function show(query = '', columns?: readonly (typeof amd64 & string)[]) {
		const parsed = parseFilter(query);
		return render(Toolbar, {
			query,
			error: parsed.ok ? undefined : parsed,
			shown: 2,
			total: 3,
			platforms,
			columns,
			onfilter,
			oncolumns,
		});
	}

	it('passes on what is typed', async () => {
		await show();
		await page.getByRole('searchbox', { name: 'Filter' }).fill('etcd');
		expect(onfilter).toHaveBeenLastCalledWith('etcd');
		await expect.element(page.getByText('2 of 3 components')).toBeVisible();
	});

	it('underlines what it does not understand, and says why', async () => {
		await show('etcd status:okay x');
		const filter = page.getByRole('searchbox', { name: 'Filter' });
		await expect.element(filter).toHaveAttribute('aria-invalid', 'true');
		await expect.element(filter).toHaveAccessibleDescription(/“okay” is not a status/);
		expect(document.querySelector('mark')?.textContent).toBe('status:okay');
		expect(getComputedStyle(document.querySelector('mark')!).textDecorationLine).toBe('underline');
	});

	it('complains of nothing where all is understood', async () => {
		await show('etcd status:built');
		await expect
			.element(page.getByRole('searchbox', { name: 'Filter' }))
			.toHaveAttribute('aria-invalid', 'false');
		expect(document.querySelector('mark')).toBeNull();
	});

	it('chooses columns: one less, one more, and all again', async () => {
		await show();
		await page.getByRole('button', { name: 'Columns' }).click();
		await page.getByRole('checkbox', { name: 'linux/arm64' }).click();
		expect(oncolumns).toHaveBeenLastCalledWith([amd64, 'built', 'size', 'unique', 'used']);
		await page.getByRole('button', { name: 'All', exact: true }).click();
		expect(oncolumns).toHaveBeenLastCalledWith(undefined);
	});

	it('never leaves the matrix without columns', async () => {
		await show('', [arm64!]);
		await page.getByRole('button', { name: 'Columns' }).click();
		await expect.element(page.getByRole('checkbox', { name: 'linux/arm64' })).toBeDisabled();
		await expect.element(page.getByRole('checkbox', { name: 'linux/amd64' })).toBeEnabled();
	});

	it('offers the platforms that have problems', async () => {
		await show();
		await page.getByRole('button', { name: 'Columns' }).click();
		await page.getByRole('button', { name: 'Only with problems' }).click();
		expect(oncolumns).toHaveBeenLastCalledWith([arm64]);
	});
});

describe('a problem', () => {
	it('says what happened, why, what to do, and the details', async () => {
		const onretry = vi.fn();
		await render(ProblemCard, {
			problem: {
				code: 'rate-limited',
				origin: 'registry',
				reason: 'quay.io takes no more requests for now.',
				registry: 'quay.io',
				reference: 'quay.io/a/b:1',
				status: 429,
				retryAfterMs: 5000,
			},
			onretry,
		});
		const card = page.getByRole('alert');
		await expect.element(card.getByRole('heading')).toHaveTextContent('Too many requests');
		await expect.element(card).toHaveTextContent('quay.io takes no more requests for now.');
		await expect.element(card.getByRole('listitem').first()).toHaveTextContent('Wait 5 s');
		await card.getByText('Details').click();
		await expect.element(card.getByText('429')).toBeVisible();
		await card.getByRole('button', { name: 'Try again' }).click();
		expect(onretry).toHaveBeenCalledOnce();
	});

	it('shows a stranger’s words as words', async () => {
		const reason = '<img src=x onerror=alert(1)> said no.';
		await render(ProblemCard, { problem: { code: 'denied', origin: 'registry', reason } });
		await expect.element(page.getByText(reason)).toBeVisible();
		expect(document.querySelector('[role=alert] img')).toBeNull();
		expect(page.getByRole('button', { name: 'Try again' }).elements()).toEqual([]);
	});
});

describe('a page without its key', () => {
	it('gives the command that opens exactly this page, safe to paste', async () => {
		history.replaceState(null, '', '#/release?ref=a/b&q=$(id)`id`"\'!\\&x=$HOME');
		await render(WithoutKey, { status: 'missing' });
		const command = document.querySelector('code')?.textContent ?? '';
		expect(command).toMatch(
			/ open "http:\/\/localhost:\d+\/#\/release\?ref=a\/b&q=[\w%]+&x=%24HOME"$/,
		);
	});
});

describe('notices', () => {
	it('can be dismissed one by one', async () => {
		await render(Notices, { notices: ['One.', 'Two.'] });
		await page.getByRole('button', { name: 'Dismiss' }).first().click();
		expect(page.getByRole('status').elements()).toHaveLength(1);
		await expect.element(page.getByText('Two.')).toBeVisible();
	});
});

describe('copying', () => {
	it('uses the clipboard, and says so', async () => {
		const write = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
		await render(CopyButton, { text: 'sha256:abc', label: 'Copy' });
		await page.getByRole('button', { name: 'Copy' }).click();
		expect(write).toHaveBeenCalledWith('sha256:abc');
		await expect.element(page.getByRole('status')).toHaveTextContent('Copied');
	});

	it('goes by selection where the clipboard is not allowed, and leaves nothing behind', async () => {
		vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('no'));
		let selected = '';
		const exec = vi.spyOn(document, 'execCommand').mockImplementation(() => {
			selected = (document.activeElement as HTMLTextAreaElement).value;
			return true;
		});
		expect(await copyText('line one\nline two')).toBe(true);
		expect(exec).toHaveBeenCalledWith('copy');
		expect(selected).toBe('line one\nline two');
		expect(document.querySelector('textarea')).toBeNull();
	});

	it('says what to do where neither works', async () => {
		vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('no'));
		vi.spyOn(document, 'execCommand').mockReturnValue(false);
		await render(CopyButton, { text: 'x', label: 'Copy' });
		await page.getByRole('button', { name: 'Copy' }).click();
		await expect.element(page.getByRole('button', { name: 'Press Ctrl+C' })).toBeVisible();
	});
});
