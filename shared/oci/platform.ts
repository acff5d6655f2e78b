/** Platforms: normalised as containerd does, printed as `os/architecture[/variant]`, in one order everywhere. */
import * as z from 'zod';

/** Genuine ones are far shorter; longer ones would only be drawn. */
const nameSchema = z.string().max(128);

export const platformSchema = z.looseObject({
	os: nameSchema,
	architecture: nameSchema,
	variant: nameSchema.optional(),
	'os.version': nameSchema.optional(),
	'os.features': z.array(z.string()).optional(),
});

/** A platform as a descriptor or an image config states it (OCI image-spec, image-index.md). */
export interface Platform {
	readonly os: string;
	readonly architecture: string;
	readonly variant?: string | undefined;
	readonly 'os.version'?: string | undefined;
	readonly 'os.features'?: readonly string[] | undefined;
}

declare const platformKeyBrand: unique symbol;

/**
 * A normalised platform as text, equal for platforms that mean the same:
 * `linux/arm64` (also for `arm64/v8`), `linux/arm/v7`, `windows(10.0.17763)/amd64`.
 */
export type PlatformKey = string & { readonly [platformKeyBrand]: true };

// Maps: an architecture of a stranger may be called `constructor`.
const architectureAliases: ReadonlyMap<string, readonly [architecture: string, variant?: string]> =
	new Map([
		['i386', ['386']],
		['x86_64', ['amd64']],
		['x86-64', ['amd64']],
		['aarch64', ['arm64']],
		['armhf', ['arm', 'v7']],
		['armel', ['arm', 'v6']],
	]);

/** By architecture and variant as written. */
const variantAliases: ReadonlyMap<string, string> = new Map([
	['amd64/v1', ''],
	...['8', 'v8', 'v8.0'].map((written): [string, string] => [`arm64/${written}`, '']),
	...['9', '9.0', 'v9.0'].map((written): [string, string] => [`arm64/${written}`, 'v9']),
	['arm/', 'v7'],
	...['5', '6', '7', '8'].map((written): [string, string] => [`arm/${written}`, `v${written}`]),
]);

/** The normal form of containerd's `platforms.Normalize`; fields that are not part of it stay. */
export function normalisePlatform(platform: Platform): Platform {
	const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase();
	const written = platform.architecture.toLowerCase();
	const [architecture, impliedVariant] = architectureAliases.get(written) ?? [written];
	const stated = (platform.variant ?? impliedVariant ?? '').toLowerCase();
	const variant = variantAliases.get(`${architecture}/${stated}`) ?? stated;
	const { variant: dropped, ...rest } = platform;
	return { ...rest, os, architecture, ...(variant && { variant }) };
}

export function platformKey(platform: Platform): PlatformKey {
	const { os, architecture, variant, 'os.version': osVersion } = normalisePlatform(platform);
	const system = os === 'windows' && osVersion ? `${os}(${osVersion})` : os;
	return [system, architecture, variant].filter(Boolean).join('/') as PlatformKey;
}

/** Reads `os/architecture[/variant]` or an architecture alone (then linux); undefined for anything else. */
export function parsePlatform(text: string): PlatformKey | undefined {
	const match = /^(?:([a-z0-9]+)(?:\(([\w.]+)\))?\/)?([a-z0-9_-]+)(?:\/([a-z0-9.]+))?$/i.exec(
		text.trim(),
	);
	const [, os = 'linux', osVersion, architecture, variant] = match ?? [];
	if (architecture === undefined) return undefined;
	return platformKey({ os, architecture, variant, 'os.version': osVersion });
}

const canonicalOrder: readonly string[] = [
	'linux/amd64',
	'linux/arm64',
	'linux/arm/v7',
	'linux/arm/v6',
	'linux/arm/v5',
	'linux/386',
	'linux/ppc64le',
	'linux/s390x',
	'linux/riscv64',
	'linux/loong64',
	'linux/mips64le',
];

function rank(key: PlatformKey): number {
	const known = canonicalOrder.indexOf(key);
	if (known >= 0) return known;
	if (key.startsWith('linux/')) return canonicalOrder.length;
	return key.startsWith('windows') ? canonicalOrder.length + 1 : canonicalOrder.length + 2;
}

/** Compares by the canonical order: common Linux architectures, other Linux, Windows by version, the rest. */
export function comparePlatforms(a: PlatformKey, b: PlatformKey): number {
	return rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true });
}
