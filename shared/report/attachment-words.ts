/** What is attached to the manifests of a plan, in words and rows. */
import type { PruneSubject } from '../plan/subject.ts';
import { countAttachments } from '../plan/consequences.ts';

export type PlannedAttachments = NonNullable<PruneSubject['attachments']>;
type Copied = PlannedAttachments['copied'][number];

function repositoryOf({ to }: Copied): string {
	return to.split('@')[0] ?? to;
}

/** What comes along: how much of which type goes where, with a head. */
export function copiedRows({
	copied,
}: PlannedAttachments): readonly (readonly [string, string, string])[] {
	const groups = new Map<string, Copied[]>();
	for (const each of copied) {
		const key = JSON.stringify([each.kind, each.type, repositoryOf(each)]);
		const group = groups.get(key);
		if (group) group.push(each);
		else groups.set(key, [each]);
	}
	const rows = [...groups.values()].flatMap((group): (readonly [string, string, string])[] => {
		const [first] = group;
		if (!first) return [];
		const { kind, type = '' } = first;
		return [[countAttachments(group.map(() => ({ kind, count: 1 }))), type, repositoryOf(first)]];
	});
	return [['copied along', 'type', 'to'], ...rows];
}

/** What no longer applies: of whom, attached to which digest, with a head. */
export function lapsedRows({
	lapsed,
}: PlannedAttachments): readonly (readonly [string, string, string, string])[] {
	const rows = lapsed.map(
		({ of, what, subject, type = '', ...each }) =>
			[countAttachments([each]), type, `the old ${what} of ${of}`, subject] as const,
	);
	return [['no longer applies', 'type', 'attached to', 'digest'], ...rows];
}
