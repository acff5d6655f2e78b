/** The flags that say how registries are reached, the same for every command. */
import { readFileSync } from 'node:fs';
import { isRegistry } from '../../shared/oci/reference.ts';
import type { ClientCertificate } from '../upstream/authorities.ts';
import { direct, readProxies, type ProxyFor } from '../upstream/outgoing-proxy.ts';
import { readClientCertificate } from './client-certificates.ts';
import { UsageError } from './usage.ts';

/** For `parseArgs` of node:util. */
export const registryFlags = {
	'plain-http': { type: 'string', multiple: true },
	ca: { type: 'string', multiple: true },
	'client-cert': { type: 'string', multiple: true },
	'trust-realm': { type: 'string', multiple: true },
	mirrors: { type: 'string', multiple: true },
} as const;

/** What `parseArgs` makes of them. */
export interface RegistryFlagValues {
	readonly 'plain-http'?: readonly string[] | undefined;
	readonly ca?: readonly string[] | undefined;
	readonly 'client-cert'?: readonly string[] | undefined;
	readonly 'trust-realm'?: readonly string[] | undefined;
	readonly mirrors?: readonly string[] | undefined;
}

export interface RegistrySettings {
	/** `HOST` or `HOST:PORT` */
	readonly plainHttp: readonly string[];
	/** PEM text by `HOST` or `HOST:PORT` */
	readonly authorities: ReadonlyMap<string, string>;
	/** by `HOST` or `HOST:PORT`; left out where there are none */
	readonly clientCertificates?: ReadonlyMap<string, ClientCertificate>;
	/** the proxies of this network; left out where there are none */
	readonly proxyFor?: ProxyFor;
	readonly trustedRealms: readonly { readonly registry: string; readonly realmHost: string }[];
	/** files that say where to read instead; left out where there are none */
	readonly mirrorFiles?: readonly string[];
}

function readHost(flag: string, text: string): string {
	if (!isRegistry(text)) {
		throw new UsageError(`“${text}” after --${flag} is not a registry, such as “quay.io”.`);
	}
	return text.toLowerCase();
}

function splitPair(flag: string, text: string, form: string): readonly [string, string] {
	const at = text.indexOf('=');
	if (at <= 0 || at === text.length - 1) {
		throw new UsageError(`“${text}” after --${flag} is not of the form ${form}.`);
	}
	return [readHost(flag, text.slice(0, at)), text.slice(at + 1)];
}

function readAuthority(file: string): string {
	let text: string;
	try {
		text = readFileSync(file, 'utf8');
	} catch (error) {
		throw new UsageError(`The file “${file}” after --ca cannot be read.`, { cause: error });
	}
	if (!text.includes('-----BEGIN CERTIFICATE-----')) {
		throw new UsageError(`The file “${file}” after --ca has no certificate in PEM form.`);
	}
	return text;
}

function readClientCertificates(values: readonly string[]): Map<string, ClientCertificate> {
	const certificates = new Map<string, ClientCertificate>();
	for (const text of values) {
		const [host, files] = splitPair('client-cert', text, 'HOST=CERT_FILE,KEY_FILE');
		if (certificates.has(host)) {
			throw new UsageError(`There is more than one --client-cert for “${host}”.`);
		}
		certificates.set(host, readClientCertificate(files));
	}
	return certificates;
}

function readProxyFor(environment: Readonly<Record<string, string | undefined>>): ProxyFor {
	const read = readProxies(environment);
	if (!read.ok) throw new UsageError(read.reason);
	return read.proxyFor;
}

/**
 * Reads the flags, the files that they name, and which proxies this network has.
 * @throws UsageError
 */
export function readRegistrySettings(
	values: RegistryFlagValues,
	environment: Readonly<Record<string, string | undefined>> = process.env,
): RegistrySettings {
	const clientCertificates = readClientCertificates(values['client-cert'] ?? []);
	const proxyFor = readProxyFor(environment);
	const authorities = new Map<string, string>();
	for (const text of values.ca ?? []) {
		const [host, file] = splitPair('ca', text, 'HOST=FILE');
		authorities.set(host, [authorities.get(host), readAuthority(file)].join('\n').trim());
	}
	return {
		plainHttp: (values['plain-http'] ?? []).map((text) => readHost('plain-http', text)),
		authorities,
		...(clientCertificates.size > 0 && { clientCertificates }),
		...(proxyFor !== direct && { proxyFor }),
		trustedRealms: (values['trust-realm'] ?? []).map((text) => {
			const [registry, realm] = splitPair('trust-realm', text, 'HOST=REALM');
			return { registry, realmHost: readHost('trust-realm', realm) };
		}),
		...(values.mirrors && { mirrorFiles: values.mirrors }),
	};
}

/** The flags again as they were given, for a further command on the same registries. */
export function writeRegistryFlags(values: RegistryFlagValues): readonly string[] {
	return (['plain-http', 'ca', 'client-cert', 'trust-realm', 'mirrors'] as const).flatMap((flag) =>
		(values[flag] ?? []).flatMap((value) => [`--${flag}`, value]),
	);
}
