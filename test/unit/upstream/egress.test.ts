import { afterEach, describe, expect, it, vi } from 'vitest';
import { classifyAddress } from '../../../proxy/upstream/address.ts';
import type { Resolve } from '../../../proxy/upstream/agents.ts';
import { noCredentials } from '../../../proxy/upstream/credentials/credential.ts';
import { HostCredentials } from '../../../proxy/upstream/credentials/host-credentials.ts';
import { endpointOf } from '../../../proxy/upstream/endpoint.ts';
import {
	manifestBytes,
	readerWith,
	readOne,
	sendManifest,
	startScripted,
	stopAll,
} from './scripted-server.ts';

afterEach(stopAll);

const text = new TextDecoder().decode(manifestBytes());

function answering(...answers: string[][]): Resolve & { calls: number } {
	const resolve = Object.assign(
		() => {
			const addresses = answers[Math.min(resolve.calls++, answers.length - 1)] ?? [];
			return Promise.resolve(
				addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
			);
		},
		{ calls: 0 },
	);
	return resolve;
}

describe('classifyAddress', () => {
	it.each([
		['8.8.8.8', 'public'],
		['2606:4700::1111', 'public'],
		['10.1.2.3', 'private'],
		['172.31.0.1', 'private'],
		['192.168.1.1', 'private'],
		['fd12::1', 'private'],
		['100.64.0.1', 'carrier-grade-nat'],
		['127.8.9.1', 'loopback'],
		['::1', 'loopback'],
		['169.254.169.254', 'link-local'],
		['fe80::1', 'link-local'],
		['fd00:ec2::254', 'metadata'],
		['100.100.100.200', 'metadata'],
		['0.0.0.0', 'unspecified'],
		['::', 'unspecified'],
		['224.0.0.1', 'multicast'],
		['255.255.255.255', 'multicast'],
		['240.0.0.1', 'reserved'],
		['::ffff:127.0.0.1', 'loopback'],
		['::ffff:a9fe:a9fe', 'link-local'],
		['64:ff9b::a00:1', 'private'],
		['64:ff9b:1::a9fe:a9fe', 'link-local'],
		['2002:7f00:1::', 'loopback'],
		['2002:808:808::', 'public'],
		['::127.0.0.1', 'loopback'],
		['quay.io', 'not-an-address'],
	])('%s is %s', (address, kind) => {
		expect(classifyAddress(address)).toBe(kind);
	});
});

describe('endpointOf', () => {
	it.each([
		['docker.io', [], 'https://registry-1.docker.io'],
		['quay.io', [], 'https://quay.io'],
		['quay.io:443', [], 'https://quay.io'],
		['localhost:5000', [], 'http://localhost:5000'],
		['127.0.0.9:5000', [], 'http://127.0.0.9:5000'],
		['[::1]:5000', [], 'http://[::1]:5000'],
		['2130706433:5000', [], 'http://127.0.0.1:5000'],
		['registry.lan', [], 'https://registry.lan'],
		['registry.lan:5000', ['registry.lan:5000'], 'http://registry.lan:5000'],
		['registry.lan:5001', ['registry.lan:5000'], 'https://registry.lan:5001'],
		['registry.lan:5001', ['registry.lan'], 'http://registry.lan:5001'],
		['localhost.evil.test', [], 'https://localhost.evil.test'],
	])('reaches %s (plain: %j) at %s', (registry, plainHttp, origin) => {
		expect(endpointOf(registry, plainHttp).origin).toBe(origin);
	});
});

describe('what content names', () => {
	it.each([
		'127.0.0.1:5000',
		'10.0.0.7:5000',
		'169.254.169.254',
		'[::ffff:127.0.0.1]:5000',
		'[::1]:5000',
		'0.0.0.0:5000',
		'192.168.0.1',
	])('may not be %s', async (registry) => {
		const result = await readOne(readerWith(), registry, { namedBy: 'quay.io' });
		expect(result).toMatchObject({ code: 'egress-blocked' });
		expect(JSON.stringify(result)).toContain(
			registry.replace(/:5000$/, '').replace(/^\[::ffff.*/, '[::ffff'),
		);
	});

	it('may not be a name that leads to a private address, even beside a public one', async () => {
		const resolve = answering(['8.8.8.8', '10.0.0.7']);
		const result = await readOne(readerWith({ resolve }), 'innocent.test', { namedBy: 'quay.io' });
		expect(result).toMatchObject({ code: 'egress-blocked', origin: 'proxy' });
		expect(JSON.stringify(result)).toMatch(
			/innocent\.test leads to 10\.0\.0\.7, a private address, and it was named by what a registry sent/,
		);
	});

	it('may be on the very host that named it', async () => {
		const server = await startScripted((_request, response) => sendManifest(response));
		const namedBy = '127.0.0.1:1';
		expect(await readOne(readerWith(), server.host, { namedBy })).toEqual({ text });
	});

	it('may be private where the user named it in --plain-http', async () => {
		const server = await startScripted((_request, response) => sendManifest(response));
		const reader = readerWith({ plainHttp: [server.host] });
		expect(await readOne(reader, server.host, { namedBy: 'quay.io' })).toEqual({ text });
	});

	it('may be private where the user keeps a credential for it', async () => {
		const server = await startScripted((_request, response) => sendManifest(response));
		const auths = { [server.host]: { auth: Buffer.from('me:pw').toString('base64') } };
		const variables = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) };
		const host = { variables, homeDirectory: '/nonexistent', platform: 'linux', uid: 0 };
		const reader = readerWith({ credentials: new HostCredentials({ host }) });
		expect(await readOne(reader, server.host, { namedBy: 'quay.io' })).toEqual({ text });
	});

	it.each([
		['169.254.169.254', 0],
		['[fe80::1]:5000', 0],
		['0.0.0.0:5000', 0],
		['10.0.0.7:5000', 1],
		['innocent.test', 1],
	])('%s is looked up %i times among the user’s credentials', async (registry, times) => {
		const find = vi.fn(() => Promise.resolve({ kind: 'none' as const }));
		const reader = readerWith({
			credentials: { ...noCredentials, find },
			resolve: answering(['10.0.0.7']),
		});
		await readOne(reader, registry, { namedBy: 'quay.io' });
		expect(find).toHaveBeenCalledTimes(times);
	});

	it('is checked again for each connection, and connected to at the address checked', async () => {
		const server = await startScripted((_request, response) => {
			response.setHeader('connection', 'close');
			sendManifest(response);
		});
		const registry = `rebinding.test:${server.port}`;
		const resolve = answering(['127.0.0.1'], ['169.254.169.254']);
		const reader = readerWith({ resolve, plainHttp: ['rebinding.test'] });
		expect(await readOne(reader, registry)).toEqual({ text });
		expect(resolve.calls).toBe(1);
		expect(await readOne(reader, registry)).toMatchObject({ code: 'egress-blocked' });
	});
});

describe('what the user names', () => {
	it.each(['169.254.169.254', '0.0.0.0:80', '[fe80::1]', '224.0.0.1', '[fd00:ec2::254]'])(
		'may not be %s either',
		async (registry) => {
			expect(await readOne(readerWith(), registry)).toMatchObject({ code: 'egress-blocked' });
		},
	);

	it('opens no connection for content that the user’s own may use', async () => {
		const server = await startScripted((_request, response) => sendManifest(response));
		const reader = readerWith();
		expect(await readOne(reader, server.host)).toEqual({ text });
		expect(await readOne(reader, server.host, { namedBy: 'quay.io' })).toMatchObject({
			code: 'egress-blocked',
		});
		expect(server.requests).toHaveLength(1);
	});
});
