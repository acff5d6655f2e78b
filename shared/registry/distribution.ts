/** The distribution protocol as pure functions: what to ask, and what an answer means (distribution-spec v1.1). */
import { algorithmOf, type Digest } from '../oci/digest.ts';
import type { Document } from '../oci/document.ts';
import { manifestAccept } from '../oci/media-type.ts';
import {
	formatReference,
	formatRepository,
	type DigestReference,
	type Reference,
	type Repository,
} from '../oci/reference.ts';
import { push, type Access } from './access.ts';
import type { Problem, ProblemCode } from './problem.ts';
import {
	explainWriteRefusal,
	missingDigests,
	writeRefusalCode,
	type UpstreamError,
} from './write-refusal.ts';

export interface RegistryRequest {
	readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** from `/v2/` on; all parts were validated, so nothing needs escaping */
	readonly path: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly repository?: Repository;
	/** what is asked for, as people write it; for messages */
	readonly subject: string;
	/** what the login for it has to allow; reading, where it is left out */
	readonly access?: Access;
	readonly body?: Uint8Array;
}

/** True for a request that changes something. */
export function isWrite({ method }: Pick<RegistryRequest, 'method'>): boolean {
	return method !== 'GET' && method !== 'HEAD';
}

// Harbor behind nginx compresses manifests; a digest is of the bytes as sent, so ask for them plain.
const plain = { 'accept-encoding': 'identity' };

export function manifestRequest(
	reference: Reference,
	method: 'GET' | 'HEAD' = 'GET',
): RegistryRequest {
	return {
		method,
		path: `/v2/${reference.repository}/manifests/${reference.digest ?? reference.tag ?? 'latest'}`,
		headers: { accept: manifestAccept, ...plain },
		repository: reference,
		subject: formatReference(reference),
	};
}

export function blobRequest(
	reference: DigestReference,
	method: 'GET' | 'HEAD' = 'GET',
): RegistryRequest {
	return {
		method,
		path: `/v2/${reference.repository}/blobs/${reference.digest}`,
		headers: { accept: '*/*', ...plain },
		repository: reference,
		subject: formatReference(reference),
	};
}

/** The registry's own address, with whatever login this repository has (distribution-spec, "Determining Support"). */
export function pingRequest(repository: Repository): RegistryRequest {
	return {
		method: 'GET',
		path: '/v2/',
		headers: { accept: 'application/json', ...plain },
		repository,
		subject: repository.registry,
	};
}

export function tagsRequest(repository: Repository): RegistryRequest {
	return {
		method: 'GET',
		path: `/v2/${repository.repository}/tags/list?n=1000`,
		headers: { accept: 'application/json', ...plain },
		repository,
		subject: formatRepository(repository),
	};
}

export function referrersRequest(subject: DigestReference): RegistryRequest {
	return {
		method: 'GET',
		path: `/v2/${subject.repository}/referrers/${subject.digest}`,
		headers: { accept: 'application/vnd.oci.image.index.v1+json', ...plain },
		repository: subject,
		subject: formatReference(subject),
	};
}

export function repositoriesRequest(registry: string): RegistryRequest {
	return {
		method: 'GET',
		path: '/v2/_catalog?n=1000',
		headers: { accept: 'application/json', ...plain },
		subject: registry,
	};
}

function uploadsPath({ repository }: Repository, query: string): string {
	return `/v2/${repository}/blobs/uploads/${query}`;
}

/** Begins an upload (distribution-spec, "Pushing a blob monolithically"). */
export function startUploadRequest(blob: DigestReference): RegistryRequest {
	const algorithm = algorithmOf(blob.digest);
	return {
		method: 'POST',
		path: uploadsPath(blob, algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`),
		headers: plain,
		repository: blob,
		subject: formatReference(blob),
		access: push,
	};
}

/** Takes a blob over from another repository of the same registry, or begins an upload where that cannot be. */
export function mountRequest(blob: DigestReference, from: Repository): RegistryRequest {
	return {
		...startUploadRequest(blob),
		path: uploadsPath(blob, `?mount=${blob.digest}&from=${from.repository}`),
		access: { action: 'push', mountFrom: from.repository },
	};
}

/** Puts a manifest's bytes under a tag or a digest, with a condition where one is given. */
export function manifestPushRequest(
	to: Reference & ({ readonly tag: string } | { readonly digest: Digest }),
	manifest: Document,
	condition: Readonly<Record<string, string>> = {},
): RegistryRequest {
	return {
		...manifestRequest(to),
		method: 'PUT',
		headers: { 'content-type': manifest.mediaType, ...plain, ...condition },
		access: push,
		body: manifest.bytes,
	};
}

/** Removes a tag, and never what it points to: there is no way to ask for a digest here. */
export function tagRemovalRequest(
	{ registry, repository }: Repository,
	tag: string,
	condition: Readonly<Record<string, string>> = {},
): RegistryRequest {
	return {
		...manifestRequest({ registry, repository, tag }),
		method: 'DELETE',
		headers: { ...plain, ...condition },
		access: { action: 'delete' },
	};
}

/** The condition under which a tag may be written: it still is where it was seen (RFC 9110 §13.1). */
export function tagCondition(expect: Digest | 'absent'): Readonly<Record<string, string>> {
	return expect === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${expect}"` };
}

/** The same request with a login that may also write, so that looking before writing needs no second one. */
export function forWriting(request: RegistryRequest): RegistryRequest {
	return { ...request, access: push };
}

/** The tag under which registries without the referrers API keep them (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(digest: Digest): string {
	const colon = digest.indexOf(':');
	return `${digest.slice(0, colon).slice(0, 32)}-${digest.slice(colon + 1).slice(0, 64)}`;
}

export interface RegistryResponse {
	readonly status: number;
	readonly headers: Readonly<Record<string, string | undefined>>;
	/** at most 64 KiB */
	readonly body: string;
	/** what was sent and must not be shown, should the registry repeat it */
	readonly secrets?: readonly string[];
}

