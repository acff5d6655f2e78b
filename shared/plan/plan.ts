/**
 * A plan: everything that a write will do, decided beforehand, with every final digest in it.
 * Whatever is published (a pruned release, an undone one) becomes the same four kinds of steps.
 */
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../oci/reference.ts';
import type { PlanSubject } from './subject.ts';

/** A blob or manifest that steps speak of. */
export interface Content {
	readonly digest: Digest;
	readonly sizeBytes: number;
	readonly mediaType: string;
	/** Only where this plan made it; everything else is copied by digest. */
	readonly bytes?: Uint8Array;
}

/** Numbers are places in the plan's tables `contents` and `repositories`. */
export type Step =
	/** copied by digest, best source first, mounted where source and target share a registry */
	| {
			readonly kind: 'blob';
			readonly content: number;
			readonly to: number;
			readonly from: readonly number[];
	  }
	/** a blob that this plan made */
	| { readonly kind: 'upload'; readonly content: number; readonly to: number }
	/** by digest; `from` is empty where the plan made it, `needs` are its blobs and children */
	| {
			readonly kind: 'manifest';
			readonly content: number;
			readonly to: number;
			readonly from: readonly number[];
			readonly needs: readonly number[];
			/** of a sparse index: children that it lists and that are not to be there for its sake */
			readonly without?: readonly Digest[] | undefined;
	  }
	/** set, or removed where `content` is undefined, if it is still where it was seen */
	| {
			readonly kind: 'tag';
			readonly content: number | undefined;
			readonly to: number;
			readonly tag: string;
			readonly expect: Digest | 'absent';
	  };

export type BlobStep = Extract<Step, { kind: 'blob' }>;
export type UploadStep = Extract<Step, { kind: 'upload' }>;
export type ManifestStep = Extract<Step, { kind: 'manifest' }>;
export type TagStep = Extract<Step, { kind: 'tag' }>;

export interface Plan {
	/** `planId` of everything else in it: the same decisions over the same content have the same id everywhere. */
	readonly id: Digest;
	readonly subject: PlanSubject;
	readonly repositories: readonly Repository[];
	readonly contents: readonly Content[];
	/** Blobs, uploads, manifests (children before what lists them), tags; the root's tag is the very last. */
	readonly steps: readonly Step[];
}

/** A place in one of a plan's tables that its own steps name; `parsePlan` made sure that it is there. */
function at<T>(table: readonly T[], place: number): T {
	const entry = table[place];
	if (entry === undefined) throw new RangeError(`the plan has no entry ${place}`);
	return entry;
}

export function contentAt(plan: Plan, place: number): Content {
	return at(plan.contents, place);
}

export function repositoryAt(plan: Plan, place: number): Repository {
	return at(plan.repositories, place);
}

/** The steps of one kind, in plan order. */
export function stepsOf<K extends Step['kind']>(
	plan: Pick<Plan, 'steps'>,
	kind: K,
): readonly Extract<Step, { kind: K }>[] {
	return plan.steps.filter((step): step is Extract<Step, { kind: K }> => step.kind === kind);
}

/** True for a manifest that is only looked for where it is: what is below it was never to be copied. */
export function isInPlace({ from, to }: ManifestStep): boolean {
	return from.includes(to);
}
