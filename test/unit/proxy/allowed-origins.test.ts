import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readServeArguments, type ServeArguments } from '../../../proxy/cli/arguments.ts';
import { open, readLink } from '../../../proxy/cli/open.ts';
import { serve } from '../../../proxy/cli/serve.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';
import { staticPagePolicy } from '../../../proxy/guard/headers.ts';
import { readPages } from '../../../proxy/routes/pages.ts';
import { staticPageMark } from '../../../shared/api/static-page.ts';
import { fakeApp } from './fake-reader.ts';

const origin = 'https://pages.example.com';

describe('--allow-origin', () => {
	it('takes origins as often as it is given, each once', () => {
		const more = ['http://localhost:8000', 'http://127.0.0.1:8000', 'http://[::1]:8000', origin];
		const flags = [origin, ...more].flatMap((text) => ['--allow-origin', text]);
		expect(readServeArguments(flags)).toMatchObject({
			allowedOrigins: [origin, ...more.slice(0, 3)],
		});
		expect(readServeArguments([])).not.toHaveProperty('allowedOrigins');
	});

	it.each([
		['*', /“\*” after --allow-origin is not an origin/],
		['null', /is not an origin/],
		['', /is not an origin/],
		['pages.example.com', /is not an origin/],
		['file:///pages', /is not an origin/],
		['data:text/html,a', /is not an origin/],
		['https://*.example.com', /is a pattern/],
		['http://pages.example.com', /does not begin with https/],
		['http://localhost.evil.test', /does not begin with https/],
		['ftp://pages.example.com', /does not begin with https/],
		['https://pages.example.com/', /which is “https:\/\/pages\.example\.com”/],
		['https://pages.example.com/espalier', /which is “https:\/\/pages\.example\.com”/],
		['https://pages.example.com:443', /which is “https:\/\/pages\.example\.com”/],
		['https://user@pages.example.com', /which is “https:\/\/pages\.example\.com”/],
		['https://Pages.example.com', /which is “https:\/\/pages\.example\.com”/],
		['https://pages.example.com?a', /which is “https:\/\/pages\.example\.com”/],
		['https://pägs.example', /which is “https:\/\/xn--/],
	])('does not take %j', (text, message) => {
		const read = () => readServeArguments([`--allow-origin=${text}`]);
		expect(read).toThrow(UsageError);
		expect(read).toThrow(message);
	});

	it('does not go with a shared server', () => {
		const shared = ['--shared', '--registries', 'quay.io', '--public-url', origin];
		expect(() => readServeArguments([...shared, '--allow-origin', origin])).toThrow(
			/“--allow-origin” does not go with “--shared”/,
		);
	});

	it('lets open take links to a page there, and to no other', () => {
		const read = (path: string) => readLink(`${origin}${path}`, [origin]);
		expect(read('/tools/espalier/#/release?ref=a')).toEqual({
			to: '#/release?ref=a',
			site: `${origin}/tools/espalier`,
		});
		expect(read('/tools/espalier/index.html')).toEqual({
			to: '#/',
			site: `${origin}/tools/espalier`,
		});
		expect(read(`/#t=${'x'.repeat(43)}&to=%23%2Fplan`)).toEqual({ to: '#/plan', site: origin });
		for (const link of [`${origin}.evil.test/#/`, 'https://evil.test/#/', `${origin}:8443/#/`]) {
			expect(() => readLink(link, [origin])).toThrow(/“--allow-origin” names/);
		}
		expect(() => readLink(`${origin}/#/`)).toThrow(UsageError);
	});
});

