/** Undoing a run: tags back to where they were. What was copied stays, as content under digests harms nobody. */
import { Documents } from '../index/documents.ts';
import {
	formatReference,
	formatRepository,
	parseRepository,
	type Repository,
} from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { ProblemError, saysAbsent } from '../registry/problem.ts';
import type { CallOptions, RegistryReader } from '../registry/registries.ts';
import { planId } from './plan-id.ts';
import type { Content, ManifestStep, Plan, TagStep } from './plan.ts';
import type { Receipt } from './receipt.ts';

interface MovedTag {
	readonly repository: Repository;
	readonly tag: string;
	readonly before: Receipt['tags'][number]['before'];
	readonly after: Receipt['tags'][number]['after'];
	readonly moved: boolean;
}

function movedTags(receipt: Receipt): readonly MovedTag[] {
	return receipt.tags.flatMap(({ before, after, tag, moved, repository: text }) => {
		const repository = parseRepository(text);
		return repository && before !== after ? [{ repository, tag, before, after, moved }] : [];
	});
}

/** What tags pointed to, read where it was: without it there is nothing to go back to. */
async function readBefore(
	registries: RegistryReader,
	tags: readonly MovedTag[],
	options: CallOptions,
): Promise<Documents> {
	const documents = new Documents();
	const requests = tags.flatMap(({ repository, before }) =>
		before === 'absent' ? [] : [{ reference: { ...repository, digest: before }, forWriting: true }],
	);
	for await (const result of registries.readManifests(requests, options)) {
		documents.addManifest(result);
		if (!result.ok && !saysAbsent(result.problem)) throw new ProblemError(result.problem);
	}
	return documents;
}

function isGone({ repository, before }: MovedTag, documents: Documents): boolean {
	return before !== 'absent' && !documents.manifest(repository, before)?.ok;
}

function goneNote({ repository, tag, before }: MovedTag): string {
	return `${formatReference({ ...repository, tag })} cannot go back: ${before}, where it pointed, is gone.`;
}

/** An earlier run that was cut off may have moved them, or somebody else. */
function othersNote(tags: readonly MovedTag[]): readonly string[] {
	const others = tags.filter(({ moved }) => !moved).length;
	if (others === 0) return [];
	const were = others === 1 ? '1 tag was' : `${others} tags were`;
	return [
		`${were} there already when that run came to it: undoing takes back what another run did.`,
	];
}

/** The tables and steps of an undoing, as they are met. */
class Undoing {
	readonly repositories: Repository[] = [];
	readonly contents: Content[] = [];
	readonly manifests: ManifestStep[] = [];
	readonly tags: TagStep[] = [];

	add({ repository, tag, before, after }: MovedTag, documents: Documents): void {
		const to = this.#place(repository);
		const content =
			before === 'absent' ? undefined : this.#content(documents.manifest(repository, before), to);
		this.tags.push({ kind: 'tag', content, to, tag, expect: after });
	}

	#place(repository: Repository): number {
		const name = formatRepository(repository);
		const known = this.repositories.findIndex((other) => formatRepository(other) === name);
		return known >= 0 ? known : this.repositories.push(repository) - 1;
	}

	#content(result: ReturnType<Documents['manifest']>, to: number): number | undefined {
		if (!result?.ok) return undefined;
		const { digest, mediaType, bytes } = result.document;
		const known = this.contents.findIndex((content) => content.digest === digest);
		const content =
			known >= 0 ? known : this.contents.push({ digest, mediaType, sizeBytes: bytes.length }) - 1;
		if (!this.manifests.some((step) => step.to === to && step.content === content)) {
			this.manifests.push({ kind: 'manifest', content, to, from: [to], needs: [] });
		}
		return content;
	}
}

/**
 * The plan that moves every tag of a run back, and removes those that it made; the last of the run is the last here
 * too. Tags whose old manifest is gone stay, and are named.
 * @throws ProblemError `plan-impossible` where that is so for all of them
 */
export async function planUndo(
	{ registries, hash }: { readonly registries: RegistryReader; readonly hash: HashBytes },
	receipt: Receipt,
	options: CallOptions = {},
): Promise<Plan> {
	const moved = movedTags(receipt);
	const documents = await readBefore(registries, moved, options);
	const gone = moved.filter((tag) => isGone(tag, documents));
	const notes = [...gone.map(goneNote), ...othersNote(moved)];
	if (moved.length > 0 && gone.length === moved.length) {
		const reason = notes.join(' ');
		throw new ProblemError({ code: 'plan-impossible', origin: 'content', reason });
	}
	const undoing = new Undoing();
	for (const tag of moved) if (!gone.includes(tag)) undoing.add(tag, documents);
	const { repositories, contents, manifests, tags } = undoing;
	const { plan, finishedAt } = receipt;
	const decided = {
		subject: { kind: 'undo' as const, plan, finishedAt, notes },
		repositories,
		contents,
		steps: [...manifests, ...tags],
	};
	return { id: await planId(decided, hash), ...decided };
}
