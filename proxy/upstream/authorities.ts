/** Whom to believe over TLS, and as whom to appear: Node's roots, the operating system's, and what is given for one registry (D16). */
import { existsSync, readFileSync } from 'node:fs';
import tls, { type SecureContext } from 'node:tls';
import { listedFor, type Endpoint } from './endpoint.ts';

const bundles = [
	'/etc/ssl/certs/ca-certificates.crt',
	'/etc/pki/tls/certs/ca-bundle.crt',
	'/etc/ssl/ca-bundle.pem',
	'/etc/ssl/cert.pem',
];

/** The operating system's certificates. Node offers them itself since 22.15; before that, from their usual files. */
function systemAuthorities(): readonly string[] {
	const offered = 'getCACertificates' in tls ? tls.getCACertificates : undefined;
	if (typeof offered === 'function') return (offered as (kind: 'system') => string[])('system');
	const bundle = bundles.find((file) => existsSync(file));
	return bundle === undefined ? [] : [readFileSync(bundle, 'utf8')];
}

/** What Espalier shows of itself to one registry, as PEM text. */
export interface ClientCertificate {
	/** the certificate, and those between it and its authority */
	readonly chain: string;
	readonly key: string;
}

export interface AuthoritiesOptions {
	/** PEM text by `HOST` or `HOST:PORT` */
	readonly extra?: ReadonlyMap<string, string> | undefined;
	/** by `HOST` or `HOST:PORT`; nobody else is shown them, wherever a registry sends us */
	readonly clientCertificates?: ReadonlyMap<string, ClientCertificate> | undefined;
}

/** Contexts are costly to make (hundreds of certificates to parse), so one serves all connections that share it. */
export class Authorities {
	readonly #extra: ReadonlyMap<string, string>;
	readonly #clientCertificates: ReadonlyMap<string, ClientCertificate>;
	readonly #contexts = new Map<string, SecureContext>();

	constructor({ extra = new Map(), clientCertificates = new Map() }: AuthoritiesOptions = {}) {
		this.#extra = extra;
		this.#clientCertificates = clientCertificates;
	}

	/** @param isAnonymous true where no client certificate may be shown */
	contextFor(endpoint: Endpoint, isAnonymous: boolean): SecureContext {
		const authority = listedFor(this.#extra, endpoint) ?? '';
		const own = isAnonymous ? undefined : listedFor(this.#clientCertificates, endpoint);
		const key = JSON.stringify([authority, own?.chain, own?.key]);
		const known = this.#contexts.get(key);
		if (known) return known;
		const ca = [...tls.rootCertificates, ...systemAuthorities(), ...(authority ? [authority] : [])];
		const context = tls.createSecureContext({
			ca,
			minVersion: 'TLSv1.2',
			...(own && { cert: own.chain, key: own.key }),
		});
		this.#contexts.set(key, context);
		return context;
	}
}
