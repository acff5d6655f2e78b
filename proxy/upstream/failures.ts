/** What went wrong on the way to a registry, as a problem for people. */
import {
	ProblemError,
	problemOf,
	type Problem,
	type ProblemCode,
} from '../../shared/registry/problem.ts';
import { errors } from 'undici';
import type { Endpoint } from './endpoint.ts';
import { TooLarge, Truncated, UnknownEncoding } from './exchange.ts';

const codes: Readonly<Record<string, ProblemCode>> = {
	ENOTFOUND: 'host-unknown',
	EAI_AGAIN: 'host-unknown',
	EAI_NODATA: 'host-unknown',
	ENODATA: 'host-unknown',
	ECONNREFUSED: 'connection-refused',
	EHOSTUNREACH: 'connection-refused',
	ENETUNREACH: 'connection-refused',
	EADDRNOTAVAIL: 'connection-refused',
	ECONNRESET: 'connection-lost',
	ECONNABORTED: 'connection-lost',
	EPIPE: 'connection-lost',
	UND_ERR_SOCKET: 'connection-lost',
	UND_ERR_CLOSED: 'connection-lost',
	UND_ERR_DESTROYED: 'connection-lost',
	ETIMEDOUT: 'timeout',
	UND_ERR_CONNECT_TIMEOUT: 'timeout',
	UND_ERR_HEADERS_TIMEOUT: 'timeout',
	UND_ERR_BODY_TIMEOUT: 'timeout',
	UND_ERR_HEADERS_OVERFLOW: 'too-large',
	UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'truncated',
};

const certificates: Readonly<Record<string, string>> = {
	DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
	SELF_SIGNED_CERT_IN_CHAIN: 'its authority is self-signed and not known here',
	UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not known here',
	UNABLE_TO_GET_ISSUER_CERT: 'its authority is not known here',
	UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not known here',
	CERT_UNTRUSTED: 'its authority is not trusted here',
	CERT_HAS_EXPIRED: 'it has expired',
	CERT_NOT_YET_VALID: 'it is not valid yet',
	CERT_REVOKED: 'it was revoked',
	ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another host name',
};

const curable = new Set([
	'DEPTH_ZERO_SELF_SIGNED_CERT',
	'SELF_SIGNED_CERT_IN_CHAIN',
	'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
	'UNABLE_TO_GET_ISSUER_CERT',
	'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
	'CERT_UNTRUSTED',
]);

/** What servers say of a client certificate that is missing, or that they do not take; Go says “bad” of both. */
const clientCertificateAlerts: ReadonlySet<string> = new Set([
	'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
	'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
	'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
	'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED',
	'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
	'ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
	'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
	'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED',
]);

const sentences: Partial<Record<ProblemCode, (host: string) => string>> = {
	'host-unknown': (host) => `No computer named ${host} is known here.`,
	'connection-refused': (host) => `Nothing answers at ${host}.`,
	'connection-lost': (host) => `${host} closed the connection before it had answered.`,
	timeout: (host) => `${host} took too long to answer.`,
	'too-large': (host) => `${host} sent larger headers than are read.`,
	truncated: (host) => `${host} sent less than it announced.`,
};

/** The code of an error, of its cause, or of the first attempt that an error gathers (one for each address). */
function codeOf(error: unknown): string | undefined {
	if (!(error instanceof Error)) return undefined;
	// Of `AbortSignal.timeout`; its code is a number.
	if (error.name === 'TimeoutError') return 'ETIMEDOUT';
	if ('code' in error && typeof error.code === 'string') {
		const alert = error.code === 'UND_ERR_SOCKET' ? codeOf(error.cause) : undefined;
		return alert ?? error.code;
	}
	if (error instanceof AggregateError) {
		return error.errors.map(codeOf).find((code) => code !== undefined);
	}
	return codeOf(error.cause);
}

function tlsReason(code: string, host: string): string | undefined {
	const why = certificates[code];
	if (why !== undefined) {
		const cure = curable.has(code)
			? ` Give the certificate of its authority with --ca ${host}=FILE.`
			: '';
		return `The certificate of ${host} cannot be accepted: ${why}.${cure}`;
	}
	if (clientCertificateAlerts.has(code)) {
		return `${host} wants a client certificate, or another than it was shown. Give it one with --client-cert ${host}=CERT_FILE,KEY_FILE.`;
	}
	if (code === 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE') {
		return `${host} and Espalier found no way to speak TLS with each other. If it wants a client certificate: --client-cert ${host}=CERT_FILE,KEY_FILE.`;
	}
	if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
		return `${host} does not speak TLS. If it is meant to be read without, start with --plain-http ${host}.`;
	}
	if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') || code === 'EPROTO') {
		return `${host} and Espalier found no way to speak TLS with each other (${code}).`;
	}
	return undefined;
}

function megabytes(bytes: number): string {
	return bytes < 1024 * 1024
		? `${Math.round(bytes / 1024)} KiB`
		: `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function ownProblem(error: unknown, host: string): Pick<Problem, 'code' | 'reason'> | undefined {
	if (error instanceof TooLarge) {
		const most = megabytes(error.capBytes);
		return {
			code: 'too-large',
			reason: `${host} sent more than ${most}, the most that is read of this.`,
		};
	}
	if (error instanceof errors.HTTPParserError) {
		return { code: 'malformed', reason: `${host} answered with something that is not HTTP.` };
	}
	if (error instanceof UnknownEncoding) {
		return { code: 'malformed', reason: `${host} packed its answer in a way that is not known.` };
	}
	if (error instanceof Truncated && codeOf(error.cause) !== 'UND_ERR_BODY_TIMEOUT') {
		return {
			code: 'truncated',
			reason: `${host} stopped in the middle, after ${error.receivedBytes} bytes.`,
		};
	}
	return undefined;
}

/** Maps what a connection to `endpoint` threw. Problems stay what they are; unknown errors are defects. */
export function transportProblem(error: unknown, endpoint: Endpoint, registry: string): Problem {
	const { host } = endpoint;
	if (error instanceof ProblemError) return { ...error.problem, registry };
	const own = ownProblem(error, host);
	if (own) return { ...own, origin: 'registry', registry };
	const raw = codeOf(error);
	if (raw === undefined) return problemOf(error);
	const tls = tlsReason(raw, host);
	if (tls !== undefined) return { code: 'tls-failure', origin: 'registry', reason: tls, registry };
	const code = codes[raw];
	if (code === undefined) return problemOf(error);
	const reason = sentences[code]?.(host) ?? `${host} answered with something that is not HTTP.`;
	return { code, origin: 'registry', reason, registry };
}