/** The entries of `{errors:[{code,message,detail}]}`; registries send anything, so nothing is taken for granted. */
function upstreamErrors(body: string): readonly UpstreamError[] {
	try {
		const { errors } = JSON.parse(body) as {
			errors?: readonly { code?: unknown; message?: unknown; detail?: unknown }[];
		};
		return (errors ?? []).map(({ code, message, detail }) => ({
			...(typeof code === 'string' && { code }),
			...(typeof message === 'string' && { message }),
			...(detail !== undefined && { detail: JSON.stringify(detail) }),
		}));
	} catch {
		return [];
	}
}

/** The text of a stranger as it may be shown: no logins, nothing that steers a terminal or turns text around, cut. */
function quotable(text: string, secrets: readonly string[], mostCharacters: number): string {
	const bare = secrets.reduce(
		(rest, secret) => rest.replaceAll(secret, '…'),
		text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' '),
	);
	return bare.replace(/\b(Basic|Bearer)\s+[^\s"',;]+/gi, '$1 …').slice(0, mostCharacters);
}

const longestWaitMs = 24 * 60 * 60 * 1000;

/** Retry-After in milliseconds: seconds, or a date held against `now` (RFC 9110 §10.2.3). A day at most. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
	if (header === undefined) return undefined;
	const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
	return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestWaitMs) : undefined;
}

function codeFor(
	status: number,
	upstream: string | undefined,
	kind: 'manifest' | 'blob' | 'listing',
): ProblemCode {
	if (status === 401) return 'unauthorized';
	if (status === 403) return 'denied';
	if (status === 429 || upstream === 'TOOMANYREQUESTS') return 'rate-limited';
	if (status === 404 || upstream === 'NAME_UNKNOWN' || upstream === 'MANIFEST_UNKNOWN') {
		if (upstream === 'NAME_UNKNOWN' || kind === 'listing') return 'repository-unknown';
		return kind === 'blob' ? 'blob-unknown' : 'manifest-unknown';
	}
	if (status === 408) return 'timeout';
	if (status === 405 || status === 501 || upstream === 'UNSUPPORTED') return 'unsupported';
	return 'registry-failure';
}

const sentences: Partial<Record<ProblemCode, (registry: string, subject: string) => string>> = {
	unauthorized: (registry, subject) => `${registry} wants a login before it shows ${subject}.`,
	denied: (registry, subject) => `${registry} does not let this account read ${subject}.`,
	'rate-limited': (registry) => `${registry} takes no more requests for now.`,
	'repository-unknown': (registry, subject) =>
		`${registry} knows no repository for ${subject}. Many registries say the same of repositories they hide.`,
	'manifest-unknown': (registry, subject) => `${registry} has no manifest ${subject}.`,
	'blob-unknown': (registry, subject) => `${registry} has no blob ${subject}.`,
};

function kindOf({ path }: RegistryRequest): 'manifest' | 'blob' | 'listing' {
	if (path.includes('/manifests/')) return 'manifest';
	return path.includes('/blobs/') ? 'blob' : 'listing';
}

interface Meaning {
	readonly code: ProblemCode;
	readonly reason: string;
}

function meaningOfRead(
	request: RegistryRequest,
	registry: string,
	{ status, code: upstream, said }: { status: number; code: string | undefined; said: string },
): Meaning {
	const code = codeFor(status, upstream, kindOf(request));
	const reason =
		sentences[code]?.(registry, request.subject) ??
		`${registry} answered ${status} to a request for ${request.subject}.${said}`;
	return { code, reason };
}

/**
 * What a refusal means. A missing repository may be 404, 401 or 403, depending on the registry:
 * the code follows the status, and the sentence says what else it can mean.
 */
export function problemFrom(
	request: RegistryRequest,
	registry: string,
	response: RegistryResponse,
	now: number,
): Problem {
	const errors = upstreamErrors(response.body);
	const { code: upstreamCode, message } = errors[0] ?? {};
	const { status, secrets = [] } = response;
	const said = message ? ` It says: ${quotable(message, secrets, 300)}` : '';
	const missing = isWrite(request) ? missingDigests(request, errors) : [];
	const { code, reason } = isWrite(request)
		? explainWriteRefusal(writeRefusalCode(request, status, errors), {
				request,
				registry,
				status,
				said,
				missing,
			})
		: meaningOfRead(request, registry, { status, code: upstreamCode, said });
	const requestId =
		response.headers['x-request-id'] ??
		response.headers['x-ms-request-id'] ??
		response.headers['x-amzn-requestid'];
	const wait = retryAfterMs(response.headers['retry-after'], now);
	return {
		code,
		origin: 'registry',
		reason,
		registry,
		reference: request.subject,
		status,
		...(upstreamCode && { upstreamCode: quotable(upstreamCode, secrets, 100) }),
		...(requestId && { requestId: quotable(requestId, secrets, 200) }),
		...(wait !== undefined && { retryAfterMs: wait }),
		...(code === 'parts-missing' && missing.length > 0 && { missing: [...missing] }),
	};
}
