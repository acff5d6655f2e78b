/** Playwright's test, failing for whatever the browser complains about: page errors, console errors, CSP violations. */
import { expect, test as base, type BrowserContext } from '@playwright/test';
import { readsWhenAsked } from './reads-when-asked.ts';

export class BrowserWatch {
	readonly #complaints: string[] = [];
	readonly #expected: RegExp[] = [];

	/** Listens to all pages of a context, also to those to come. */
	watch(context: BrowserContext): void {
		context.on('weberror', (problem) => this.#complaints.push(problem.error().message));
		context.on('console', (message) => {
			if (message.type() === 'error') this.#complaints.push(message.text());
		});
	}

	/** What a journey brings about on purpose, such as a request that nobody answers. */
	expect(complaint: RegExp): void {
		this.#expected.push(complaint);
	}

	get complaints(): readonly string[] {
		return this.#complaints.filter((text) => !this.#expected.some((known) => known.test(text)));
	}
}

interface Fixtures {
	readonly watch: BrowserWatch;
	/** The user knows every registry that a link names, and says so where the page asks. */
	readonly knowsRegistries: boolean;
}

export const test = base.extend<Fixtures>({
	knowsRegistries: [true, { option: true }],
	watch: [
		async ({ context, knowsRegistries }, use) => {
			if (knowsRegistries) await readsWhenAsked(context);
			const watch = new BrowserWatch();
			watch.watch(context);
			await use(watch);
			expect(watch.complaints).toEqual([]);
		},
		{ auto: true },
	],
});
