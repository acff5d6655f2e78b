/** Whom to believe over TLS: Node's roots, the operating system's, and those given for one registry (D16). */
import { existsSync, readFileSync } from 'node:fs';
import tls, { type SecureContext } from 'node:tls';

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

/** Contexts are costly to make (hundreds of certificates to parse), so one serves all connections that share it. */
export class Authorities {
	readonly #extra: ReadonlyMap<string, string>;
	readonly #contexts = new Map<string, SecureContext>();

	/** @param extra PEM text by `HOST` or `HOST:PORT` */
	constructor(extra: ReadonlyMap<string, string>) {
		this.#extra = extra;
	}

	contextFor(host: string, hostname: string): SecureContext {
		const pem = this.#extra.get(host) ?? this.#extra.get(hostname) ?? '';
		const known = this.#contexts.get(pem);
		if (known) return known;
		const ca = [...tls.rootCertificates, ...systemAuthorities(), ...(pem ? [pem] : [])];
		const context = tls.createSecureContext({ ca, minVersion: 'TLSv1.2' });
		this.#contexts.set(pem, context);
		return context;
	}
}
