/** A plan being run in this tab: begins it, holds it back, ends it, and shows a few times a second how far it is. */
import type { Route } from '../../shared/link/route.ts';
import { Pause } from '../../shared/plan/pause.ts';
import { printPlan } from '../../shared/plan/plan-file.ts';
import type { Plan } from '../../shared/plan/plan.ts';
import { printReceipt, receiptOf, type Receipt } from '../../shared/plan/receipt.ts';
import { runPlan } from '../../shared/plan/run.ts';
import { factsOfRun } from '../../shared/plan/run-facts.ts';
import { RunPace } from '../../shared/plan/run-pace.ts';
import { Run } from '../../shared/plan/run-state.ts';
import { explain } from '../../shared/report/explain.ts';
import type { Registries } from '../../shared/registry/registries.ts';
import type { Journal } from '../cache/journal.ts';
import { groupSteps } from './run-groups.ts';
import { takeRunLock, waitForRunLock } from './run-lock.ts';
import { hasOnlyRefusedRemovals, readProgress } from './run-progress.ts';

const showEveryMs = 250;
const announcedPercents = [0, 25, 50, 75] as const;

export interface RunViewOptions {
	readonly registries: Registries;
	readonly journal: Journal;
	/** what the plan publishes, for people */
	readonly title: string;
	/** where it is shown */
	readonly route: Route;
}

export type RunStatus =
	| 'ready'
	| 'running'
	| 'paused'
	| 'ended'
	/** another tab runs it */
	| 'taken'
	/** another tab ran it, and does no more */
	| 'freed';

export class RunView {
	readonly plan: Plan;
	readonly title: string;
	readonly route: Route;
	readonly #options: RunViewOptions;
	readonly #run: Run;
	readonly #groups;
	readonly #pause = new Pause();
	#abort = new AbortController();
	#waiting: AbortController | undefined;
	#pace = new RunPace();
	#showing: ReturnType<typeof setTimeout> | undefined;
	#startedAt = 0;
	#highest = 0;

	// The run grows in place; each count stands for a state of it.
	#version = $state(0);
	status = $state<RunStatus>('ready');
	receipt = $state.raw<Receipt | undefined>(undefined);
	/** for screen readers, a few times in a whole run */
	announcement = $state('');
	rate = $state<number | undefined>(undefined);
	remainingMs = $state<number | undefined>(undefined);

	readonly progress = $derived.by(() => {
		void this.#version;
		return readProgress(this.#run, this.#groups);
	});
	/** Never goes back while it runs, also where something has to start over. */
	percent = $state(0);
	/** Tags are back where they were, but for those that their registry does not remove. */
	readonly isUndoneAsFarAsPossible = $derived(
		this.progress.onlyRemovalsRefused && this.progress.tags.moved > 0,
	);
	readonly isUnderWay = $derived(this.status === 'running' || this.status === 'paused');

	constructor(plan: Plan, options: RunViewOptions) {
		this.plan = plan;
		this.title = options.title;
		this.route = options.route;
		this.#options = options;
		this.#run = new Run(plan);
		this.#groups = groupSteps(plan);
	}

	get isUndo(): boolean {
		return this.plan.subject.kind === 'undo';
	}

	/** What it does, for people: with its title behind it. */
	get verb(): string {
		return this.isUndo ? 'Running the' : 'Publishing';
	}

	/** Begins it, or goes on: what is done is not done again. Never throws. */
	async start(): Promise<void> {
		if (this.isUnderWay) return;
		this.#waiting?.abort();
		this.status = 'running';
		const release = await takeRunLock(this.plan.id).catch(() => () => undefined);
		if (!release) {
			this.status = 'taken';
			void this.#waitForOtherTab();
			return;
		}
		window.addEventListener('beforeunload', warn);
		try {
			await this.#runIt();
		} finally {
			window.removeEventListener('beforeunload', warn);
			release();
		}
	}

	/** Nothing more is begun; what is under way goes on to its end. */
	pause(): void {
		if (this.status !== 'running') return;
		this.#pause.set();
		this.#pace.rest();
		this.status = 'paused';
	}

	resume(): void {
		if (this.status !== 'paused') return;
		this.#pause.lift();
		this.status = 'running';
	}

	/** As before it was begun, for who looks again at what another tab did. */
	reset(): void {
		if (this.isUnderWay) return;
		this.#waiting?.abort();
		this.status = 'ready';
	}

	/** Ends it where it is. */
	cancel(): void {
		this.#waiting?.abort();
		this.#abort.abort();
		this.#pause.lift();
	}

	async #waitForOtherTab(): Promise<void> {
		const waiting = new AbortController();
		this.#waiting = waiting;
		if (await waitForRunLock(this.plan.id, waiting.signal)) {
			this.status = 'freed';
			this.announcement = 'The other tab is done.';
		}
	}

	async #runIt(): Promise<void> {
		const { journal, title } = this.#options;
		const { id } = this.plan;
		this.#abort = new AbortController();
		this.#pace = new RunPace();
		this.#startedAt = Date.now();
		this.#highest = 0;
		this.receipt = undefined;
		this.announcement = '';
		await journal.begin({ id, title, text: printPlan(this.plan) });
		const options = { signal: this.#abort.signal, pause: this.#pause };
		for await (const _ of runPlan(this.#options.registries, this.#run, options)) this.#showSoon();
		this.#pause.lift();
		await journal.keepFacts(factsOfRun(this.#run, Date.now()));
		if (this.#run.outcome?.kind === 'verified') {
			const times = { startedAt: this.#startedAt, finishedAt: Date.now() };
			const receipt = receiptOf(this.#run, times);
			await journal.finish({ plan: id, title, text: printReceipt(receipt) });
			this.receipt = receipt;
		} else if (hasOnlyRefusedRemovals(this.#run)) {
			await journal.forget(id);
		}
		this.status = 'ended';
		this.#show();
	}

	#showSoon(): void {
		this.#showing ??= setTimeout(() => this.#show(), showEveryMs);
	}

	#show(): void {
		clearTimeout(this.#showing);
		this.#showing = undefined;
		this.#version += 1;
		const { bytes, phase, percent } = this.progress;
		this.#highest = Math.max(this.#highest, percent);
		this.percent = this.#highest;
		const isMoving = this.status === 'running' && phase === 'copying';
		if (isMoving) this.#pace.note(bytes.copied + bytes.active, performance.now());
		const { total, existed, mounted, copied, active } = bytes;
		this.rate = isMoving ? this.#pace.rate : undefined;
		this.remainingMs = isMoving
			? this.#pace.remainingMs(total - existed - mounted - copied - active)
			: undefined;
		this.announcement = this.#announce();
	}

	#announce(): string {
		const { outcome } = this.#run;
		if (outcome?.kind === 'verified') return this.isUndo ? 'Undone.' : 'Published and verified.';
		if (outcome?.kind === 'stopped') return 'Stopped.';
		if (this.isUndoneAsFarAsPossible) return 'Undone, but for tags that cannot be removed.';
		if (outcome?.kind === 'failed') return `Failed: ${explain(outcome.problem).title}.`;
		const passed = announcedPercents.findLast((percent) => percent <= this.percent) ?? 0;
		return `${passed} % of the steps done`;
	}
}

function warn(event: BeforeUnloadEvent): void {
	event.preventDefault();
}
