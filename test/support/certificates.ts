/** Certificates for tests, made anew each time: nothing secret lies in the repository. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Certificate {
	/** PEM text */
	readonly cert: string;
	readonly key: string;
	/** where the two lie */
	readonly certFile: string;
	readonly keyFile: string;
}

export interface CertificateOptions {
	/** for servers; none for clients */
	readonly hosts?: readonly string[];
	/** signed by itself where this is left out */
	readonly issuer?: Certificate;
	/** may be negative */
	readonly days?: number;
}

export class Certificates {
	readonly folder = mkdtempSync(path.join(tmpdir(), 'espalier-tls-'));
	#count = 0;

	make(
		commonName: string,
		{ hosts = [], issuer, days = 30 }: CertificateOptions = {},
	): Certificate {
		this.#count += 1;
		const [keyFile, certFile, requestFile, extensionFile] = ['key', 'cert', 'csr', 'ext'].map(
			(kind) => path.join(this.folder, `${this.#count}.${kind}.pem`),
		) as [string, string, string, string];
		this.#openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', keyFile);
		this.#openssl(
			'req',
			'-new',
			'-key',
			keyFile,
			'-out',
			requestFile,
			'-subj',
			`/CN=${commonName}`,
		);
		const names = hosts.map((host) => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`));
		const lines = names.length > 0 ? [`subjectAltName=${names.join(',')}`] : [];
		writeFileSync(
			extensionFile,
			[...(issuer || hosts.length > 0 ? [] : ['basicConstraints=CA:TRUE']), ...lines, ''].join(
				'\n',
			),
		);
		const signer = issuer
			? ['-CA', issuer.certFile, '-CAkey', issuer.keyFile, '-CAcreateserial']
			: ['-signkey', keyFile];
		const validity = ['-days', String(days), '-extfile', extensionFile];
		this.#openssl('x509', '-req', '-in', requestFile, '-out', certFile, ...signer, ...validity);
		const read = (file: string): string => readFileSync(file, 'utf8');
		return { cert: read(certFile), key: read(keyFile), certFile, keyFile };
	}

	remove(): void {
		rmSync(this.folder, { recursive: true, force: true });
	}

	#openssl(...parameters: string[]): void {
		execFileSync('openssl', parameters, { cwd: this.folder, stdio: 'ignore' });
	}
}
