import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readOpenArguments, readServeArguments } from '../../../proxy/cli/arguments.ts';
import type { SharedArguments } from '../../../proxy/cli/serve-shared-arguments.ts';
import { UsageError } from '../../../proxy/cli/usage.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-shared-'));
afterAll(() => {
	rmSync(folder, { recursive: true });
});

function fileWith(content: unknown): string {
	const file = join(folder, `${Math.random().toString(36).slice(2)}.json`);
	writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
	return file;
}

const auth = Buffer.from('robot:read-marker').toString('base64');
const needed = ['--shared', '--registries', 'quay.io', '--public-url', 'https://e.example.com'];

function read(...more: readonly string[]): SharedArguments {
	const args = readServeArguments([...needed, ...more]);
	if (!('shared' in args)) throw new Error('not shared');
	return args;
}

describe('the flags of a shared server', () => {
	it('need no more than registries and a public URL; it listens on loopback then', () => {
		const args = read();
		expect(args.listen).toEqual({ host: '127.0.0.1', port: 4763 });
		expect(args.publicUrl.origin).toBe('https://e.example.com');
		expect(args).not.toHaveProperty('metrics');
		expect(args.trustedProxies).toEqual([]);
		expect(args.readLogins.size).toBe(0);
	});

	it('are all read', () => {
		const file = fileWith({ auths: { 'quay.io/team': { auth }, 'empty.test': {} } });
		const args = read(
			...['--registries', 'Registry.test:5000/a/b, ghcr.io', '--listen', '[::]:8080'],
			...['--metrics', '0.0.0.0:8081', '--read-auth-file', file, '--plain-http', 'registry.test'],
			...['--trusted-proxy', '10.0.0.0/8', '--trusted-proxy', 'fd00::/8'],
		);
		expect(args.served.names).toEqual(['quay.io', 'Registry.test:5000/a/b', 'ghcr.io']);
		expect(args.listen).toEqual({ host: '::', port: 8080 });
		expect(args.metrics).toEqual({ host: '0.0.0.0', port: 8081 });
		expect(args.trustedProxies).toHaveLength(2);
		expect([...args.readLogins.keys()]).toEqual(['quay.io/team']);
		expect(args.registries.plainHttp).toEqual(['registry.test']);
	});

	it.each([
		[['--shared'], /needs “--registries”/],
		[['--shared', '--registries', 'quay.io'], /needs “--public-url/],
		[['--shared', '--public-url', 'https://e.example.com'], /needs “--registries”/],
		[['--registries', 'quay.io'], /“--registries” is for “serve --shared” only/],
		[['--public-url', 'https://e.example.com'], /“--public-url” is for/],
		[['--trusted-proxy', '10.0.0.0/8'], /“--trusted-proxy” is for/],
		[['--listen', '0.0.0.0:80'], /“--listen” is for/],
		[['--metrics', '0.0.0.0:80'], /“--metrics” is for/],
		[['--read-auth-file', 'f'], /“--read-auth-file” is for/],
		[[...needed, 'more'], /“serve” does not take “more”/],
		[[...needed, '--port', '1'], /“--port” does not go with “--shared”/],
		[[...needed, '--store', '/s'], /“--store” does not go with “--shared”/],
		[[...needed, '--no-open'], /“--no-open” does not go with “--shared”/],
		[[...needed, '--client-cert', 'quay.io=a,b'], /“--client-cert” does not go with “--shared”/],
		[[...needed, '--mirrors', 'f'], /“--mirrors” does not go with “--shared”/],
		[[...needed, '--plain-http', 'other.test'], /“other.test” .* not among --registries/],
		[[...needed, '--registries', 'quay.io/Team'], /“quay.io\/Team” after --registries/],
		[[...needed, '--registries', 'https://quay.io'], /“https:\/\/quay.io” after --registries/],
		[[...needed, '--registries', ''], /“” after --registries/],
		[[...needed, '--registries', 'quay.io/../x'], /after --registries is not/],
		[[...needed, '--trusted-proxy', '10.0.0.1'], /“10.0.0.1” after --trusted-proxy/],
		[[...needed, '--trusted-proxy', 'ingress'], /“ingress” after --trusted-proxy/],
		[[...needed, '--trusted-proxy', '0.0.0.0/0'], /would trust everybody/],
		[[...needed, '--listen', '8080'], /“8080” after --listen/],
		[[...needed, '--listen', 'host:99999'], /“host:99999” after --listen/],
		[[...needed, '--metrics', '::1:80'], /“::1:80” after --metrics/],
		[[...needed, '--read-auth-file', join(folder, 'none')], /cannot be read/],
	])('are refused where they are %j', (args, message) => {
		expect(() => readServeArguments(args)).toThrow(UsageError);
		expect(() => readServeArguments(args)).toThrow(message);
	});

	it.each([
		['e.example.com', /is not a URL/],
		['http://e.example.com', /does not begin with https/],
		['ftp://e.example.com', /does not begin with https/],
		['https://e.example.com/espalier', /is more than scheme, host and port/],
		['https://e.example.com/?a', /is more than/],
		['https://user@e.example.com', /has a user name/],
	])('take no public URL like %s', (url, message) => {
		const args = ['--shared', '--registries', 'quay.io', '--public-url', url];
		expect(() => readServeArguments(args)).toThrow(message);
	});

	it('take a public URL without TLS on this computer alone, for trying it out', () => {
		const args = ['--shared', '--registries', 'quay.io', '--public-url', 'http://localhost:8080'];
		expect(readServeArguments(args)).toHaveProperty('publicUrl.origin', 'http://localhost:8080');
	});

	it.each([
		['{', /it is not JSON/],
		[{ credsStore: 'pass' }, /credential helpers/],
		[{ credHelpers: { 'quay.io': 'pass' } }, /credential helpers/],
		[{ auths: { 'quay.io': { auth: 'read-marker' } } }, /its entry “quay.io” is damaged/],
	])('take no file of logins that says %j, and quote none of it', (content, message) => {
		const file = fileWith(content);
		expect(() => read('--read-auth-file', file)).toThrow(message);
		expect(() => read('--read-auth-file', file)).not.toThrow(/read-marker/);
	});

	it('are none of “open”', () => {
		expect(() => readOpenArguments(['--shared', 'link'])).toThrow(UsageError);
	});
});
