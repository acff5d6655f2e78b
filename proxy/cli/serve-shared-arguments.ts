/** The flags of `serve --shared`: a team's server, with nothing of this computer's. */
import { readFileSync } from 'node:fs';
import type { Login } from '../../shared/login/login.ts';
import { parseAddressRange, type AddressRange } from '../guard/client-address.ts';
import type { ListenAddress } from '../server/listen.ts';
import { defaultPort } from '../server/page-url.ts';
import { parseReadLogins } from '../upstream/credentials/read-logins.ts';
import { isLoopback } from '../upstream/endpoint.ts';
import { ServedRegistries } from '../upstream/served-registries.ts';
import {
	readRegistrySettings,
	type RegistryFlagValues,
	type RegistrySettings,
} from './registry-arguments.ts';
import { UsageError } from './usage.ts';

/** For `parseArgs` of node:util. */
export const sharedFlags = {
	shared: { type: 'boolean' },
	registries: { type: 'string', multiple: true },
	'public-url': { type: 'string' },
	'trusted-proxy': { type: 'string', multiple: true },
	listen: { type: 'string' },
	metrics: { type: 'string' },
	'read-auth-file': { type: 'string' },
} as const;

/** What `parseArgs` makes of them. */
export interface SharedFlagValues extends RegistryFlagValues {
	readonly shared?: boolean | undefined;
	readonly registries?: readonly string[] | undefined;
	readonly 'public-url'?: string | undefined;
	readonly 'trusted-proxy'?: readonly string[] | undefined;
	readonly listen?: string | undefined;
	readonly metrics?: string | undefined;
	readonly 'read-auth-file'?: string | undefined;
	readonly port?: string | undefined;
	readonly store?: string | undefined;
	readonly 'no-open'?: boolean | undefined;
	readonly 'allow-origin'?: readonly string[] | undefined;
}

export interface SharedArguments {
	readonly shared: true;
	readonly served: ServedRegistries;
	/** an origin */
	readonly publicUrl: URL;
	readonly trustedProxies: readonly AddressRange[];
	readonly listen: ListenAddress;
	/** where the numbers are given out; nowhere where it is left out */
	readonly metrics?: ListenAddress;
	readonly registries: RegistrySettings;
	/** for reading, by the names they are kept under */
	readonly readLogins: ReadonlyMap<string, Login>;
}

/** Flags of the other ways to serve, and why they make no sense here. */
const withoutMeaning: readonly (readonly [keyof SharedFlagValues, string])[] = [
	['port', '“--listen HOST:PORT” says where a shared server listens'],
	['store', 'a shared server has no embedded registry'],
	['no-open', 'a shared server opens no browser'],
	['allow-origin', 'a shared server answers the page that it serves itself, and no other'],
	['client-cert', 'whoever asks a shared server would write with this certificate'],
	['mirrors', 'a shared server reads where it is asked to; people give mirrors to the page'],
];

/** @throws UsageError where a flag of `--shared` is given without it */
export function refuseSharedFlags(values: SharedFlagValues): void {
	const flags = Object.keys(sharedFlags) as (keyof typeof sharedFlags)[];
	const given = flags.find((flag) => values[flag] !== undefined);
	if (given !== undefined) throw new UsageError(`“--${given}” is for “serve --shared” only.`);
}

function readPublicUrl(text: string | undefined): URL {
	if (text === undefined) throw new UsageError('“--shared” needs “--public-url https://HOST”.');
	const wrong = (why: string) => new UsageError(`“${text}” after --public-url ${why}.`);
	if (!URL.canParse(text)) throw wrong('is not a URL');
	const url = new URL(text);
	if (url.username !== '' || url.password !== '') throw wrong('has a user name in it');
	if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
		throw wrong('is more than scheme, host and port: Espalier takes a host of its own');
	}
	const mayLackTls = url.protocol === 'http:' && isLoopback(url.hostname);
	if (url.protocol !== 'https:' && !mayLackTls) {
		throw wrong('does not begin with https://: logins go over this connection');
	}
	return url;
}

function readServed(values: readonly string[] | undefined): ServedRegistries {
	const names = (values ?? []).flatMap((text) => text.split(',')).map((name) => name.trim());
	if (names.length === 0) {
		throw new UsageError('“--shared” needs “--registries”: the ones that are served.');
	}
	const wrong = names.find((name) => !ServedRegistries.isServable(name));
	if (wrong === undefined) return new ServedRegistries(names);
	throw new UsageError(
		`“${wrong}” after --registries is not a registry or a namespace, such as “quay.io” or “quay.io/team”.`,
	);
}

function readTrustedProxy(text: string): AddressRange {
	const range = parseAddressRange(text);
	if (!range) {
		const form = 'an address with a prefix length, such as “10.0.0.0/8”';
		throw new UsageError(`“${text}” after --trusted-proxy is not ${form}.`);
	}
	if (range[1] > 0) return range;
	throw new UsageError(`“${text}” after --trusted-proxy would trust everybody’s word.`);
}

/** `HOST:PORT`, with brackets around an address of IPv6. */
export function readListenAddress(flag: string, text: string): ListenAddress {
	const [, bracketed, plain, port = ''] =
		/^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
	const host = bracketed ?? plain;
	if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
	throw new UsageError(
		`“${text}” after --${flag} is not an address and port, such as “0.0.0.0:8080”.`,
	);
}

function readReadLogins(file: string | undefined): ReadonlyMap<string, Login> {
	if (file === undefined) return new Map();
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		throw new UsageError(`The file “${file}” after --read-auth-file cannot be read.`, {
			cause: error,
		});
	}
	const parsed = parseReadLogins(text);
	if (parsed.ok) return parsed.logins;
	throw new UsageError(
		`The file “${file}” after --read-auth-file cannot be used: ${parsed.reason}.`,
	);
}

/**
 * Reads the flags, and the files that they name.
 * @throws UsageError
 */
export function readSharedArguments(values: SharedFlagValues): SharedArguments {
	for (const [flag, why] of withoutMeaning) {
		if (values[flag] !== undefined) {
			throw new UsageError(`“--${flag}” does not go with “--shared”: ${why}.`);
		}
	}
	const served = readServed(values.registries);
	const registries = readRegistrySettings(values);
	const unserved = registries.plainHttp.find(
		(host) => !served.names.some((name) => isOf(name, host)),
	);
	if (unserved !== undefined) {
		throw new UsageError(`“${unserved}” after --plain-http is not among --registries.`);
	}
	const listen = values.listen ?? `127.0.0.1:${defaultPort}`;
	return {
		shared: true,
		served,
		publicUrl: readPublicUrl(values['public-url']),
		trustedProxies: (values['trusted-proxy'] ?? []).map(readTrustedProxy),
		listen: readListenAddress('listen', listen),
		...(values.metrics !== undefined && {
			metrics: readListenAddress('metrics', values.metrics),
		}),
		registries,
		readLogins: readReadLogins(values['read-auth-file']),
	};
}

/** True where a served name is of that host; a host without a port stands for all its ports. */
function isOf(name: string, host: string): boolean {
	const registry = (name.split('/', 1)[0] ?? '').toLowerCase();
	return registry === host || registry.replace(/:\d+$/, '') === host;
}
