/** Reads what somebody has chosen so far. */
import valid from 'semver/functions/valid.js';
import {
	formatRepository,
	parseReference,
	type Reference,
	type Repository,
} from '../oci/reference.ts';
import { problemOf } from '../registry/problem.ts';
import { tagFor } from './component-tag.ts';
import type { PruneChoices } from './prune-release.ts';
import type { PruneDraft, PruneMode } from './prune-fields.ts';

export { defaultTagTemplate, emptyDraft, type PruneDraft } from './prune-fields.ts';

export type DraftField = 'mode' | 'keep' | 'to' | 'release' | 'tagTemplate' | 'version';

/** What stands against a draft, at the field that it is about. */
export interface DraftIssue {
	readonly field: DraftField;
	readonly reason: string;
}

export type ReadDraft =
	| { readonly ok: true; readonly choices: PruneChoices }
	| { readonly ok: false; readonly issues: readonly DraftIssue[] };

type Read<T> = { readonly value: T } | { readonly reason: string };

/** A registry alone reads as a short name with a tag. */
const hostAlone =
	/^(?:localhost:\d{1,5}|(?:[a-z\d-]+(?:\.[a-z\d-]+)+|\[[\da-f:]+\])(?::\d{1,5})?)\/?$/i;

function refuseHostAlone(text: string, example: string): { readonly reason: string } | undefined {
	const host = text.trim();
	if (!hostAlone.test(host)) return undefined;
	return { reason: `The repository is missing: write ${host.replace(/\/$/, '')}/${example}.` };
}

/** A short name means Docker Hub to those who read; who writes has to say so. */
function refuseShort(text: string, { registry, repository }: Repository): string | undefined {
	if (registry !== 'docker.io' || /^(?:docker|index\.docker|registry-1\.docker)\.io\//.test(text)) {
		return undefined;
	}
	return `“${text}” names no registry. Write registry/repository; for Docker Hub that is docker.io/${repository}.`;
}

function readRepository(text: string): Read<Repository> {
	if (text.trim() === '') return { reason: 'Say where component images go: registry/repository.' };
	const alone = refuseHostAlone(text, 'NAME');
	if (alone) return alone;
	const parsed = parseReference(text);
	if (!parsed.ok) return parsed;
	const { registry, repository, tag, digest } = parsed.reference;
	const short = refuseShort(text.trim(), parsed.reference);
	if (short) return { reason: short };
	return tag === undefined && digest === undefined
		? { value: { registry, repository } }
		: { reason: `“${text}” has a tag or digest; here only the repository is asked for.` };
}

function readRelease(text: string): Read<Reference & { readonly tag: string }> {
	if (text.trim() === '') {
		return { reason: 'Say what the release is to be called: registry/repository:tag.' };
	}
	const alone = refuseHostAlone(text, 'NAME:TAG');
	if (alone) return alone;
	const parsed = parseReference(text);
	if (!parsed.ok) return parsed;
	const { registry, repository, tag, digest } = parsed.reference;
	const short = refuseShort(text.trim(), parsed.reference);
	if (short) return { reason: short };
	if (digest !== undefined) {
		return { reason: `“${text}” has a digest, but that is only known afterwards.` };
	}
	if (tag !== undefined) return { value: { registry, repository, tag } };
	return { reason: `“${text}” has no tag: add the one to move, such as “${text}:4.20.0-multi”.` };
}

function readTemplate(template: string, version: string): Read<string> {
	if (template === '') return { value: '' };
	try {
		tagFor(template, { version: version || '4.20.0', component: 'component' });
		return { value: template };
	} catch (error) {
		return { reason: problemOf(error).reason };
	}
}

function readVersion({ version, rewriteVersion, mode }: PruneDraft): Read<string | undefined> {
	if (mode !== 'prune' && (version !== '' || rewriteVersion)) {
		return { reason: keptVersion(mode) };
	}
	if (version === '') {
		return rewriteVersion
			? { reason: 'Rewriting the version everywhere needs a new version.' }
			: { value: undefined };
	}
	return /^\d\S*$/.test(version) && valid(version) !== null
		? { value: version }
		: { reason: `“${version}” is not a semantic version, such as 4.20.0-acme.1.` };
}

/** @param mode `sparse` or `whole` */
function keptVersion(mode: PruneMode): string {
	return `A release that is copied ${mode === 'whole' ? 'whole' : 'as a sparse one'} keeps its bytes, and so its version. Leave the new version out, or prune instead.`;
}

/** Everything is everything. */
function modeIssue({ mode, selection }: PruneDraft): DraftIssue | undefined {
	const { preset, components, exclude, toggled } = selection;
	const isEmpty = preset.kind === 'none' && toggled.length === 0;
	if (mode !== 'whole' || (isEmpty && components.length === 0 && exclude.length === 0)) {
		return undefined;
	}
	return {
		field: 'mode',
		reason:
			'To copy everything whole, nothing can be chosen to go. Leave out what is chosen, or choose to prune, or to copy a sparse release.',
	};
}

/** Reads all fields, and tells of every one that is not right. */
export function readDraft(draft: PruneDraft): ReadDraft {
	const { preset } = draft.selection;
	const to = readRepository(draft.to);
	const release = readRelease(draft.release);
	const template = readTemplate(draft.tagTemplate, draft.version);
	const version = readVersion(draft);
	const issues: DraftIssue[] = [];
	const mode = modeIssue(draft);
	if (mode) issues.push(mode);
	if (preset.kind === 'platforms' && preset.keep.length === 0) {
		issues.push({ field: 'keep', reason: 'Choose at least one platform to keep.' });
	}
	if ('reason' in to) issues.push({ field: 'to', reason: to.reason });
	if ('reason' in release) issues.push({ field: 'release', reason: release.reason });
	if ('reason' in template) issues.push({ field: 'tagTemplate', reason: template.reason });
	if ('reason' in version) issues.push({ field: 'version', reason: version.reason });
	if (
		issues.length > 0 ||
		'reason' in to ||
		'reason' in release ||
		'reason' in template ||
		'reason' in version
	) {
		return { ok: false, issues };
	}
	return {
		ok: true,
		choices: {
			...(draft.mode !== 'prune' && { mode: draft.mode }),
			selection: draft.selection,
			repository: to.value,
			release: release.value,
			tagTemplate: template.value,
			// What keeps its bytes names other places: all of it comes along.
			selfContained: draft.selfContained || draft.mode !== 'prune',
			version: version.value,
			rewriteVersion: draft.rewriteVersion,
			...(!draft.attachments && { attachments: false }),
		},
	};
}

/** Where a pruned release could go, for a form that is still empty: beside the one that is looked at. */
export function suggestedTarget({ registry, repository }: Repository): string {
	return `${formatRepository({ registry, repository })}-pruned`;
}
