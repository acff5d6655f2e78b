/**
 * Coverage: for one component and one platform, what the index promises and what is there.
 * The status union and its meaning are the same for page, command line, JSON and filter.
 */
import { listImages, type ListedImage } from '../index/images.ts';
import { failure } from '../index/image-state.ts';
import type { Digest } from '../oci/digest.ts';
import { comparePlatforms, type PlatformKey } from '../oci/platform.ts';
import { withDefaultTag, type Repository } from '../oci/reference.ts';
import type { Problem } from '../registry/problem.ts';
import type { DocumentResult } from '../registry/registries.ts';
import type { Component } from './image-references.ts';
import { isRelease, placeholderComponent, type ReleaseReading } from './read-release.ts';
import { componentSizes, imageSizeBytes, type ComponentSize } from './sizes.ts';

/** In the order of gravity: what comes first is shown first. */
export const statuses = [
	'broken',
	'mismatch',
	'missing',
	'placeholder',
	'unchecked',
	'extra',
	'exempt',
	'built',
] as const;

export type Status = (typeof statuses)[number];

/** What each status means, in the words that are shown. */
export const statusMeanings: Readonly<Record<Status, string>> = {
	broken: 'listed, but its manifest or config is not there or not what its digest says',
	mismatch: 'listed platform and config disagree',
	missing: 'expected, but not listed',
	placeholder: 'another image stands in for the missing build',
	unchecked: 'could not be looked at',
	extra: 'listed, but not expected',
	exempt: 'not needed, by policy',
	built: 'listed and there',
};

export interface Cell {
	readonly platform: PlatformKey;
	/** The release itself is made for this platform. */
	readonly expected: boolean;
	readonly status: Status;
	/** of the child; absent where nothing is listed */
	readonly digest?: string;
	readonly mediaType?: string;
	/** compressed: config and layers */
	readonly sizeBytes?: number;
	/** the component whose child it is */
	readonly placeholderOf?: string;
	/** why it is not built, as a sentence */
	readonly reason?: string;
	readonly problem?: Problem;
	/** not looked at yet, while reading goes on */
	readonly pending?: true;
	/** whether the listed platform was compared with the image's config */
	readonly compared?: boolean;
	readonly checkedAt?: number;
	/** where its manifest was read, where that is a mirror of the component's repository */
	readonly readFrom?: Repository;
}

export type ComponentRoot =
	| { readonly kind: 'pending' }
	| {
			readonly kind: 'failed';
			readonly reason: string;
			readonly status: 'broken' | 'unchecked';
			readonly problem?: Problem;
	  }
	| {
			readonly kind: 'read';
			readonly digest: Digest;
			readonly mediaType: string;
			/** where it was read, where that is a mirror of the component's repository */
			readonly readFrom?: Repository;
	  };

export interface ComponentCoverage extends ComponentSize {
	readonly component: Component;
	readonly root: ComponentRoot;
	/** In canonical order: all expected platforms, and what is listed besides. */
	readonly cells: readonly Cell[];
	readonly images: readonly ListedImage[];
	/** The gravest status of its cells. */
	readonly worst: Status;
}

export type StatusCounts = Readonly<Record<Status, number>>;

export interface PlatformCoverage {
	readonly platform: PlatformKey;
	readonly expected: boolean;
	readonly counts: StatusCounts;
}

export interface Coverage {
	/** Expected platforms in canonical order, then those that are only listed. */
	readonly platforms: readonly PlatformCoverage[];
	/** In the payload's order. */
	readonly components: readonly ComponentCoverage[];
	readonly counts: StatusCounts;
	/** Cells that reading has not come to yet; they count as unchecked. */
	readonly pending: number;
	/** Cells counted as built or extra whose platform was not compared with the image's config. */
	readonly uncompared: number;
}

/** What stands for builds that do not exist: the placeholder image's own child for each platform. */
type Placeholders =
	| { readonly kind: 'none' }
	| { readonly kind: 'pending' }
	| { readonly kind: 'unchecked'; readonly reason: string }
	| { readonly kind: 'known'; readonly digests: ReadonlyMap<PlatformKey, string> };

