/** The command that makes the same plan as a link does. */
import { defaultTagTemplate, inForce, type PruneDraft } from '../release/prune-fields.ts';

/** What a POSIX shell takes as it is, in any place of a word. */
const plain = /^[\w./:@%+,=-]+$/;

/** One word for a POSIX shell, whatever is in it. */
export function shellWord(text: string): string {
	return plain.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function presetFlags({ preset }: PruneDraft['selection']): readonly string[] {
	switch (preset.kind) {
		case 'placeholders':
			return ['--drop-placeholders'];
		case 'platforms':
			return ['--keep', shellWord(preset.keep.join(','))];
		case 'none':
			return [];
	}
}

function flag(name: string, value: string): readonly string[] {
	// The form with “=” also carries what begins with a dash.
	return [`--${name}=${shellWord(value)}`];
}

/**
 * `espalier plan prune …` for what is chosen, on one line.
 * @param ref the release, as the link names it
 */
export function pruneCommand(ref: string, draft: PruneDraft): string {
	const { mode, selection, to, release, tagTemplate, selfContained, version, rewriteVersion } =
		inForce(draft);
	const { components, exclude, toggled } = selection;
	return [
		'espalier plan prune',
		shellWord(ref),
		...flag('to', to),
		...flag('release', release),
		...(mode === 'prune' ? [] : ['--mode', mode]),
		...presetFlags(selection),
		...components.flatMap((glob) => flag('components', glob)),
		...exclude.flatMap((glob) => flag('exclude', glob)),
		...toggled.flatMap(({ component, platform }) => flag('toggle', `${component}@${platform}`)),
		...(tagTemplate === defaultTagTemplate ? [] : flag('tag-template', tagTemplate)),
		...(version === '' ? [] : flag('version', version)),
		...(rewriteVersion ? ['--rewrite-version'] : []),
		...(selfContained && mode === 'prune' ? ['--self-contained'] : []),
		...(draft.attachments ? [] : ['--no-attachments']),
		'-o plan.json',
	].join(' ');
}
