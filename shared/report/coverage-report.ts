/** Coverage as a document: the documented, stable shape of `espalier audit --json`. */
import * as z from 'zod';
import { depths } from '../index/walk.ts';
import { formatReference, formatRepository, type Repository } from '../oci/reference.ts';
import { assessCoverage, statuses, type Cell, type Coverage } from '../release/coverage.ts';
import { releaseFacts } from '../release/facts.ts';
import type { ReleaseReading } from '../release/read-release.ts';
import { signatureReportSchema } from './signature-report.ts';

export const coverageSchemaName = 'espalier/coverage/v1';

const countsSchema = z.record(z.enum(statuses), z.number().int());

const platformCellSchema = z.object({
	platform: z.string(),
	status: z.enum(statuses),
	/** of the child */
	digest: z.string().optional(),
	/** compressed bytes: config and layers */
	size: z.number().int().optional(),
	/** the component whose child stands in */
	placeholderOf: z.string().optional(),
	/** why it is not built, for people */
	reason: z.string().optional(),
	/** the mirror where its manifest was read, instead of the component's own repository */
	readFrom: z.string().optional(),
});

/**
 * Version 1. Fields may be added; none changes its meaning or goes away without another `schema`.
 * All sizes are in bytes; `digest` beside a component is that of its index or image.
 */
export const coverageReportSchema = z.object({
	schema: z.literal(coverageSchemaName),
	release: z.object({
		/** what was read of every image: its manifest, or its config too, and so its platform compared */
		checked: z.enum(depths),
		/** as asked */
		reference: z.string(),
		name: z.string(),
		version: z.string(),
		digest: z.string(),
		mediaType: z.string(),
		created: z.string().optional(),
		platforms: z.array(z.string()),
		/** whether all release images carry the same payload */
		payloads: z.enum(['single', 'agree', 'same-components', 'differ', 'unchecked']),
		manifests: z.number().int(),
		previous: z.array(z.string()),
		next: z.array(z.string()),
		metadata: z.record(z.string(), z.unknown()),
		/** what is not as it should be, as sentences */
		findings: z.array(z.string()),
	}),
	totals: z.object({
		components: z.number().int(),
		cells: countsSchema,
		/** components that have at least one cell of a status */
		componentsWith: countsSchema,
		platforms: z.array(
			z.object({ platform: z.string(), expected: z.boolean(), cells: countsSchema }),
		),
	}),
	/** where signatures were looked at */
	signature: signatureReportSchema.optional(),
	components: z.array(
		z.object({
			name: z.string(),
			reference: z.string(),
			digest: z.string().optional(),
			mediaType: z.string().optional(),
			/** the mirror where it was read, instead of its own repository */
			readFrom: z.string().optional(),
			source: z.string().optional(),
			commit: z.string().optional(),
			/** distinct compressed bytes over all its images, and of those the ones no other component has */
			size: z.number().int(),
			uniqueSize: z.number().int(),
			platforms: z.array(platformCellSchema),
		}),
	),
});

export type CoverageReport = z.infer<typeof coverageReportSchema>;

/** Left out where something was read in its own repository. */
function readAt(readFrom: Repository | undefined): { readFrom?: string } {
	return readFrom ? { readFrom: formatRepository(readFrom) } : {};
}

function cellReport({
	platform,
	status,
	digest,
	sizeBytes,
	placeholderOf,
	reason,
	readFrom,
}: Cell) {
	return {
		platform,
		status,
		...(digest && { digest }),
		...(sizeBytes !== undefined && { size: sizeBytes }),
		...(placeholderOf && { placeholderOf }),
		...(reason && { reason }),
		...readAt(readFrom),
	};
}

function componentReports({ components }: Coverage): CoverageReport['components'] {
	return components.map(({ component, root, cells, sizeBytes, uniqueBytes }) => ({
		name: component.name,
		reference: component.pullspec,
		...(root.kind === 'read' && {
			digest: root.digest,
			mediaType: root.mediaType,
			...readAt(root.readFrom),
		}),
		...(component.source && { source: component.source }),
		...(component.commit && { commit: component.commit }),
		size: sizeBytes,
		uniqueSize: uniqueBytes,
		platforms: cells.map(cellReport),
	}));
}

/** Undefined where no payload could be read. */
export function coverageReport(reading: ReleaseReading): CoverageReport | undefined {
	const facts = releaseFacts(reading);
	if (!facts) return undefined;
	const coverage = assessCoverage(reading);
	const { agreement, manifestCount, entryCount: _, otherFiles: __, created, ...rest } = facts;
	return {
		schema: coverageSchemaName,
		release: {
			checked: reading.depth,
			reference: formatReference(reading.asked),
			...rest,
			...(created && { created }),
			platforms: [...facts.platforms],
			payloads: agreement.kind,
			manifests: manifestCount,
			previous: [...facts.previous],
			next: [...facts.next],
			findings: [...facts.findings],
		},
		totals: {
			components: coverage.components.length,
			cells: coverage.counts,
			componentsWith: Object.fromEntries(
				statuses.map((status) => [
					status,
					coverage.components.filter(({ cells }) => cells.some((cell) => cell.status === status))
						.length,
				]),
			) as Record<(typeof statuses)[number], number>,
			platforms: coverage.platforms.map(({ platform, expected, counts }) => ({
				platform,
				expected,
				cells: counts,
			})),
		},
		components: componentReports(coverage),
	};
}
