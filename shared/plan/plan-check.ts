/** Holds a plan that came from anywhere against itself: what it says it does is what its steps do (D7). */
import { referencedDigests } from '../index/closure.ts';
import { readManifest } from '../oci/document.ts';
import { isIndexType } from '../oci/media-type.ts';
import { formatReference, formatRepository, type Repository } from '../oci/reference.ts';
import { referrersTag } from '../registry/distribution.ts';
import { limits } from '../registry/limits.ts';
import { ProblemError } from '../registry/problem.ts';
import {
	isInPlace,
	stepsOf,
	type Content,
	type ManifestStep,
	type Plan,
	type Step,
	type TagStep,
} from './plan.ts';
import { modeOf, type PruneSubject } from './subject.ts';

/** @throws ProblemError `plan-invalid` */
export function refusePlan(reason: string, cause?: unknown): never {
	throw new ProblemError({ code: 'plan-invalid', origin: 'content', reason }, { cause });
}

/** Holds the steps against the tables and each other. */
class StepCheck {
	readonly #contents: readonly Content[];
	readonly #repositories: readonly Repository[];
	readonly #used = new Set<number>();
	readonly #usedContents = new Set<number>();
	readonly #writes = new Set<string>();
	/** All manifests that the plan writes. */
	readonly #manifests = new Set<string>();
	/** Of those that were met, how many levels are below them. */
	readonly #heights = new Map<string, number>();

	constructor({ contents, repositories }: Pick<Plan, 'contents' | 'repositories'>) {
		this.#contents = contents;
		this.#repositories = repositories;
	}

	check(steps: readonly Step[]): void {
		const order = { blob: 0, upload: 1, manifest: 2, tag: 3 };
		let latest = 0;
		for (const { to, content } of stepsOf({ steps }, 'manifest')) {
			this.#manifests.add(`manifest ${to} ${content}`);
		}
		for (const step of steps) {
			if (order[step.kind] < latest) refusePlan(`A ${step.kind} step comes too late.`);
			latest = order[step.kind];
			this.#places(step);
			this.#step(step);
		}
		const unused = this.#repositories.findIndex((_, at) => !this.#used.has(at));
		if (unused >= 0) refusePlan('It names a repository that none of its steps is about.');
		if (this.#contents.some((_, at) => !this.#usedContents.has(at))) {
			refusePlan('It holds content that none of its steps is about.');
		}
	}

	#places(step: Step): void {
		const from = 'from' in step ? step.from : [];
		const needs = 'needs' in step ? step.needs : [];
		for (const at of [step.to, ...from]) {
			if (at >= this.#repositories.length) {
				refusePlan('A step names a repository that is not there.');
			}
			this.#used.add(at);
		}
		for (const at of [...(step.content === undefined ? [] : [step.content]), ...needs]) {
			if (at >= this.#contents.length) refusePlan('A step names content that is not there.');
			this.#usedContents.add(at);
		}
	}

	#step(step: Step): void {
		const content = step.content === undefined ? undefined : this.#contents[step.content];
		const what = step.kind === 'tag' ? `tag ${step.tag}` : `${step.kind} ${content?.digest ?? ''}`;
		const key = `${step.kind === 'upload' ? 'blob' : step.kind} ${step.to} ${step.kind === 'tag' ? step.tag : step.content}`;
		if (this.#writes.has(key)) refusePlan(`The ${what} is written twice.`);
		this.#writes.add(key);
		switch (step.kind) {
			case 'blob':
				if (content?.bytes) refusePlan(`The ${what} is copied although the plan holds its bytes.`);
				return;
			case 'upload':
				if (!content?.bytes) refusePlan(`The bytes of ${what} are missing.`);
				return;
			case 'manifest':
				this.#manifest(step, content, what);
				return;
			case 'tag':
				if (
					step.content !== undefined &&
					!this.#writes.has(`manifest ${step.to} ${step.content}`)
				) {
					refusePlan(`The ${what} would point to a manifest that is not in the plan.`);
				}
				return;
			default:
				step satisfies never;
		}
	}

	/** Only an index that is copied as it is can be sparse, and of what is left out nothing is needed. */
	#without(step: ManifestStep, content: Content | undefined, what: string): void {
		const { without } = step;
		if (without === undefined) return;
		const isCopiedIndex = content && !content.bytes && isIndexType(content.mediaType);
		if (!isCopiedIndex) refusePlan(`The ${what} is no index, so no children can be left out.`);
		const needed = new Set(step.needs.map((place) => this.#contents[place]?.digest));
		const both = without.find((digest) => needed.has(digest));
		if (both) refusePlan(`The ${what} needs ${both}, and leaves it out.`);
	}

	/** Children come before what lists them, so nothing needs itself, and the levels of a run are few. */
	#placeAbove({ to, content, needs }: ManifestStep, what: string): void {
		let height = 0;
		for (const need of needs) {
			const key = `manifest ${to} ${need}`;
			const below = this.#heights.get(key);
			if (below === undefined && this.#manifests.has(key)) {
				refusePlan(`The ${what} comes before what it needs.`);
			}
			if (below !== undefined) height = Math.max(height, below + 1);
		}
		if (height > limits.indexDepth + 1) refusePlan(`The ${what} is nested too deep.`);
		this.#heights.set(`manifest ${to} ${content}`, height);
	}