describe('a server that allows an origin', () => {
	let folder: string;
	const stops: (() => Promise<unknown>)[] = [];

	beforeEach(() => {
		folder = mkdtempSync(join(tmpdir(), 'espalier-allowed-'));
		vi.stubEnv('XDG_DATA_HOME', folder);
	});
	afterEach(async () => {
		for (const stop of stops.splice(0)) await stop();
		vi.unstubAllEnvs();
		rmSync(folder, { recursive: true });
	});

	const args = (allowedOrigins: readonly string[], port = 0): ServeArguments => ({
		port,
		store: join(folder, 'store'),
		registries: { plainHttp: [], authorities: new Map(), trustedRealms: [] },
		openBrowser: false,
		allowedOrigins,
		commandFlags: '',
	});

	function contextOf(until: AbortSignal) {
		let printed = '';
		let found: () => void = () => undefined;
		const isThere = new Promise<void>((resolve) => (found = resolve));
		const write = (text: string) => {
			printed += text;
			if (printed.includes('Ctrl+C')) found();
		};
		const output = { write };
		const context = { stdout: output, stderr: output, pagesFolder: folder, until };
		return { context, isThere, printed: () => printed };
	}

	async function start(allowedOrigins: readonly string[]) {
		const stop = new AbortController();
		const { context, isThere, printed } = contextOf(stop.signal);
		const ended = serve(args(allowedOrigins), context);
		stops.push(() => {
			stop.abort();
			return ended;
		});
		await isThere;
		const [, port = '', token = ''] = /localhost:(\d+)\/#t=([\w-]+)/.exec(printed()) ?? [];
		return { port: Number(port), token, printed: printed() };
	}

	const run = async (
		work: (context: ReturnType<typeof contextOf>['context']) => Promise<number>,
	) => {
		const { context, printed } = contextOf(new AbortController().signal);
		expect(await work(context)).toBe(0);
		return printed();
	};

	it('prints what goes behind the address of the page there, and answers it', async () => {
		const { port, token, printed } = await start([origin]);
		expect(printed).toContain(`For your page at ${origin}, put this behind its address:`);
		expect(printed).toContain(`\n  #t=${token}&proxy=http://127.0.0.1:${port}\n`);
		const response = await fetch(`http://127.0.0.1:${port}/api/session`, { headers: { origin } });
		expect(response.status).toBe(401);
		expect(response.headers.get('access-control-allow-origin')).toBe(origin);
	});

	it('says nothing of it where it allows none', async () => {
		expect((await start([])).printed).not.toContain('proxy=');
	});

	it('is found by open, which gives the whole link', async () => {
		const { port, token } = await start([origin]);
		const link = `${origin}/tools/#/release?ref=a`;
		const printed = await run((context) => open({ ...args([origin], port), link }, context));
		expect(printed).toContain(
			`  ${origin}/tools/#t=${token}&proxy=http://127.0.0.1:${port}&to=%23%2Frelease%3Fref%3Da\n`,
		);
	});

	it('is not taken for one that allows more', async () => {
		const { port, token } = await start([origin]);
		const { context, printed } = contextOf(new AbortController().signal);
		const more = args([origin, 'https://other.example.com'], port);
		const link = 'https://other.example.com/#/';
		await expect(serve(more, context)).rejects.toThrow(
			`already running on port ${port}, without “--allow-origin https://other.example.com”`,
		);
		await expect(open({ ...more, link }, context)).rejects.toThrow(UsageError);
		expect(printed()).not.toContain(token);
	});
});

describe('the built page', () => {
	it('loses the mark of a static host where it comes from the proxy', async () => {
		const folder = mkdtempSync(join(tmpdir(), 'espalier-marked-'));
		mkdirSync(join(folder, 'assets'));
		writeFileSync(join(folder, 'index.html'), `<head>${staticPageMark}</head>`);
		writeFileSync(join(folder, 'assets/a.js'), `'${staticPageMark}'`);
		const { send } = fakeApp({ pages: readPages(folder) });
		expect(await (await send('/')).text()).toBe('<head></head>');
		expect(await (await send('/index.html')).text()).toBe('<head></head>');
		expect(await (await send('/assets/a.js')).text()).toContain(staticPageMark);
		rmSync(folder, { recursive: true });
	});

	it('may talk to this computer on a static host, and to nobody else', () => {
		const rules = staticPagePolicy.split('; ');
		expect(rules).toContain("connect-src 'self' http://127.0.0.1:* http://localhost:*");
		expect(rules).toContain("default-src 'none'");
		expect(rules).toContain("require-trusted-types-for 'script'");
		expect(staticPagePolicy).not.toMatch(/frame-ancestors|unsafe|https:/);
	});
});
