import { afterEach, describe, expect, it, vi } from 'vitest';
import { tokenHeader } from '../../../shared/api/schema.ts';
import { reasonOfNoMeeting } from '../../../web/ui/no-meeting.ts';
import { openCommand } from '../../../web/ui/open-command.ts';
import { isOnThisComputer, localNetworkPermission } from '../../../web/api/local-network.ts';
import { meetProxy } from '../../../web/api/proxy-elsewhere.ts';

const origin = 'http://127.0.0.1:5000';
const token = 'T'.repeat(43);

afterEach(() => {
	vi.unstubAllGlobals();
});

type Answer = (path: string, init: RequestInit) => Response | 'unreachable';

function stubFetch(answer: Answer): string[] {
	const asked: string[] = [];
	vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
		asked.push(url.replace(origin, ''));
		const given = answer(url.replace(origin, ''), init);
		return given === 'unreachable'
			? Promise.reject(new TypeError('Failed to fetch'))
			: Promise.resolve(given);
	});
	return asked;
}

function refusal(status: number, code: string): Response {
	return Response.json({ problem: { code, origin: 'proxy', reason: 'no' } }, { status });
}

const unknown = () => Promise.resolve('unknown' as const);

describe('the meeting with the proxy', () => {
	it('gives the token that the proxy takes', async () => {
		stubFetch((_, { headers }) =>
			new Headers(headers).get(tokenHeader) === token
				? Response.json({})
				: refusal(401, 'token-rejected'),
		);
		expect(await meetProxy(origin, { token }, unknown)).toEqual({ ok: true, token });
		expect(await meetProxy(origin, { token: 'x' }, unknown)).toEqual({
			ok: false,
			why: 'rejected',
		});
	});

	it('exchanges a code first', async () => {
		const asked = stubFetch(() => Response.json({ token }));
		expect(await meetProxy(origin, { code: 'c' }, unknown)).toEqual({ ok: true, token });
		expect(asked).toEqual(['/api/session/exchange', '/api/session']);
	});

	it('takes a code that is refused for one that was used', async () => {
		stubFetch(() => refusal(403, 'request-invalid'));
		expect(await meetProxy(origin, { code: 'c' }, unknown)).toEqual({ ok: false, why: 'rejected' });
	});

	it.each([
		['something listens', true, 'not-allowed'],
		['nothing does', false, 'not-running'],
	])('without an answer asks whether anything listens: %s', async (_, listens, why) => {
		const asked = stubFetch((path, { mode }) => {
			const arrives = listens && path === '/api/listening' && mode === 'no-cors';
			return arrives ? new Response() : 'unreachable';
		});
		expect(await meetProxy(origin, { token }, unknown)).toEqual({ ok: false, why });
		expect(asked).toEqual(['/api/session', '/api/listening']);
	});

	it.each(['denied', 'prompt'] as const)(
		'asks nothing more where the browser says %s',
		async (state) => {
			const asked = stubFetch(() => 'unreachable');
			const meeting = await meetProxy(origin, { token }, () => Promise.resolve(state));
			expect(meeting).toEqual({ ok: false, why: 'denied' });
			expect(asked).toEqual(['/api/session']);
		},
	);

	it('tells another program', async () => {
		stubFetch(() => new Response('<p>', { status: 404 }));
		expect(await meetProxy(origin, { token }, unknown)).toEqual({ ok: false, why: 'failed' });
	});
});

describe('what the browser says about this computer', () => {
	const ask = (hostname: string, query: (name: string) => Promise<{ state: string }>) => {
		vi.stubGlobal('window', { location: { hostname } });
		vi.stubGlobal('navigator', {
			permissions: { query: ({ name }: { name: string }) => query(name) },
		});
		return localNetworkPermission();
	};
	const none = () => Promise.reject(new TypeError('no such permission'));

	it('is asked for by its present name, and by the one before', async () => {
		const host = 'pages.example.com';
		expect(await ask(host, () => Promise.resolve({ state: 'prompt' }))).toBe('prompt');
		const old = (name: string) =>
			name === 'local-network-access' ? Promise.resolve({ state: 'denied' }) : none();
		expect(await ask(host, old)).toBe('denied');
		expect(await ask(host, none)).toBe('unknown');
	});

	it('is nothing for pages of this computer, which are never asked about', async () => {
		for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]', 'a.localhost']) {
			expect(await ask(host, () => Promise.resolve({ state: 'prompt' }))).toBe('unknown');
		}
		expect(isOnThisComputer('127.0.0.1.evil.test')).toBe(false);
	});
});

describe('what helps', () => {
	it('is a command with the page and its origin in it', () => {
		const page = { origin: 'https://pages.example.com', pathname: '/tools/espalier/' };
		expect(openCommand(page, '#/release?ref=a%2Fb')).toBe(
			'npx --no espalier open --allow-origin https://pages.example.com "https://pages.example.com/tools/espalier/#/release?ref=a%2Fb"',
		);
	});

	it('is never more than a command, whoever chose the path', () => {
		const pathname = '/$(touch%20a)/`b`/"c\'!\\;&|';
		const command = openCommand({ origin: 'https://a.test', pathname }, '#/');
		expect(command).toBe(
			'npx --no espalier open --allow-origin https://a.test "https://a.test/%24%28touch%20a%29/%60b%60/%22c%27%21%5C%3B%26%7C#/"',
		);
	});

	it('is another one for each reason, and says which page and which proxy', () => {
		const parties = { page: 'https://pages.example.com', proxy: origin };
		const whys = ['denied', 'not-running', 'not-allowed', 'rejected', 'failed'] as const;
		const reasons = whys.map((why) => reasonOfNoMeeting(why, parties));
		expect(new Set(reasons.map((reason) => reason?.title)).size).toBe(whys.length);
		expect(reasons[2]?.remedy).toContain('--allow-origin https://pages.example.com');
		expect(reasons[1]?.title).toContain(origin);
		for (const status of ['waiting', 'connecting', 'ready'] as const) {
			expect(reasonOfNoMeeting(status, parties)).toBeUndefined();
		}
	});
});
