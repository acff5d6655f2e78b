/** Who is asking, by address: the connection's own, or what the proxies in front say of it. */
import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.process>;

/** A range of addresses, such as `10.0.0.0/8`. */
export type AddressRange = ReturnType<typeof ipaddr.parseCIDR>;

/** Undefined for anything but an address with the length of its prefix. */
export function parseAddressRange(text: string): AddressRange | undefined {
	return ipaddr.isValidCIDR(text) ? ipaddr.parseCIDR(text) : undefined;
}

/** IPv4 also where it comes mapped into IPv6; undefined for what is no address. */
function parseAddress(text: string): Address | undefined {
	return ipaddr.isValid(text) ? ipaddr.process(text) : undefined;
}

function isInside(address: Address, [range, prefixLength]: AddressRange): boolean {
	return address.kind() === range.kind() && address.match(range, prefixLength);
}

export interface Asking {
	/** the other end of the connection */
	readonly socketAddress: string | undefined;
	/** the value of X-Forwarded-For: each proxy has added, at its end, whom it was asked by */
	readonly forwardedFor: string | undefined;
}

/** True where the connection itself comes from one of the proxies in front. */
export function comesFromProxy(
	{ socketAddress = '' }: Pick<Asking, 'socketAddress'>,
	proxies: readonly AddressRange[],
): boolean {
	const address = parseAddress(socketAddress);
	return address !== undefined && proxies.some((range) => isInside(address, range));
}

/**
 * The right-most address that is none of the trusted proxies': what stands to its left is only claimed.
 * Without trusted proxies the header counts for nothing.
 */
export function clientAddress(asking: Asking, proxies: readonly AddressRange[]): string {
	const own = parseAddress(asking.socketAddress ?? '');
	let client = own;
	const claimed = asking.forwardedFor?.split(',').reverse() ?? [];
	for (const text of claimed) {
		const here = client;
		if (!here || !proxies.some((range) => isInside(here, range))) break;
		const before = parseAddress(text.trim());
		if (!before) break;
		client = before;
	}
	return client?.toString() ?? 'unknown';
}

/** What one subscriber has as a whole: an address of IPv4, a network of 64 bits of IPv6. */
export function clientNetwork(address: string): string {
	const parsed = parseAddress(address);
	if (!parsed || parsed.kind() === 'ipv4') return address;
	const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv6.parse(parsed.toString()).parts;
	return `${[a, b, c, d].map((part) => part.toString(16)).join(':')}::/64`;
}
