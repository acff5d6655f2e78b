/** What this browser knows of earlier runs of a plan: one that was not finished, one that was, one that undid it. */
import type { Plan } from '../../shared/plan/plan.ts';
import { parseReceipt, type Receipt } from '../../shared/plan/receipt.ts';
import type { PlanSubject } from '../../shared/plan/subject.ts';
import type { KeptReceipt, KeptRun } from '../cache/database.ts';
import type { Journal } from '../cache/journal.ts';

interface EarlierReceipt {
	readonly kept: KeptReceipt;
	readonly receipt: Receipt;
}

/** Undefined where it was written by a version that wrote it otherwise. */
function read(kept: KeptReceipt): EarlierReceipt | undefined {
	try {
		return { kept, receipt: parseReceipt(kept.text) };
	} catch {
		return undefined;
	}
}

/** The same release under the same name, whatever tags were seen when each was planned. */
function isSamePublication(a: PlanSubject, b: PlanSubject): boolean {
	return (
		a.kind === 'prune-release' &&
		b.kind === 'prune-release' &&
		a.release.digest === b.release.digest &&
		a.choices.release === b.choices.release
	);
}

export class PlanHistory {
	readonly #plan: Plan;
	readonly #journal: Journal;
	unfinished = $state.raw<KeptRun | undefined>(undefined);
	/** the last time that it came to its end */
	finished = $state.raw<KeptReceipt | undefined>(undefined);
	/** when that was undone, in milliseconds since 1970 */
	undoneAt = $state<number | undefined>(undefined);

	constructor(plan: Plan, journal: Journal) {
		this.#plan = plan;
		this.#journal = journal;
	}

	async look(): Promise<void> {
		const { id, subject } = this.#plan;
		const [runs, receipts] = await Promise.all([
			this.#journal.unfinished(),
			this.#journal.receipts(),
		]);
		const earlier = receipts.flatMap((kept) => read(kept) ?? []);
		const last = earlier.find(
			({ receipt }) => receipt.plan === id || isSamePublication(receipt.subject, subject),
		);
		this.unfinished = runs.find((run) => run.id === id);
		this.finished = last?.kept;
		this.undoneAt = last && undoOf(last, earlier)?.kept.finishedAt;
	}
}

function undoOf(
	{ kept, receipt }: EarlierReceipt,
	all: readonly EarlierReceipt[],
): EarlierReceipt | undefined {
	return all.find(
		(later) =>
			later.receipt.subject.kind === 'undo' &&
			later.receipt.subject.plan === receipt.plan &&
			later.kept.finishedAt > kept.finishedAt,
	);
}
