import { describe, expect, it } from 'vitest';
import {
	clientAddress,
	clientNetwork,
	comesFromProxy,
	parseAddressRange,
	type AddressRange,
} from '../../../proxy/guard/client-address.ts';
import {
	ClientLimits,
	type AskedFor,
	type ClientAllowance,
} from '../../../proxy/guard/client-limits.ts';

const ranges = (...texts: string[]): AddressRange[] =>
	texts.map((text) => {
		const range = parseAddressRange(text);
		if (!range) throw new Error(text);
		return range;
	});

describe('the address of a client', () => {
	const proxies = ranges('10.0.0.0/8', 'fd00::/16');
	it.each([
		['203.0.113.7', undefined, '203.0.113.7'],
		// Not from a proxy of ours: the header is only a claim.
		['203.0.113.7', '198.51.100.1', '203.0.113.7'],
		['10.0.0.1', '198.51.100.1', '198.51.100.1'],
		['::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
		['fd00::1', '2001:db8::5', '2001:db8::5'],
		// What stands left of the first stranger is only claimed.
		['10.0.0.1', '192.0.2.66, 198.51.100.1', '198.51.100.1'],
		['10.0.0.1', '192.0.2.66,198.51.100.1 , 10.2.3.4', '198.51.100.1'],
		['10.0.0.1', '10.5.5.5, 10.2.3.4', '10.5.5.5'],
		['10.0.0.1', '198.51.100.1, unknown', '10.0.0.1'],
		['10.0.0.1', '198.51.100.1, ', '10.0.0.1'],
		['10.0.0.1', '198.51.100.1:4711', '10.0.0.1'],
		['10.0.0.1', undefined, '10.0.0.1'],
		[undefined, '198.51.100.1', 'unknown'],
	])('of %s, forwarded for %s, is %s', (socketAddress, forwardedFor, expected) => {
		expect(clientAddress({ socketAddress, forwardedFor }, proxies)).toBe(expected);
	});

	it('is the connection’s own where no proxy is trusted', () => {
		const asking = { socketAddress: '10.0.0.1', forwardedFor: '198.51.100.1' };
		expect(clientAddress(asking, [])).toBe('10.0.0.1');
		expect(comesFromProxy(asking, [])).toBe(false);
		expect(comesFromProxy(asking, proxies)).toBe(true);
	});

	it.each(['10.0.0.1', '10.0.0.0/33', 'a/8', '/8', '10.0.0.0/', '', '10.0.0.0/8 '])(
		'cannot be in the range “%s”',
		(text) => {
			expect(parseAddressRange(text)).toBeUndefined();
		},
	);

	it('counts with all others of its network of 64 bits in IPv6, and alone in IPv4', () => {
		expect(clientNetwork('2001:db8:1:2:3:4:5:6')).toBe(clientNetwork('2001:db8:1:2::9'));
		expect(clientNetwork('2001:db8:1:2::9')).not.toBe(clientNetwork('2001:db8:1:3::9'));
		expect(clientNetwork('203.0.113.7')).toBe('203.0.113.7');
		expect(clientNetwork('unknown')).toBe('unknown');
	});
});

describe('the limits of a client', () => {
	const allowance: ClientAllowance = {
		requestsPerMinute: 4,
		bytesPerMinute: 1_000,
		answersAtOnce: 3,
		transfersAtOnce: 1,
		clients: 3,
	};
	function limited(changed: Partial<ClientAllowance> = {}) {
		const time = { ms: 0 };
		const limits = new ClientLimits({ ...allowance, ...changed }, () => time.ms);
		const ask = (address: string, asked: Partial<AskedFor> = {}) =>
			limits.admit(address, { kind: 'page', bodyBytes: 0, ...asked });
		return { limits, time, ask };
	}
	const isLetIn = (verdict: ReturnType<ClientLimits['admit']>) => verdict.ok;

	it('are of requests: refused with the time until the next, which then is let in', () => {
		const { time, ask } = limited();
		for (let count = 0; count < 4; count += 1) expect(isLetIn(ask('a'))).toBe(true);
		const refused = ask('a');
		expect(refused).toMatchObject({
			ok: false,
			status: 429,
			problem: { code: 'rate-limited', origin: 'proxy', retryAfterMs: 15_000 },
		});
		expect(isLetIn(ask('b'))).toBe(true);
		time.ms = 15_000;
		expect(isLetIn(ask('a'))).toBe(true);
		expect(isLetIn(ask('a'))).toBe(false);
	});

	it('are of bytes; a body that could never be taken is too large at once', () => {
		const { time, ask } = limited();
		expect(isLetIn(ask('a', { bodyBytes: 700 }))).toBe(true);
		expect(ask('a', { bodyBytes: 400 })).toMatchObject({
			status: 429,
			problem: { retryAfterMs: 6_000 },
		});
		expect(isLetIn(ask('a', { bodyBytes: 300 }))).toBe(true);
		time.ms = 60_000;
		expect(isLetIn(ask('a', { bodyBytes: 1_000 }))).toBe(true);
		expect(ask('a', { bodyBytes: 1_001 })).toMatchObject({
			status: 413,
			problem: { code: 'too-large', origin: 'proxy' },
		});
	});

	it('are of what is under way: one place is free again when one has left, however often it says so', () => {
		const { ask } = limited({ requestsPerMinute: 100 });
		const first = ask('a', { kind: 'transfer' });
		expect(ask('a', { kind: 'transfer' })).toMatchObject({ status: 429 });
		expect(isLetIn(ask('a', { kind: 'answer' }))).toBe(true);
		expect(isLetIn(ask('a', { kind: 'answer' }))).toBe(true);
		expect(ask('a', { kind: 'answer' })).toMatchObject({ status: 429 });
		expect(isLetIn(ask('a'))).toBe(true);
		if (first.ok) [first.leave, first.leave].forEach((leave) => leave());
		expect(isLetIn(ask('a', { kind: 'transfer' }))).toBe(true);
		expect(ask('a', { kind: 'answer' })).toMatchObject({ status: 429 });
	});

	it('are kept for so many clients and no more: who is quiet longest is forgotten, who is busy is not', () => {
		const { limits, ask } = limited({ requestsPerMinute: 1 });
		ask('busy', { kind: 'answer' });
		for (const address of ['b', 'c', 'd', 'e']) expect(isLetIn(ask(address))).toBe(true);
		expect(limits.size).toBe(3);
		expect(ask('busy')).toMatchObject({ status: 429 });
		expect(ask('e')).toMatchObject({ status: 429 });
	});

	it('let nobody new in while all that are known are busy', () => {
		const { limits, ask } = limited();
		for (const address of ['a', 'b', 'c']) ask(address, { kind: 'answer' });
		expect(ask('d')).toMatchObject({ status: 429, problem: { code: 'rate-limited' } });
		expect(limits.size).toBe(3);
	});

	it('stay within their memory for a hundred thousand addresses', () => {
		const { limits, ask } = limited({ clients: 100 });
		for (let number = 0; number < 100_000; number += 1) {
			ask(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
		}
		expect(limits.size).toBe(100);
	});
});
