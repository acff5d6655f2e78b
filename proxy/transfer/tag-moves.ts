/** Moves tags, all or none as far as can be seen beforehand, and each only from where it is expected. */
import type { Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import { byDigest, formatReference } from '../../shared/oci/reference.ts';
import { problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { RegistryReader, TagMove, TagMoveResult } from '../../shared/registry/registries.ts';
import { readManifest } from './manifest-push.ts';
import type { Target } from './target.ts';

export interface TagSurroundings {
	readonly reader: RegistryReader;
	readonly target: Target;
	readonly signal?: AbortSignal | undefined;
}

/** What became of a move, without the request. */
export type TagOutcome =
	| { readonly state: 'moved' | 'already-there' | 'held-back' }
	| { readonly state: 'conflict'; readonly found: Digest | 'absent' }
	| { readonly state: 'failed'; readonly problem: Problem };

/** A tag that is where it is expected, and the manifest that it shall point to; none where it is to go. */
export interface ReadyMove {
	readonly state: 'ready';
	readonly manifest: Document | undefined;
}

export function keyOfMove(move: TagMove): string {
	const { registry, repository, tag, digest, expect } = move;
	return `${formatReference({ registry, repository, tag })} ${expect} ${digest}`;
}

export function withRequest(move: TagMove, outcome: TagOutcome): TagMoveResult {
	return { move, ...outcome };
}

/** Looks where the tag is, and whether its manifest is there; writes nothing. */
export async function prepareMove(
	move: TagMove,
	{ reader, target, signal }: TagSurroundings,
): Promise<ReadyMove | TagOutcome> {
	try {
		const found = await target.resolveTag(move, move.tag, signal);
		if (found === move.digest) return { state: 'already-there' };
		if (found !== move.expect) return { state: 'conflict', found };
		if (move.digest === 'absent') return { state: 'ready', manifest: undefined };
		const request = { reference: byDigest(move, move.digest), forWriting: true };
		const manifest = await readManifest(reader, request, signal);
		return { state: 'ready', manifest };
	} catch (error) {
		signal?.throwIfAborted();
		return { state: 'failed', problem: problemOf(error) };
	}
}

/** Where one cannot be moved, those that could are held back. */
export function heldBackByOthers(prepared: readonly (ReadyMove | TagOutcome)[]): boolean {
	return prepared.some(({ state }) => state === 'conflict' || state === 'failed');
}

export async function makeMove(
	move: TagMove,
	manifest: Document | undefined,
	{ target, signal }: Omit<TagSurroundings, 'reader'>,
): Promise<TagOutcome> {
	const { registry, repository, tag, expect } = move;
	const write = { registry, repository, tag, expect };
	try {
		const outcome = manifest
			? await target.setTag(write, manifest, signal)
			: await target.removeTag(write, signal);
		return typeof outcome === 'string'
			? { state: 'moved' }
			: { state: 'conflict', found: outcome.found };
	} catch (error) {
		signal?.throwIfAborted();
		return { state: 'failed', problem: problemOf(error) };
	}
}
