/** The flags that say how registries are reached, the same for every command. */
import { readFileSync } from 'node:fs';
import { isRegistry } from '../../shared/oci/reference.ts';
import { UsageError } from './usage.ts';

/** For `parseArgs` of node:util. */
export const registryFlags = {
	'plain-http': { type: 'string', multiple: true },
	ca: { type: 'string', multiple: true },
	'trust-realm': { type: 'string', multiple: true },
} as const;

/** What `parseArgs` makes of them. */
export interface RegistryFlagValues {
	readonly 'plain-http'?: readonly string[] | undefined;
	readonly ca?: readonly string[] | undefined;
	readonly 'trust-realm'?: readonly string[] | undefined;
}

export interface RegistrySettings {
	/** `HOST` or `HOST:PORT` */
	readonly plainHttp: readonly string[];
	/** PEM text by `HOST` or `HOST:PORT` */
	readonly authorities: ReadonlyMap<string, string>;
	readonly trustedRealms: readonly { readonly registry: string; readonly realmHost: string }[];
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

/**
 * Reads the flags, and the files that they name.
 * @throws UsageError
 */
export function readRegistrySettings(values: RegistryFlagValues): RegistrySettings {
	const authorities = new Map<string, string>();
	for (const text of values.ca ?? []) {
		const [host, file] = splitPair('ca', text, 'HOST=FILE');
		authorities.set(host, [authorities.get(host), readAuthority(file)].join('\n').trim());
	}
	return {
		plainHttp: (values['plain-http'] ?? []).map((text) => readHost('plain-http', text)),
		authorities,
		trustedRealms: (values['trust-realm'] ?? []).map((text) => {
			const [registry, realm] = splitPair('trust-realm', text, 'HOST=REALM');
			return { registry, realmHost: readHost('trust-realm', realm) };
		}),
	};
}

/** The flags again as they were given, for a further command on the same registries. */
export function writeRegistryFlags(values: RegistryFlagValues): readonly string[] {
	return (['plain-http', 'ca', 'trust-realm'] as const).flatMap((flag) =>
		(values[flag] ?? []).flatMap((value) => [`--${flag}`, value]),
	);
}
