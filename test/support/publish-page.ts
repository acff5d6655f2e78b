/** What a user does on the pages that choose, plan and run. */
import { expect, type Locator, type Page } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { pruneParams } from '../../shared/link/prune-params.ts';
import { formatRoute } from '../../shared/link/route.ts';
import { emptyDraft, type PruneDraft } from '../../shared/release/prune-fields.ts';

/** The link to a selection of a release, or to its plan; placeholders are dropped where nothing else is said. */
export function routeOf(
	view: 'release' | 'plan',
	ref: string,
	draft: Partial<PruneDraft> = {},
): string {
	const chosen = Object.entries(pruneParams({ ...emptyDraft, ...draft }));
	const given = chosen.filter(([, value]) => value !== undefined);
	return formatRoute({ view, params: { ref, ...Object.fromEntries(given) } });
}

/** A busy machine takes its time for a release of full size. */
const runPatienceMs = 45_000;

export class PublishPage {
	readonly page: Page;

	constructor(page: Page) {
		this.page = page;
	}

	button(name: string): Locator {
		return this.page.getByRole('button', { name, exact: true });
	}

	heading(name: string | RegExp): Locator {
		return this.page.getByRole('heading', { name });
	}

	/** What failed, with reasons. */
	get failures(): Locator {
		return this.page.getByRole('list', { name: 'What failed' });
	}

	/** A row of the table of tags. */
	tagRow(reference: string): Locator {
		const header = this.page.getByRole('rowheader', { name: reference, exact: true });
		return this.page.getByRole('row').filter({ has: header });
	}

	/** Takes what is offered as targets. */
	async useSuggestions(repository: string, tag: string): Promise<void> {
		await this.button(`Use ${repository}`).click();
		await this.button(`Use ${repository}:${tag}`).click();
	}

	async run(): Promise<void> {
		await this.button('Run').click();
	}

	async expectVerified(): Promise<void> {
		await expect(this.heading('Published and verified')).toBeVisible({ timeout: runPatienceMs });
	}

	/** The whole id of the plan that is shown. */
	async planId(): Promise<string> {
		await this.button('Copy the plan’s id').click();
		return this.page.evaluate(() => navigator.clipboard.readText());
	}

	/** Clicks, and gives what the browser saves. */
	async saved(name: string): Promise<{ readonly name: string; readonly text: string }> {
		const [download] = await Promise.all([
			this.page.waitForEvent('download'),
			this.button(name).first().click(),
		]);
		return {
			name: download.suggestedFilename(),
			text: await readFile(await download.path(), 'utf8'),
		};
	}

	/** Drops a file on the page, as from a desktop. */
	async drop(name: string, text: string): Promise<void> {
		const dataTransfer = await this.page.evaluateHandle(
			([fileName, content]) => {
				const transfer = new DataTransfer();
				transfer.items.add(new File([content], fileName));
				return transfer;
			},
			[name, text] as const,
		);
		await this.page.dispatchEvent('main', 'drop', { dataTransfer });
	}
}
