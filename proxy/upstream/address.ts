/** What kind of network an IP address belongs to, whatever it is wrapped in (D11). */
import ipaddr from 'ipaddr.js';

export type AddressClass =
	| 'public'
	| 'private'
	| 'loopback'
	| 'carrier-grade-nat'
	| 'link-local'
	| 'metadata'
	| 'unspecified'
	| 'multicast'
	| 'reserved'
	| 'not-an-address';

// Cloud metadata services outside link-local: AWS over IPv6, Alibaba, Azure's host agent, Oracle.
const metadataAddresses = new Set([
	'fd00:ec2::254',
	'100.100.100.200',
	'168.63.129.16',
	'192.0.0.192',
]);

const classes: Readonly<Record<string, AddressClass>> = {
	unicast: 'public',
	private: 'private',
	uniqueLocal: 'private',
	deprecatedSiteLocal: 'private',
	loopback: 'loopback',
	carrierGradeNat: 'carrier-grade-nat',
	linkLocal: 'link-local',
	unspecified: 'unspecified',
	broadcast: 'multicast',
	multicast: 'multicast',
};

function ipv4From(high: number, low: number): ipaddr.IPv4 {
	return new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff]);
}

/** The IPv4 address inside a mapped, compatible, NAT64 or 6to4 one. */
function embedded(address: ipaddr.IPv6): ipaddr.IPv4 | undefined {
	const [p0 = 0, p1 = 0, p2 = 0, , , , p6 = 0, p7 = 0] = address.parts;
	const range = address.range();
	if (range === '6to4') return ipv4From(p1, p2);
	if (range === 'ipv4Mapped' || range === 'rfc6145' || range === 'rfc6052') {
		return ipv4From(p6, p7);
	}
	const compatible = p0 === 0 && address.parts.slice(0, 6).every((part) => part === 0);
	return compatible && range === 'unicast' ? ipv4From(p6, p7) : undefined;
}

/** Classifies an address as text; host names are `not-an-address`. Ranges that nobody may use are `reserved`. */
export function classifyAddress(text: string): AddressClass {
	if (!ipaddr.isValid(text)) return 'not-an-address';
	const parsed = ipaddr.parse(text);
	const inner = parsed instanceof ipaddr.IPv6 ? embedded(parsed) : undefined;
	const address = inner ?? parsed;
	if (metadataAddresses.has(address.toString())) return 'metadata';
	return classes[address.range()] ?? 'reserved';
}