interface Row {
	readonly component: Component;
	readonly root: ComponentRoot;
	readonly images: readonly ListedImage[];
}

function rootOf(component: Component, result: DocumentResult | undefined): ComponentRoot {
	if (component.invalid) {
		return {
			kind: 'failed',
			status: 'broken',
			reason: `The payload names it by something that is no reference: ${component.invalid}`,
		};
	}
	if (!result) return { kind: 'pending' };
	if (result.ok) {
		const { digest, mediaType } = result.document;
		const { readFrom } = result;
		return { kind: 'read', digest, mediaType, ...(readFrom && { readFrom }) };
	}
	const { kind, reason } = failure('index', result.problem);
	return { kind: 'failed', status: kind, reason, problem: result.problem };
}

function rowOf(component: Component, reading: ReleaseReading): Row {
	const { reference } = component;
	const { documents } = reading;
	const result = reference && documents.byReference(withDefaultTag(reference));
	const root = rootOf(component, result);
	const images =
		reference && root.kind === 'read' ? listImages(reference, root.digest, documents) : [];
	return { component, root, images };
}

/** For each platform, the image that counts: the first. */
export function firstDigests(images: readonly ListedImage[]): ReadonlyMap<PlatformKey, string> {
	const digests = new Map<PlatformKey, string>();
	for (const { platform, digest } of images) {
		if (platform && !digests.has(platform)) digests.set(platform, digest);
	}
	return digests;
}

function placeholdersOf(rows: readonly Row[]): Placeholders {
	const row = rows.find(({ component }) => component.name === placeholderComponent);
	if (!row) return { kind: 'none' };
	if (row.root.kind === 'pending') return { kind: 'pending' };
	if (row.root.kind === 'failed') return { kind: 'unchecked', reason: row.root.reason };
	return { kind: 'known', digests: firstDigests(row.images) };
}

/** A cell before it is held against what the release is made for. */
type UnjudgedCell = Omit<Cell, 'expected'>;

function listedCell(image: ListedImage, platform: PlatformKey): UnjudgedCell {
	const { digest, mediaType, state } = image;
	const listed = { platform, digest, mediaType };
	switch (state.kind) {
		case 'pending':
			return { ...listed, status: 'unchecked', reason: 'Not read yet.', pending: true };
		case 'unchecked':
		case 'broken': {
			const { reason, problem } = state;
			return { ...listed, status: state.kind, reason, ...(problem && { problem }) };
		}
		case 'read': {
			const known = {
				...listed,
				sizeBytes: imageSizeBytes(state.manifest),
				compared: state.compared,
				checkedAt: state.checkedAt,
				...(state.readFrom && { readFrom: state.readFrom }),
			};
			return state.disagreement
				? { ...known, status: 'mismatch', reason: state.disagreement }
				: { ...known, status: 'built' };
		}
	}
}

/** Tells a build from a placeholder and from what was not expected. */
function judge(cell: Cell, component: Component, placeholders: Placeholders): Cell {
	const { platform, digest, expected } = cell;
	const judgeable = component.name !== placeholderComponent && placeholders.kind !== 'none';
	const stands = placeholders.kind === 'known' && digest === placeholders.digests.get(platform);
	if (judgeable && digest !== undefined && stands && cell.status !== 'broken') {
		const { pending: _, problem: __, ...rest } = cell;
		return {
			...rest,
			status: 'placeholder',
			placeholderOf: placeholderComponent,
			reason: `It is the ${placeholderComponent} image's own child for ${platform}, not a build of ${component.name}.`,
		};
	}
	if (cell.status !== 'built') return cell;
	if (judgeable && placeholders.kind === 'pending') {
		return {
			...cell,
			status: 'unchecked',
			pending: true,
			reason: `The ${placeholderComponent} image is not read yet.`,
		};
	}
	if (judgeable && placeholders.kind === 'unchecked') {
		return {
			...cell,
			status: 'unchecked',
			reason: `A placeholder cannot be told from a build, because the ${placeholderComponent} image could not be read: ${placeholders.reason}`,
		};
	}
	return expected
		? cell
		: { ...cell, status: 'extra', reason: `The release itself has no ${platform}.` };
}

