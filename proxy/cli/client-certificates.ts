/** `--client-cert HOST=CERT_FILE,KEY_FILE`: what Espalier shows of itself to one registry. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientCertificate } from '../upstream/authorities.ts';
import { UsageError } from './usage.ts';

const flag = '--client-cert';

function readText(file: string): string {
	try {
		return readFileSync(file, 'utf8');
	} catch (cause) {
		throw new UsageError(`The file “${file}” after ${flag} cannot be read.`, { cause });
	}
}

function readCertificate(text: string, file: string): X509Certificate {
	try {
		return new X509Certificate(text);
	} catch (cause) {
		const reason = `The file “${file}” after ${flag} has no certificate in PEM form.`;
		throw new UsageError(reason, { cause });
	}
}

function readKey(text: string, file: string): KeyObject {
	try {
		return createPrivateKey(text);
	} catch (cause) {
		const reason = /ENCRYPTED/.test(text)
			? `The key in “${file}” after ${flag} is encrypted; Espalier needs it without a passphrase.`
			: `The file “${file}” after ${flag} has no private key in PEM form.`;
		throw new UsageError(reason, { cause });
	}
}

/**
 * Reads the two files, and sees to it that they belong together.
 * @throws UsageError
 */
export function readClientCertificate(files: string): ClientCertificate {
	const [certificateFile = '', keyFile = '', ...more] = files.split(',');
	if (certificateFile === '' || keyFile === '' || more.length > 0) {
		throw new UsageError(`“${files}” after ${flag} is not of the form CERT_FILE,KEY_FILE.`);
	}
	const chain = readText(certificateFile);
	const certificate = readCertificate(chain, certificateFile);
	const key = readText(keyFile);
	if (!certificate.checkPrivateKey(readKey(key, keyFile))) {
		throw new UsageError(
			`The key in “${keyFile}” after ${flag} is not that of the certificate in “${certificateFile}”.`,
		);
	}
	return { chain, key };
}
