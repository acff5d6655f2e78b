/** Undoing a run: tags back to where they were. What was copied stays, as content under digests harms nobody. */
import { Documents } from '../index/documents.ts';
import { formatReference, parseReference, type Repository } from '../oci/reference.ts';
import type { HashBytes } from '../registry/hashing.ts';
import { ProblemError, saysAbsent } from '../registry/problem.ts';
import type { CallOptions, RegistryReader } from '../registry/registries.ts';
import { planId } from './plan-file.ts';
import type { Content, ManifestStep, Plan, TagStep } from './plan.ts';
import type { Receipt } from './receipt.ts';

type MovedTag = Receipt['tags'][number];

function repositoryOf({ repository }: MovedTag): Repository {
	const parsed = parseReference(repository);
	if (parsed.ok) {
		return { registry: parsed.reference.registry, repository: parsed.reference.repository };
	}
	throw new ProblemError({
		code: 'plan-invalid',
		origin: 'content',
		reason: `The receipt names the repository “${repository}”: ${parsed.reason}`,
	});
}

/** What tags pointed to, read where it was: without it there is nothing to go back to. */
async function readBefore(
	registries: RegistryReader,
	tags: readonly MovedTag[],
	options: CallOptions,
): Promise<Documents> {
	const documents = new Documents();
	const requests = tags.flatMap((tag) =>
		tag.before === 'absent' ? [] : [{ reference: { ...repositoryOf(tag), digest: tag.before } }],
	);
	for await (const result of registries.readManifests(requests, options)) {
		documents.addManifest(result);
		if (result.ok) continue;
		const { problem, request } = result;
		if (!saysAbsent(problem)) throw new ProblemError(problem);
		const reason = `${formatReference(request.reference)} is where a tag pointed before, but it is gone by now: that tag cannot be moved back.`;
		throw new ProblemError({ ...problem, code: 'plan-impossible', reason });
	}
	return documents;
}

/**
 * The plan that moves every tag of a run back, and removes those that it made; the most important first in the
 * run is the last here too. @throws ProblemError `plan-impossible` where a tag's old manifest is gone
 */
export async function planUndo(
	{ registries, hash }: { readonly registries: RegistryReader; readonly hash: HashBytes },
	receipt: Receipt,
	options: CallOptions = {},
): Promise<Plan> {
	const moved = receipt.tags.filter(({ before, after }) => before !== after);
	const documents = await readBefore(registries, moved, options);
	const names = [...new Set(moved.map(({ repository }) => repository))];
	const contents: Content[] = [];
	const manifests: ManifestStep[] = [];
	const place = (tag: MovedTag): number | undefined => {
		if (tag.before === 'absent') return undefined;
		const result = documents.manifest(repositoryOf(tag), tag.before);
		if (!result?.ok) return undefined;
		const { digest, mediaType, bytes } = result.document;
		const known = contents.findIndex((content) => content.digest === digest);
		const content =
			known >= 0 ? known : contents.push({ digest, mediaType, sizeBytes: bytes.length }) - 1;
		const to = names.indexOf(tag.repository);
		if (!manifests.some((step) => step.to === to && step.content === content)) {
			manifests.push({ kind: 'manifest', content, to, from: [to], needs: [] });
		}
		return content;
	};
	const tags = moved.map((tag): TagStep => ({
		kind: 'tag',
		content: place(tag),
		to: names.indexOf(tag.repository),
		tag: tag.tag,
		expect: tag.after,
	}));
	const decided = {
		subject: { kind: 'undo' as const, plan: receipt.plan, finishedAt: receipt.finishedAt },
		repositories: names.map((name) => repositoryOf({ ...moved[0], repository: name } as MovedTag)),
		contents,
		steps: [...manifests, ...tags],
	};
	return { id: await planId(decided, hash), ...decided };
}
