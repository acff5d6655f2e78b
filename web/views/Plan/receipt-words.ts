/** A receipt in words. */
import type { Receipt } from '../../../shared/plan/receipt.ts';
import { formatCount, formatDuration } from '../../../shared/report/units.ts';

type ReceiptTag = Receipt['tags'][number];

/** What became of a tag in this run, in a word. */
export function changeWord({ before, after, moved }: ReceiptTag): string {
	if (!moved) return after === 'absent' ? 'gone already' : 'there already';
	if (before === 'absent') return 'new';
	return after === 'absent' ? 'removed' : 'moved';
}

export function pushedCount({ manifests }: Receipt): number {
	return manifests.filter(({ pushed }) => pushed).length;
}

function didNothing(receipt: Receipt): boolean {
	return pushedCount(receipt) === 0 && !receipt.tags.some(({ moved }) => moved);
}

/** @param isPast nothing of it was looked at since */
export function receiptVerdict(receipt: Receipt, isPast: boolean): string {
	const { manifests, tags } = receipt;
	const parts = [
		...(manifests.length > 0 ? [`${formatCount(manifests.length, 'manifest')} by digest`] : []),
		...(tags.length > 0 ? [`${formatCount(tags.length, 'tag')} by name`] : []),
	];
	const readBack = `Everything was read back${isPast ? ' then' : ''}: ${parts.join(', ')}, all as planned.`;
	return didNothing(receipt)
		? `Nothing was to be done: all of it was there already. ${readBack}`
		: readBack;
}

/** Undefined where its times are none. */
export function durationText({ startedAt, finishedAt }: Receipt): string | undefined {
	const ms = Date.parse(finishedAt) - Date.parse(startedAt);
	return ms >= 0 ? `took ${formatDuration(Math.max(ms, 1))}` : undefined;
}
