/** Holds what a page shows against WCAG 2.0 to 2.2, A and AA. */
import { expect, type Page } from '@playwright/test';
import axe from 'axe-core';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

export async function expectAccessible(page: Page): Promise<void> {
	// Evaluated by the debugger, which the page's own content policy does not concern.
	await page.evaluate(axe.source);
	const found = await page.evaluate(async (values) => {
		const { axe: inPage } = globalThis as unknown as { axe: typeof axe };
		const { violations } = await inPage.run(document.body, { runOnly: { type: 'tag', values } });
		return violations.flatMap(({ id, nodes }) =>
			nodes.map(
				({ html, failureSummary = '' }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`,
			),
		);
	}, tags);
	expect(found).toEqual([]);
}
