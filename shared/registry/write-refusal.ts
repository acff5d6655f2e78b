/** What it means that a registry does not take something: by status and code, and by text where there is nothing else. */
import { isDigest, type Digest } from '../oci/digest.ts';
import { formatRepository, type Repository } from '../oci/reference.ts';
import type { RegistryRequest } from './distribution.ts';
import type { Problem, ProblemCode } from './problem.ts';

/** One entry of a registry's error body. */
export interface UpstreamError {
	readonly code?: string;
	readonly message?: string;
	/** as JSON */
	readonly detail?: string;
}

interface Refused {
	readonly target: 'manifest' | 'tag' | 'removal' | 'blob';
	readonly status: number;
	readonly codes: readonly string[];
	/** messages and details together */
	readonly text: string;
	readonly missing: readonly Digest[];
}

const digestPattern = /(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})/g;

function targetOf({ method, path }: RegistryRequest): Refused['target'] {
	if (method === 'DELETE') return 'removal';
	const manifest = /\/manifests\/([^/]*)$/.exec(path)?.[1];
	if (manifest === undefined) return 'blob';
	return manifest.includes(':') ? 'manifest' : 'tag';
}

function isStorageFull({ status, codes, text }: Refused): boolean {
	if (status === 507 || codes.includes('QUOTA_EXCEEDED')) return true;
	// docker-registry's filesystem driver gives the number alone where it cannot begin an upload: ENOSPC, EDQUOT.
	if (/"DriverName":"filesystem".*"Err":(?:28|122)\b/.test(text)) return true;
	return /no space left on device|disk quota|\bquota\b/i.test(text);
}

function isTooLarge({ status, text }: Refused): boolean {
	// docker-registry answers 400 MANIFEST_INVALID to a manifest beyond 4 MiB.
	return status === 413 || /request body too large/i.test(text);
}

function isTagImmutable({ target, status, codes, text }: Refused): boolean {
	if (target !== 'tag' && target !== 'removal') return false;
	if (codes.some((code) => /TAG_?IMMUTABLE|IMAGE_?TAG_?ALREADY_?EXISTS/i.test(code))) return true;
	if (/immutab|ImageTagAlreadyExists/i.test(text)) return true;
	return target === 'tag' && status === 409;
}

/** Quay says MANIFEST_INVALID of an index, and names the child that is not there in its message. */
function namesMissingChild({ text, missing }: Refused): boolean {
	return /child|not found|unknown/i.test(text) && missing.length > 0;
}