	#manifest(step: ManifestStep, content: Content | undefined, what: string): void {
		if ((content?.bytes === undefined) !== step.from.length > 0) {
			refusePlan(`The ${what} needs either its bytes or a place to copy it from.`);
		}
		this.#without(step, content, what);
		this.#placeAbove(step, what);
		if (!content?.bytes) return;
		const read = readManifest({ ...content, bytes: content.bytes });
		if (read.kind === 'malformed') refusePlan(`The ${what} cannot be read: ${read.reason}.`);
		const needed = new Set<string | undefined>(
			step.needs.map((place) => this.#contents[place]?.digest),
		);
		const referenced = new Set(referencedDigests({ ...content, bytes: content.bytes }));
		if (needed.size !== referenced.size || [...referenced].some((digest) => !needed.has(digest))) {
			refusePlan(`The ${what} needs other things than the plan says.`);
		}
	}
}

/** Places of what tags that stand in for the referrers API point to, of manifests that the plan holds, and nothing else does. */
function referrerListsOf({
	contents,
	steps,
}: Pick<Plan, 'contents' | 'steps'>): ReadonlySet<number | undefined> {
	const tags = new Set(contents.map(({ digest }) => referrersTag(digest)));
	const needed = new Set(stepsOf({ steps }, 'manifest').flatMap(({ needs }) => needs));
	const lists = new Set<number | undefined>();
	const others = new Set<number | undefined>(needed);
	for (const { tag, content } of stepsOf({ steps }, 'tag')) {
		(tags.has(tag) ? lists : others).add(content);
	}
	return new Set([...lists].filter((content) => !others.has(content)));
}

/** Other bytes than those of the source are for pruned releases alone; lists of referrers are made for every one. */
function checkKept(
	{ contents, steps }: Pick<Plan, 'contents' | 'steps'>,
	{ source, release }: PruneSubject,
): void {
	const lists = referrerListsOf({ contents, steps });
	const made = contents.find(({ bytes }, at) => bytes !== undefined && !lists.has(at));
	if (made) refusePlan(`It says that everything keeps its bytes, but it makes ${made.digest}.`);
	if (release.digest !== source.digest) {
		refusePlan(`It says that the release keeps its bytes, but publishes ${release.digest}.`);
	}
}

/** What is left out is what the plan says at the top; a run relies on it. */
function checkMode({ contents, steps }: Omit<Plan, 'id'>, subject: PruneSubject): void {
	const mode = modeOf(subject);
	if (mode !== 'prune') checkKept({ contents, steps }, subject);
	const left = new Set(
		[subject.release, ...subject.components].flatMap((part) =>
			(part.left ?? []).map(({ digest }) => digest),
		),
	);
	if (left.size > 0 && mode !== 'sparse') {
		refusePlan('It says that children are left out, but not that its indexes are sparse.');
	}
	const unsaid = steps
		.flatMap((step) => (step.kind === 'manifest' ? (step.without ?? []) : []))
		.find((digest) => !left.has(digest));
	if (unsaid) refusePlan(`It leaves ${unsaid} out without saying so.`);
}

function tagName({ to, tag }: TagStep, repositories: readonly Repository[]): string | undefined {
	const repository = repositories[to];
	return repository && formatReference({ ...repository, tag });
}

/** Undoing moves tags to what is there, and brings nothing. */
function checkUndo({ steps }: Pick<Plan, 'steps'>): void {
	const other = steps.find(
		(step) => step.kind !== 'tag' && !(step.kind === 'manifest' && isInPlace(step)),
	);
	if (other) refusePlan(`It says that it only moves tags back, but it has a ${other.kind} step.`);
}

/** What a plan says of itself must be what its steps do. @throws ProblemError `plan-invalid` */
export function checkSubject({ subject, contents, repositories, steps }: Omit<Plan, 'id'>): void {
	if (subject.kind === 'undo') {
		checkUndo({ steps });
		return;
	}
	const writes = new Set(
		steps.flatMap((step) => {
			const { digest } = (step.content === undefined ? undefined : contents[step.content]) ?? {};
			const repository = repositories[step.to];
			if (!digest || !repository) return [];
			if (step.kind === 'tag') return [`${formatRepository(repository)}:${step.tag}@${digest}`];
			return step.kind === 'manifest' ? [`${formatRepository(repository)}@${digest}`] : [];
		}),
	);
	checkMode({ subject, contents, repositories, steps }, subject);
	const { release, choices, components } = subject;
	const root = `${choices.release}@${release.digest}`;
	if (!writes.has(root)) {
		refusePlan(`It says that it publishes ${root}, but none of its steps does.`);
	}
	const last = steps.at(-1);
	if (last?.kind !== 'tag' || choices.release !== tagName(last, repositories)) {
		refusePlan(`The tag of the release, ${choices.release}, is not the last to move.`);
	}
	const lost = subject.attachments?.copied.find(({ to }) => !writes.has(to));
	if (lost) refusePlan(`It says that it copies ${lost.to}, but none of its steps does.`);
	const unwritten = components.find(({ to }) => !writes.has(to));
	if (unwritten) {
		refusePlan(`It says that ${unwritten.name} becomes ${unwritten.to}, but no step does it.`);
	}
}

/** @throws ProblemError `plan-invalid` */
export function checkSteps(plan: Pick<Plan, 'contents' | 'repositories' | 'steps'>): void {
	new StepCheck(plan).check(plan.steps);
}
