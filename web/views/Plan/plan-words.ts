/** Names of plans, and of the files that hold them. */
import { abbreviate, encodedOf, type Digest } from '../../../shared/oci/digest.ts';
import type { PlanSubject } from '../../../shared/plan/subject.ts';
import { printable } from '../../../shared/report/printable.ts';

const shownDigits = 12;

/** What it publishes, in a few words. */
export function titleOf(subject: PlanSubject): string {
	return subject.kind === 'undo'
		? `undo of plan ${abbreviate(subject.plan)}`
		: printable(subject.choices.release, 300);
}

export function planFileName(id: Digest): string {
	return `plan-${encodedOf(id).slice(0, shownDigits)}.json`;
}

export function receiptFileName(id: Digest): string {
	return `receipt-${encodedOf(id).slice(0, shownDigits)}.json`;
}

/** A digest as it is shown in tables, or that there is none. */
export function shortDigest(digest: string): string {
	return digest === 'absent' ? 'not there' : `${abbreviate(digest)}…`;
}
