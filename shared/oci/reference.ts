/**
 * References: `[registry/]repository[:tag][@digest]`
 * (distribution-spec "Pulling manifests"; the Docker rules for short names).
 */
import { isDigest, isDigestSyntax, type Digest } from './digest.ts';

/** A place in a registry: the host as written (`quay.io`, `localhost:5000`) and the repository path. */
export interface Repository {
	readonly registry: string;
	readonly repository: string;
}

/** A manifest by name. Where both are there, the digest decides and the tag is for display only. */
export interface Reference extends Repository {
	readonly tag?: string;
	readonly digest?: Digest;
}

export interface DigestReference extends Repository {
	readonly tag?: string;
	readonly digest: Digest;
}

export type ParsedReference =
	| { readonly ok: true; readonly reference: Reference }
	| { readonly ok: false; readonly reason: string };

/** The embedded registry's reserved name: such references stay valid on another port. */
export const storeRegistry = 'store';

const dockerHub = 'docker.io';
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const hostPattern =
	/^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:.]+\])(?::[1-9][0-9]{0,4})?$/;
const longestName = 255;
/** A DNS name and a port. */
const longestHost = 253 + ':65535'.length;

export function isTag(text: string): boolean {
	return tagPattern.test(text);
}

/** True where a URL with this host leads to what is written, and not to an address that some numbers stand for. */
function isWhatItSays(host: string): boolean {
	try {
		const { hostname } = new URL(`https://${host}`);
		return hostname.startsWith('[') || hostname === host.replace(/:[0-9]+$/, '').toLowerCase();
	} catch {
		return false;
	}
}

export function isRegistry(text: string): boolean {
	return text.length <= longestHost && hostPattern.test(text) && isWhatItSays(text);
}

export function isRepositoryName(text: string): boolean {
	return text.length <= longestName && text.split('/').every((part) => component.test(part));
}

function namesHost(firstComponent: string): boolean {
	return (
		/[.:[]/.test(firstComponent) ||
		firstComponent === 'localhost' ||
		firstComponent === storeRegistry ||
		firstComponent !== firstComponent.toLowerCase()
	);
}

function splitHost(name: string): Repository {
	const slash = name.indexOf('/');
	const first = slash < 0 ? '' : name.slice(0, slash);
	if (slash < 0 || !namesHost(first)) {
		return { registry: dockerHub, repository: slash < 0 ? `library/${name}` : name };
	}
	const rest = name.slice(slash + 1);
	const host = first.toLowerCase();
	if (host === dockerHub || host === 'index.docker.io' || host === 'registry-1.docker.io') {
		return { registry: dockerHub, repository: rest.includes('/') ? rest : `library/${rest}` };
	}
	// In lower case a bare word would be a part of a repository of Docker Hub when it is read again.
	return { registry: namesHost(host) ? host : first, repository: rest };
}

function refuse(reason: string): ParsedReference {
	return { ok: false, reason };
}

/**
 * Reads what people type or paste. `docker://` in front is accepted, a missing registry means Docker Hub,
 * a missing tag stays missing (`withDefaultTag` fills it in).
 * The reason of a refusal is a sentence that quotes what was wrong.
 */
export function parseReference(text: string): ParsedReference {
	const written = text
		.trim()
		.replace(/^(?:docker|podman|nerdctl)\s+pull\s+/, '')
		.replace(/^docker:\/\//, '');
	if (written === '') {
		return refuse('There is nothing here yet. Type an image or release reference.');
	}
	if (/^[a-z]+:\/\//i.test(written)) {
		return refuse(`“${written}” is a web address; a reference has no “https://” in front.`);
	}
	if (isDigest(written.replace(/^@/, ''))) {
		return refuse('This is a digest without a repository; write registry/repository@sha256:….');
	}
	const at = written.indexOf('@');
	const digest = at < 0 ? undefined : written.slice(at + 1);
	if (digest !== undefined && !isDigest(digest)) {
		return refuse(
			isDigestSyntax(digest)
				? `“${digest}” is not a digest that can be verified: it must be sha256 with 64 or sha512 with 128 lower-case hex digits.`
				: `“${digest}” is not a digest: after “@” comes sha256: and 64 lower-case hex digits.`,
		);
	}
	const beforeDigest = at < 0 ? written : written.slice(0, at);
	const colon = beforeDigest.lastIndexOf(':');
	const hasTag = colon > beforeDigest.lastIndexOf('/');
	const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined;
	if (tag !== undefined && !isTag(tag)) {
		return refuse(
			`“${tag}” is not a tag: letters, digits, “_”, “.” and “-”, at most 128, no “.” or “-” in front.`,
		);
	}
	const name = splitHost(hasTag ? beforeDigest.slice(0, colon) : beforeDigest);
	if (name.registry !== storeRegistry && !(isRegistry(name.registry) && namesHost(name.registry))) {
		return refuse(
			`“${name.registry}” is not a registry: a host name, with “:” and a port where needed.`,
		);
	}
	if (!isRepositoryName(name.repository)) {
		const typed = beforeDigest.includes('/') ? name.repository : beforeDigest;
		return refuse(
			`“${typed}” is not a repository: lower-case letters and digits in parts joined by “/”, and “.”, “_” or “-” inside a part.`,
		);
	}
	return { ok: true, reference: { ...name, ...(tag && { tag }), ...(digest && { digest }) } };
}

/** `latest`, where neither tag nor digest was given. */
export function withDefaultTag(reference: Reference): Reference {
	return reference.tag || reference.digest ? reference : { ...reference, tag: 'latest' };
}

export function formatRepository({ registry, repository }: Repository): string {
	return `${registry}/${repository}`;
}

export function formatReference(reference: Reference): string {
	const tag = reference.tag ? `:${reference.tag}` : '';
	const digest = reference.digest ? `@${reference.digest}` : '';
	return `${formatRepository(reference)}${tag}${digest}`;
}

/** A repository as `formatRepository` writes it; undefined for anything shorter, longer or otherwise. */
export function parseRepository(text: string): Repository | undefined {
	const parsed = parseReference(text);
	if (!parsed.ok) return undefined;
	const { registry, repository } = parsed.reference;
	return formatRepository({ registry, repository }) === text ? { registry, repository } : undefined;
}

/** The same repository, by digest. */
export function byDigest({ registry, repository }: Repository, digest: Digest): DigestReference {
	return { registry, repository, digest };
}

export function hasDigest(reference: Reference): reference is DigestReference {
	return reference.digest !== undefined;
}
