/** Descriptors, indexes, manifests and image configs, read leniently: unknown fields are kept, known ones checked. */
import * as z from 'zod';
import { digestSchema, isDigestSyntax } from './digest.ts';
import { platformSchema } from './platform.ts';

const sizeSchema = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const annotationsSchema = z.record(z.string(), z.string());

const descriptorShape = {
	mediaType: z.string().max(255),
	size: sizeSchema,
	annotations: annotationsSchema.nullish(),
	artifactType: z.string().optional(),
};

/** A pointer to a blob whose digest can be verified. */
export const descriptorSchema = z.looseObject({ ...descriptorShape, digest: digestSchema });
export type Descriptor = z.infer<typeof descriptorSchema>;

/**
 * A child of an index. Its digest may use an algorithm that cannot be verified here:
 * such a child is shown as unchecked, and does not make the rest of its index unreadable.
 */
export const childSchema = z.looseObject({
	...descriptorShape,
	digest: z.string().max(255).refine(isDigestSyntax, 'not a digest'),
	platform: platformSchema.nullish(),
});
export type Child = z.infer<typeof childSchema>;

/** An index may list at most this many children (a hostile one could list millions). */
export const mostChildren = 10_000;

export const indexSchema = z.looseObject({
	schemaVersion: z.literal(2),
	mediaType: z.string().optional(),
	artifactType: z.string().optional(),
	manifests: z.array(childSchema).max(mostChildren),
	annotations: annotationsSchema.nullish(),
});
export type Index = z.infer<typeof indexSchema>;

export const imageManifestSchema = z.looseObject({
	schemaVersion: z.literal(2),
	mediaType: z.string().optional(),
	artifactType: z.string().optional(),
	config: descriptorSchema,
	layers: z.array(descriptorSchema).max(mostChildren),
	annotations: annotationsSchema.nullish(),
	subject: descriptorSchema.nullish(),
});
export type ImageManifest = z.infer<typeof imageManifestSchema>;

/** Removed from the specification, still met in registries (image-spec v1.1.0-rc2, artifact.md). */
export const artifactManifestSchema = z.looseObject({
	blobs: z.array(descriptorSchema).max(mostChildren).nullish(),
});

/** The parts of an image config that coverage needs (OCI image-spec, config.md). */
export const imageConfigSchema = z.looseObject({
	created: z.string().nullish(),
	os: z.string().max(128).default(''),
	architecture: z.string().max(128).default(''),
	variant: z.string().max(128).optional(),
	'os.version': z.string().max(128).optional(),
	'os.features': z
		.array(z.string())
		.nullish()
		.transform((features) => features ?? undefined),
	config: z.looseObject({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
	rootfs: z.looseObject({ diff_ids: z.array(z.string()).nullish() }).nullish(),
});
export type ImageConfig = z.infer<typeof imageConfigSchema>;

/** BuildKit's mark on a child that describes another child (attestation-storage.md). */
export const attestationAnnotations = {
	type: 'vnd.docker.reference.type',
	subject: 'vnd.docker.reference.digest',
} as const;

export function isAttestation(child: Child): boolean {
	return child.annotations?.[attestationAnnotations.type] !== undefined;
}
