import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
	chooseCommand,
	readOpenArguments,
	readServeArguments,
} from '../../../proxy/cli/arguments.ts';
import { readLink } from '../../../proxy/cli/open.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';
import { browserCommand } from '../../../proxy/server/browser.ts';
import { dataDirectory } from '../../../proxy/server/data-directory.ts';
import { readDevelopment } from '../../../proxy/server/development.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-arguments-'));
const pem = join(folder, 'ca.pem');
writeFileSync(pem, '-----BEGIN CERTIFICATE-----\n');
writeFileSync(join(folder, 'no.pem'), 'nothing');
afterAll(() => {
	rmSync(folder, { recursive: true });
});

describe('the command', () => {
	it.each([
		[[], { name: 'serve', rest: [] }],
		[['--port', '1'], { name: 'serve', rest: ['--port', '1'] }],
		[['serve', '--no-open'], { name: 'serve', rest: ['--no-open'] }],
		[['open', 'a'], { name: 'open', rest: ['a'] }],
		[['audit', 'a'], { name: 'audit', rest: ['a'] }],
		[['audit', '--help'], { name: 'audit', rest: ['--help'] }],
		[['--help'], { name: 'help' }],
		[['serve', '-h'], { name: 'help' }],
		[['--version'], { name: 'version' }],
	])('of %j', (argv, command) => {
		expect(chooseCommand(argv)).toEqual(command);
	});

	it('must be one that there is', () => {
		expect(() => chooseCommand(['prune'])).toThrow('There is no command “prune”.');
	});
});

describe('the flags of serve', () => {
	it('are read, those for registries as often as they are given', () => {
		const args = ['--port', '0', '--store', '/s', '--no-open', '--plain-http', 'A:5000'];
		const more = ['--plain-http', 'b', '--ca', `b=${pem}`, '--trust-realm', 'b=c.test'];
		expect(readServeArguments([...args, ...more])).toEqual({
			port: 0,
			store: '/s',
			openBrowser: false,
			commandFlags: `--store /s --plain-http A:5000 --plain-http b --ca b=${pem} --trust-realm b=c.test`,
			registries: {
				plainHttp: ['a:5000', 'b'],
				authorities: new Map([['b', '-----BEGIN CERTIFICATE-----']]),
				trustedRealms: [{ registry: 'b', realmHost: 'c.test' }],
			},
		});
		expect(readServeArguments([])).toMatchObject({ openBrowser: true });
	});

	it.each([
		[['--pot', '1'], /Unknown option '--pot'\.$/],
		[['--port', 'x'], /“x” after --port/],
		[['--port', '65536'], /not a port/],
		[['--port'], /--port/],
		[['here'], /does not take “here”/],
		[['--plain-http', 'http://a'], /not a registry/],
		[['--ca', 'a'], /HOST=FILE/],
		[['--ca', 'a=/nowhere.pem'], /cannot be read/],
		[['--ca', `a=${join(folder, 'no.pem')}`], /no certificate/],
		[['--trust-realm', 'a='], /HOST=REALM/],
		[['--trust-realm', 'a=https://b'], /not a registry/],
	])('are refused: %j', (args, message) => {
		expect(() => readServeArguments(args)).toThrow(UsageError);
		expect(() => readServeArguments(args)).toThrow(message);
	});
});

describe('the link of open', () => {
	it.each([
		['http://localhost:4763/#/release?ref=quay.io/a:1', '#/release?ref=quay.io/a:1', 4763],
		['http://127.0.0.1:5000/', '#/', 5000],
		['http://[::1]:5000/#/', '#/', 5000],
		[
			`http://localhost:4763/#t=${'x'.repeat(43)}&to=%23%2Frelease%3Fref%3Da`,
			'#/release?ref=a',
			4763,
		],
		['#/release?ref=quay.io/a:1&q=name', '#/release?ref=quay.io/a:1&q=name', undefined],
	])('%s', (text, to, port) => {
		expect(readLink(text)).toEqual({ to, ...(port !== undefined && { port }) });
	});

	it.each([
		['quay.io/x/y:tag', '#/release?ref=quay.io/x/y:tag'],
		['docker://quay.io/x/y:tag', '#/release?ref=quay.io/x/y:tag'],
		['store/demo/release:1', '#/release?ref=store/demo/release:1'],
	])('may be a reference, which the user thereby names: %s', (text, to) => {
		expect(readLink(text)).toEqual({ to, isNamed: true });
	});

	it.each([
		'https://evil.test/#/release?ref=a',
		'http://evil.test:4763/#/release?ref=a',
		'http://localhost.evil.test:4763/#/',
		'http://localhost@evil.test:4763/#/',
		'http://user@localhost:4763/#/',
		'https://localhost:4763/#/',
		'http://localhost:4763/api/session',
		'http://localhost:4763/#release',
		'javascript://localhost:4763/#/',
		'file:///etc/passwd',
		'#release',
		'quay.io/A/b',
		'',
	])('must not be %j', (text) => {
		expect(() => readLink(text)).toThrow(UsageError);
	});

	it('must be one', () => {
		expect(() => readOpenArguments([])).toThrow(/needs a link/);
		expect(() => readOpenArguments(['a', 'b'])).toThrow(/one more/);
		expect(readOpenArguments(['a', '--no-open'])).toMatchObject({ link: 'a', openBrowser: false });
	});
});

describe('the browser', () => {
	const url = 'http://localhost:4763/#t=a&to=b';

	it.each([
		['linux', { DISPLAY: ':0' }, 'xdg-open'],
		['linux', { WAYLAND_DISPLAY: 'wayland-0' }, 'xdg-open'],
		['linux', { DISPLAY: 'localhost:10.0', SSH_CONNECTION: 'a' }, 'xdg-open'],
		['linux', { SSH_CONNECTION: 'a' }, undefined],
		['linux', {}, undefined],
		['linux', { DISPLAY: ':0', CI: 'true' }, undefined],
		['darwin', {}, 'open'],
		['darwin', { SSH_TTY: 'a' }, undefined],
		['win32', {}, 'rundll32'],
	] as const)('on %s with %j', (platform, env, file) => {
		expect(browserCommand(url, { platform, env })?.file).toBe(file);
	});
});

describe('the data directory', () => {
	it.each([
		['linux', {}, '/home/a/.local/share/espalier'],
		['linux', { XDG_DATA_HOME: '/data' }, '/data/espalier'],
		['linux', { XDG_DATA_HOME: 'data' }, '/home/a/.local/share/espalier'],
		['darwin', { XDG_DATA_HOME: '/data' }, '/home/a/Library/Application Support/espalier'],
	] as const)('on %s with %j', (platform, env, path) => {
		expect(dataDirectory({ platform, env, home: '/home/a' })).toBe(path);
	});
});

describe('development', () => {
	it('counts only for a loopback origin with a token', () => {
		const env = {
			ESPALIER_DEV_ORIGIN: 'http://localhost:4765',
			ESPALIER_DEV_TOKEN: 'T'.repeat(43),
		};
		expect(readDevelopment(env)).toEqual({
			origin: 'http://localhost:4765',
			token: 'T'.repeat(43),
		});
		expect(readDevelopment({ ...env, ESPALIER_DEV_ORIGIN: 'https://evil.test' })).toBeUndefined();
		expect(readDevelopment({ ...env, ESPALIER_DEV_TOKEN: 'short' })).toBeUndefined();
		expect(readDevelopment({})).toBeUndefined();
	});
});
