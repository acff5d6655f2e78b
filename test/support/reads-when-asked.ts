/** Somebody who knows the registries that links lead to: where the page asks, they say yes. */
import type { BrowserContext, Page } from '@playwright/test';

async function answer(page: Page): Promise<void> {
	const button = page.getByRole('button', { name: /^Read from (?:it|them)$/ });
	await page.addLocatorHandler(button, () => button.click());
}

/** For every page of the context, those to come included. */
export async function readsWhenAsked(context: BrowserContext): Promise<void> {
	context.on('page', (page) => void answer(page));
	await Promise.all(context.pages().map(answer));
}
