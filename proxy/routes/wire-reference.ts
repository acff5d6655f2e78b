/** References as they come in: in bodies as objects, in query strings as people write them; never as URLs (D10). */
import type { Context } from 'hono';
import type * as z from 'zod';
import type { digestReferenceSchema, referenceSchema } from '../../shared/api/schema.ts';
import {
	hasDigest,
	isRegistry,
	parseReference,
	storeRegistry,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../shared/oci/reference.ts';
import type { Problem } from '../../shared/registry/problem.ts';

export type Read<T> =
	{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

function invalid(reason: string): { readonly ok: false; readonly problem: Problem } {
	return { ok: false, problem: { code: 'reference-invalid', origin: 'proxy', reason } };
}

export function toReference(wire: z.infer<typeof referenceSchema>): Reference {
	const { registry, repository, tag, digest } = wire;
	return {
		registry,
		repository,
		...(tag !== undefined && { tag }),
		...(digest !== undefined && { digest }),
	};
}

export function toDigestReference(wire: z.infer<typeof digestReferenceSchema>): DigestReference {
	const { registry, repository, tag, digest } = wire;
	return { registry, repository, digest, ...(tag !== undefined && { tag }) };
}

/** The value of a parameter that must be there exactly once. */
function readOnce(c: Context, name: string): Read<string> {
	const [value, ...more] = c.req.queries(name) ?? [];
	if (value === undefined) return invalid(`The query has no “${name}”.`);
	if (more.length > 0) return invalid(`The query has “${name}” more than once.`);
	return { ok: true, value };
}

function readReference(c: Context, name: string): Read<Reference> {
	const text = readOnce(c, name);
	if (!text.ok) return text;
	const parsed = parseReference(text.value);
	return parsed.ok ? { ok: true, value: parsed.reference } : invalid(parsed.reason);
}

/** `?reference=host/path@digest` */
export function readDigestReference(c: Context): Read<DigestReference> {
	const read = readReference(c, 'reference');
	if (!read.ok) return read;
	return hasDigest(read.value)
		? { ok: true, value: read.value }
		: invalid('The reference has no digest.');
}

/** `?repository=host/path` */
export function readRepository(c: Context): Read<Repository> {
	const read = readReference(c, 'repository');
	if (!read.ok) return read;
	const { registry, repository, tag, digest } = read.value;
	return tag === undefined && digest === undefined
		? { ok: true, value: { registry, repository } }
		: invalid('A repository has neither tag nor digest.');
}

function isRegistryName(text: string): boolean {
	return text === storeRegistry || isRegistry(text);
}

/** `?registry=host` */
export function readRegistry(c: Context): Read<string> {
	const read = readOnce(c, 'registry');
	if (!read.ok || isRegistryName(read.value)) return read;
	return invalid(`“${read.value.slice(0, 300)}” is not a registry.`);
}

/** `?size=bytes`: as a descriptor states it; may be absent. */
export function readSize(c: Context): Read<number | undefined> {
	if (c.req.query('size') === undefined) return { ok: true, value: undefined };
	const read = readOnce(c, 'size');
	if (!read.ok) return read;
	return /^\d{1,15}$/.test(read.value)
		? { ok: true, value: Number(read.value) }
		: invalid(`“${read.value.slice(0, 300)}” is not a size.`);
}

/** `?namedBy=host`: the registry whose content named the reference; may be absent. */
export function readNamedBy(c: Context): Read<string | undefined> {
	if (c.req.query('namedBy') === undefined) return { ok: true, value: undefined };
	const read = readOnce(c, 'namedBy');
	if (!read.ok || isRegistryName(read.value)) return read;
	return invalid(`“${read.value.slice(0, 300)}” is not a registry.`);
}
