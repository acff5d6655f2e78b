/** What stands against no pruned release, but should be known, in sentences. */
import type { Coverage } from './coverage.ts';
import type { Leftover } from './payload-rewrite.ts';
import type { PrunedComponent } from './prune-components.ts';
import type { Selected } from './prune-selection.ts';
import type { ReadReleaseImage } from './rebuild-release.ts';

export interface Notable {
	readonly coverage: Coverage;
	readonly selected: Selected;
	readonly components: readonly PrunedComponent[];
	readonly leftovers: readonly Leftover[];
	/** the old version, as the plan shows it */
	readonly from: string;
	/** The release images that get a new one. */
	readonly renamed: readonly ReadReleaseImage[];
}

/** A plan shows one old version. */
function otherVersions({ from, renamed }: Notable): readonly string[] {
	return renamed.flatMap(({ platform, document, version }) => {
		if (version === from) return [];
		const name = platform ? `for ${platform}` : document.digest;
		return [`The release image ${name} is renamed too, though its version is ${version}.`];
	});
}

export function pruneNotes(notable: Notable): readonly string[] {
	const { coverage, selected, components, leftovers } = notable;
	const read = new Set(components.map(({ name }) => name));
	const unread = coverage.components.flatMap(({ component: { name }, root }) => {
		if (read.has(name)) return [];
		const why = root.kind === 'failed' ? root.reason : 'It is not read yet.';
		return [`${name} stays as it is, because it could not be read: ${why}`];
	});
	const undecided = [...selected.undecided].flatMap(([name, platforms]) => {
		if (!read.has(name)) return [];
		const cells = platforms.join(', ');
		return [`${name} keeps ${cells}, which could not be looked at and may be placeholders.`];
	});
	const shadowed = [...selected.shadowed].map(
		([name, platforms]) =>
			`${name} keeps a placeholder for ${platforms.join(', ')}, which is listed after another image and so does not count.`,
	);
	const otherwise = leftovers.map(
		({ file, digest }) =>
			`${file} names ${digest} in another form than its pullspec; that stays as it is.`,
	);
	return [...unread, ...undecided, ...shadowed, ...otherwise, ...otherVersions(notable)];
}