/** A platform without a child of its own: missing, unless something unread might still be it. */
function unlistedCell({ root, images }: Row, platform: PlatformKey): UnjudgedCell {
	if (root.kind === 'pending') {
		return { platform, status: 'unchecked', reason: 'Not read yet.', pending: true };
	}
	if (root.kind === 'failed') {
		const { status, reason, problem } = root;
		return { platform, status, reason, ...(problem && { problem }) };
	}
	const undetermined = images.find(
		(image) => image.platform === undefined && image.state.kind !== 'read',
	);
	if (undetermined) return listedCell(undetermined, platform);
	return { platform, status: 'missing', reason: `Nothing is listed for ${platform}.` };
}

function cellsOf(
	row: Row,
	expected: readonly PlatformKey[],
	placeholders: Placeholders,
): readonly Cell[] {
	const byPlatform = new Map<PlatformKey, ListedImage>();
	for (const image of row.images) {
		if (image.platform && !byPlatform.has(image.platform)) byPlatform.set(image.platform, image);
	}
	const beyond = [...byPlatform.keys()]
		.filter((platform) => !expected.includes(platform))
		.toSorted(comparePlatforms);
	return [...expected, ...beyond].map((platform) => {
		const image = byPlatform.get(platform);
		const cell = image ? listedCell(image, platform) : unlistedCell(row, platform);
		return judge({ ...cell, expected: expected.includes(platform) }, row.component, placeholders);
	});
}

/** True for a cell that would be a mismatch if its config turned out to disagree. */
export function isUncompared({ status, compared }: Cell): boolean {
	return (status === 'built' || status === 'extra') && compared === false;
}

export function countStatuses(cells: Iterable<Cell>): StatusCounts {
	const counts = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<
		Status,
		number
	>;
	for (const { status } of cells) counts[status] += 1;
	return counts;
}

function worstOf(cells: readonly Cell[]): Status {
	return statuses.find((status) => cells.some((cell) => cell.status === status)) ?? 'built';
}

/** The platforms that the release itself is made for. */
export function expectedPlatforms(reading: ReleaseReading): readonly PlatformKey[] {
	const platforms = reading.images.flatMap(({ platform }) => platform ?? []);
	return [...new Set(platforms)].toSorted(comparePlatforms);
}

/** Decides coverage from what is known now. For something that is no release there are no components. */
export function assessCoverage(reading: ReleaseReading): Coverage {
	const expected = expectedPlatforms(reading);
	const components = isRelease(reading) ? (reading.payload?.imageReferences.components ?? []) : [];
	const rows = components.map((component) => rowOf(component, reading));
	const placeholders = placeholdersOf(rows);
	const sizes = componentSizes(rows.map(({ images }) => images));
	const covered = rows.map((row, at): ComponentCoverage => {
		const cells = cellsOf(row, expected, placeholders);
		return {
			...row,
			cells,
			worst: worstOf(cells),
			...(sizes[at] ?? { sizeBytes: 0, uniqueBytes: 0, sizesComplete: false }),
		};
	});
	const cells = covered.flatMap((row) => row.cells);
	const beyond = [...new Set(cells.map(({ platform }) => platform))]
		.filter((platform) => !expected.includes(platform))
		.toSorted(comparePlatforms);
	return {
		platforms: [...expected, ...beyond].map((platform) => ({
			platform,
			expected: expected.includes(platform),
			counts: countStatuses(cells.filter((cell) => cell.platform === platform)),
		})),
		components: covered,
		counts: countStatuses(cells),
		pending: cells.filter(({ pending }) => pending).length,
		uncompared: cells.filter(isUncompared).length,
	};
}