function isPartsMissing(refused: Refused): boolean {
	const { target, codes } = refused;
	if (target !== 'manifest' && target !== 'tag') return false;
	if (codes.some((code) => ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN'].includes(code))) return true;
	const says = codes.includes('MANIFEST_INVALID') || codes.includes('MANIFEST_UNKNOWN');
	return says && namesMissingChild(refused);
}

function isManifestRefused({ target, status, codes }: Refused): boolean {
	if (target !== 'manifest' && target !== 'tag') return false;
	const refusals = ['MANIFEST_INVALID', 'MANIFEST_UNVERIFIED', 'UNSUPPORTED'];
	return status === 415 || codes.some((code) => refusals.includes(code));
}

function isUnsupported({ target, status, codes }: Refused): boolean {
	if (status === 405 || status === 501 || codes.includes('UNSUPPORTED')) return true;
	return target === 'removal' && status === 400;
}

function isRepositoryUnknown({ status, codes }: Refused): boolean {
	return codes.includes('NAME_UNKNOWN') || (status === 404 && codes.length === 0);
}

const always = (): boolean => true;

/** The first that holds is the meaning. What is passing comes before what the text may say. */
const meanings: readonly (readonly [ProblemCode, (refused: Refused) => boolean])[] = [
	['unauthorized', ({ status }) => status === 401],
	['rate-limited', ({ status, codes }) => status === 429 || codes.includes('TOOMANYREQUESTS')],
	['storage-full', isStorageFull],
	['too-large', isTooLarge],
	['tag-immutable', isTagImmutable],
	[
		'policy-refused',
		({ status, codes }) => status === 412 || codes.includes('PROJECTPOLICYVIOLATION'),
	],
	['denied', ({ status, codes }) => status === 403 || codes.includes('DENIED')],
	['parts-missing', isPartsMissing],
	['repository-unknown', isRepositoryUnknown],
	['manifest-refused', isManifestRefused],
	[
		'reference-invalid',
		({ codes }) => codes.includes('NAME_INVALID') || codes.includes('TAG_INVALID'),
	],
	['unsupported', isUnsupported],
	['digest-mismatch', ({ target, codes }) => target === 'blob' && codes.includes('DIGEST_INVALID')],
	['timeout', ({ status }) => status === 408],
	['registry-failure', always],
];

/** The problem that a refused write is. */
export function writeRefusalCode(
	request: RegistryRequest,
	status: number,
	errors: readonly UpstreamError[],
): ProblemCode {
	const refused: Refused = {
		target: targetOf(request),
		status,
		codes: errors.flatMap(({ code }) => (code === undefined ? [] : [code])),
		text: errors.map(({ message, detail }) => `${message ?? ''} ${detail ?? ''}`).join(' '),
		missing: missingDigests(request, errors),
	};
	return meanings.find(([, holds]) => holds(refused))?.[0] ?? 'registry-failure';
}

interface Circumstances {
	readonly request: RegistryRequest;
	readonly registry: string;
	readonly status: number;
	/** what the registry says itself, as it may be shown, with a space in front; or '' */
	readonly said: string;
	/** the parts that the registry names as not there */
	readonly missing: readonly Digest[];
}

const mostNamed = 3;
const mostListed = 1000;

/** The digests that a refusal of a manifest names, without the manifest's own. */
export function missingDigests(
	{ path }: Pick<RegistryRequest, 'path'>,
	errors: readonly UpstreamError[],
): readonly Digest[] {
	const text = errors.map(({ message, detail }) => `${message ?? ''} ${detail ?? ''}`).join(' ');
	const named = [...new Set(text.match(digestPattern))];
	return named
		.filter((digest) => !path.endsWith(digest))
		.filter(isDigest)
		.slice(0, mostListed);
}

function missingParts({ missing }: Circumstances): string {
	if (missing.length === 0) return '.';
	const more = missing.length - mostNamed;
	return `: ${missing.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}.`;
}

type Sentence = (registry: string, subject: string, circumstances: Circumstances) => string;

const sentences: Partial<Record<ProblemCode, Sentence>> = {
	unauthorized: (registry, subject) => `${registry} wants a login before it takes ${subject}.`,
	'rate-limited': (registry) => `${registry} takes no more requests for now.`,
	denied: (registry, subject, { request, said }) =>
		`${registry} does not let this account write to ${request.repository ? formatRepository(request.repository) : subject}.${said}`,
	'storage-full': (registry, subject, { said }) =>
		`${registry} has no room left for ${subject}.${said}`,
	'too-large': (registry, subject, { said }) =>
		`${registry} takes nothing as large as ${subject}.${said}`,
	'tag-immutable': (registry, subject, { said }) =>
		`${registry} does not let the tag ${subject} be changed.${said}`,
	'policy-refused': (registry, subject, { said }) =>
		`A rule of ${registry} forbids to write ${subject}.${said}`,
	'parts-missing': (registry, subject, circumstances) =>
		`${registry} does not take ${subject}, as it misses parts of it${missingParts(circumstances)}`,
	'repository-unknown': (registry, subject) =>
		`${registry} knows no repository for ${subject}. Some registries want it created before anything is written to it.`,
	'reference-invalid': (registry, subject, { said }) =>
		`${registry} does not take the name ${subject}.${said}`,
	'manifest-refused': (registry, subject, { said }) =>
		`${registry} does not take the manifest ${subject}.${said}`,
	'digest-mismatch': (registry, subject, { said }) =>
		`${registry} received other bytes than those of ${subject}.${said}`,
};

/** A refused write as a sentence. */
export function explainWriteRefusal(
	code: ProblemCode,
	circumstances: Circumstances,
): { readonly code: ProblemCode; readonly reason: string } {
	const { request, registry, status, said } = circumstances;
	const { subject } = request;
	if (code === 'unsupported' && request.method === 'DELETE') {
		// Without the tag's name: whatever it keeps, it keeps for one reason.
		return { code, reason: `${registry} removes no tags, so they stay.${said}` };
	}
	const reason =
		sentences[code]?.(registry, subject, circumstances) ??
		`${registry} answered ${status} to an attempt to write ${subject}.${said}`;
	return { code, reason };
}

/** True where a registry, or who hands out its tokens, does not let this login in. */
export function refusesLogin({ code }: Problem): boolean {
	return code === 'unauthorized' || code === 'denied' || code === 'credentials-unusable';
}

/** That a repository shows nothing, not even with the login that is to write there; `refusal` is what it said. */
export function refusedToWriter(refusal: Problem, repository: Repository): Problem {
	const name = formatRepository(repository);
	const reason = `This account may not write to ${name}, or that repository has to be created first, as some registries want it. ${refusal.reason}`;
	return { ...refusal, reason };
}
