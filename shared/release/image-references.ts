/** `release-manifests/image-references`: the ImageStream that names a release and its components. */
import * as z from 'zod';
import { readJson } from '../oci/json-value.ts';
import { parseReference, type Reference } from '../oci/reference.ts';
import { ProblemError } from '../registry/problem.ts';

const tagSchema = z.looseObject({
	// Component names are DNS-like; anything else would only deceive a reader.
	name: z.string().regex(/^[\w.-]{1,253}$/, 'not a component name'),
	annotations: z.record(z.string(), z.string()).nullish(),
	from: z.looseObject({ kind: z.string(), name: z.string() }).nullish(),
});

const imageStreamSchema = z.looseObject({
	kind: z.literal('ImageStream'),
	apiVersion: z.literal('image.openshift.io/v1'),
	metadata: z.looseObject({
		name: z.string().min(1),
		creationTimestamp: z.string().nullish(),
		annotations: z.record(z.string(), z.string()).nullish(),
	}),
	spec: z.looseObject({ tags: z.array(tagSchema).max(10_000) }),
});

/** One image of a release, under the name its payload gives it. */
export interface Component {
	readonly name: string;
	/** as the payload writes it */
	readonly pullspec: string;
	/** undefined where the pullspec is no reference; `invalid` then says why */
	readonly reference: Reference | undefined;
	readonly invalid?: string;
	readonly source?: string;
	readonly commit?: string;
	/** such as `{ kubernetes: '1.25.4' }` */
	readonly versions: Readonly<Record<string, string>>;
}

export interface ImageReferences {
	readonly name: string;
	readonly created: string | undefined;
	/** In the payload's order. */
	readonly components: readonly Component[];
	/** Tags that no consumer reads: without `from`, or of another kind than DockerImage. */
	readonly ignored: readonly string[];
}

const annotationNames = {
	source: 'io.openshift.build.source-location',
	commit: 'io.openshift.build.commit.id',
	versions: 'io.openshift.build.versions',
} as const;

/** Reads `k=v,k2=v2`; parts that are not of that form are left out. */
function parseVersions(text: string): Record<string, string> {
	return Object.fromEntries(
		text.split(',').flatMap((part) => {
			const equals = part.indexOf('=');
			return equals > 0 ? [[part.slice(0, equals).trim(), part.slice(equals + 1).trim()]] : [];
		}),
	);
}

function toComponent(tag: z.infer<typeof tagSchema>, pullspec: string): Component {
	const parsed = parseReference(pullspec);
	const source = tag.annotations?.[annotationNames.source];
	const commit = tag.annotations?.[annotationNames.commit];
	return {
		name: tag.name,
		pullspec,
		reference: parsed.ok ? parsed.reference : undefined,
		...(!parsed.ok && { invalid: parsed.reason }),
		...(source && { source }),
		...(commit && { commit }),
		versions: parseVersions(tag.annotations?.[annotationNames.versions] ?? ''),
	};
}

function refuse(why: string): never {
	throw new ProblemError({
		code: 'payload-invalid',
		origin: 'content',
		reason: `The payload's image-references cannot be read: ${why}.`,
	});
}

/** @throws ProblemError `payload-invalid` for anything but exactly one well-formed ImageStream with unique tags */
export function parseImageReferences(text: string): ImageReferences {
	const read = readJson(text);
	if (!read.ok) refuse(read.why);
	const result = imageStreamSchema.safeParse(read.value);
	if (!result.success) {
		const [issue] = result.error.issues;
		refuse(
			issue ? `${issue.path.join('.').slice(0, 200)}: ${issue.message}` : 'unexpected content',
		);
	}
	const { metadata, spec } = result.data;
	const names = new Set<string>();
	const components: Component[] = [];
	const ignored: string[] = [];
	for (const tag of spec.tags) {
		if (names.has(tag.name)) refuse(`it names ${tag.name} twice`);
		names.add(tag.name);
		if (tag.from?.kind === 'DockerImage') components.push(toComponent(tag, tag.from.name));
		else ignored.push(tag.name);
	}
	return {
		name: metadata.name,
		created: metadata.creationTimestamp ?? undefined,
		components,
		ignored,
	};
}
