import { chromium, expect, test, type Browser, type Page } from '@playwright/test';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { formatEntry } from '../../shared/link/entry.ts';
import { chromiumLaunchOptions } from '../support/chromium.ts';
import { attackFromPage, startHostileSite, type HostileSite } from '../support/hostile-site.ts';
import {
	startWatched,
	type ServingMode,
	type WatchedEspalier,
} from '../support/watched-espalier.ts';

let hostile: HostileSite;
test.beforeAll(async () => {
	hostile = await startHostileSite();
});
test.afterAll(() => hostile.stop());

/** What was not refused, of all that did not come from the server's own page or from the address bar. */
function takenFromElsewhere({ asked }: WatchedEspalier): readonly string[] {
	return asked
		.filter(({ site, status }) => site !== 'same-origin' && site !== 'none' && status < 400)
		.map(({ method, target, status }) => `${method} ${target}: ${status}`);
}

function originsOf({ port }: WatchedEspalier): readonly string[] {
	return [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
}

function openOwnPage(page: Page, { port, token }: WatchedEspalier): Promise<unknown> {
	const entry = formatEntry({ token, to: '#/' });
	return page.goto(`http://localhost:${port}/${entry}`);
}

for (const mode of ['local', 'allow-origin', 'shared'] as const satisfies readonly ServingMode[]) {
	test.describe(`D2–D6, D9 (test 6): a hostile page beside a server (${mode})`, () => {
		let espalier: WatchedEspalier;
		test.beforeAll(async () => {
			espalier = await startWatched(mode);
		});
		test.beforeEach(() => espalier.forget());
		test.afterAll(() => espalier.stop());

		for (const name of mode === 'local' ? ['localhost', '127.0.0.2'] : ['localhost']) {
			test(`on ${name} reads nothing and brings nothing about`, async ({ page, context }) => {
				await openOwnPage(page, espalier);
				await expect(page.getByRole('heading').first()).toBeVisible();
				espalier.forget();
				const attacker = await context.newPage();
				await attacker.goto(`http://${name}:${hostile.port}/`);
				const spoils = await attacker.evaluate(attackFromPage, originsOf(espalier));
				expect(spoils).toEqual([]);
				expect(espalier.passed).toEqual([]);
				expect(takenFromElsewhere(espalier)).toEqual([]);
				expect(espalier.asked.length).toBeGreaterThan(100);
				expect(await context.cookies()).toEqual([]);
			});
		}

		// Only what the API answers is another matter there.
		if (mode === 'allow-origin') return;

		test('cannot open the page by a script, nor see the one that a person opened', async ({
			page,
			context,
		}) => {
			const [victim = ''] = originsOf(espalier);
			await page.goto(`http://127.0.0.1:${hostile.port}/?go=${encodeURIComponent(victim)}`);
			await page.waitForURL(`${victim}/`);
			expect(await page.content()).toContain('from another site');
			expect(takenFromElsewhere(espalier)).toEqual([]);

			await page.goto(`http://127.0.0.1:${hostile.port}/`);
			await page.evaluate(
				(url) => {
					document.querySelector('button')?.addEventListener('click', () => {
						const opened = window.open(url, 'victim');
						Object.assign(window, { opened });
					});
				},
				`${victim}/#t=${'x'.repeat(43)}`,
			);
			const byHand = context.waitForEvent('page');
			await page.getByRole('button').click();
			const second = await byHand;
			await second.waitForLoadState();
			const seen = await page.evaluate(async () => {
				const { opened } = window as unknown as { opened: Window | null };
				opened?.postMessage({ ask: true }, '*');
				const heard: unknown[] = [];
				window.addEventListener('message', ({ data }) => heard.push(data));
				const channel = new BroadcastChannel('espalier.token');
				channel.onmessage = ({ data }) => heard.push(data);
				channel.postMessage({ ask: true });
				await new Promise((resolve) => setTimeout(resolve, 500));
				let title: unknown;
				try {
					title = opened?.document.title;
				} catch {
					title = undefined;
				}
				return { isCut: opened?.closed ?? true, frames: opened?.length ?? 0, heard, title };
			});
			expect(seen).toEqual({ isCut: true, frames: 0, heard: [] });
			expect(await second.evaluate(() => window.opener as unknown)).toBe(null);
		});

		test('does not get at it under a name that changes its mind', async () => {
			const rebound = await startRebound(espalier);
			let browser: Browser | undefined;
			try {
				const options = chromiumLaunchOptions();
				const rules = `--host-resolver-rules=MAP evil.test 127.0.0.3`;
				browser = await chromium.launch({ ...options, args: [...options.args, rules] });
				const page = await browser.newPage();
				const origin = `http://evil.test:${espalier.port}`;
				await page.goto(origin);
				await expect(page).toHaveTitle('hostile');
				rebound.flip();
				const answers = await page.evaluate(readAsOwn, espalier.token);
				for (const { status, text } of answers) {
					expect(status).toBe(403);
					expect(text).toContain('does not go by the name in Host');
				}
				expect(answers.length).toBe(8);
				expect(espalier.passed).toEqual([]);
				expect(espalier.asked.filter(({ status }) => status < 400)).toEqual([]);
				await page.goto(origin);
				expect(await page.content()).not.toContain('theme-boot');
			} finally {
				await browser?.close();
				await rebound.stop();
			}
		});
	});
}

/** Of its own origin, as the browser believes; even with the token. */
async function readAsOwn(token: string): Promise<{ status: number; text: string }[]> {
	const paths = ['/', '/index.html', '/api/session', '/api/session/mode', '/v2/', '/v2/_catalog'];
	const headers = { 'x-espalier-token': token };
	const posted = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' } };
	const answers = await Promise.all([
		...paths.map((path) => fetch(path, { headers })),
		fetch('/api/manifests', { ...posted, body: '{"requests":[]}' }),
		fetch('/api/session/code', posted),
	]);
	return Promise.all(
		answers.map(async (answer) => ({ status: answer.status, text: await answer.text() })),
	);
}

/** 127.0.0.3 at the victim’s port: first the attacker’s own page, and after `flip` the victim. */
async function startRebound({ port }: WatchedEspalier) {
	let isFlipped = false;
	const html = '<!doctype html><title>hostile</title>';
	const relay = createServer((socket) => {
		socket.on('error', () => undefined);
		if (isFlipped) {
			const onward = connect(port, '127.0.0.1');
			onward.on('error', () => socket.destroy());
			socket.pipe(onward).pipe(socket);
			return;
		}
		socket.once('data', () => {
			const head = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n`;
			socket.end(`${head}Content-Length: ${html.length}\r\n\r\n${html}`);
		});
	});
	relay.listen(port, '127.0.0.3');
	await once(relay, 'listening');
	return {
		flip: () => {
			isFlipped = true;
		},
		stop: async () => {
			relay.close();
			await once(relay, 'close');
		},
	};
}
