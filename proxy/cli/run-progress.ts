/** A run on standard error: one line that is drawn again on a terminal, else a line now and then. */
import { RunPace } from '../../shared/plan/run-pace.ts';
import type { Run, RunPhase } from '../../shared/plan/run-state.ts';
import { progressText, sentBytes } from '../../shared/report/run-text.ts';

export interface ProgressStream {
	write(text: string): unknown;
	readonly isTTY?: boolean | undefined;
	readonly columns?: number | undefined;
}

const redrawnEveryMs = 250;
const writtenEveryMs = 5_000;
const usualColumns = 80;
const eraseToEnd = '\u001b[K';

export class RunProgress {
	readonly #stream: ProgressStream;
	readonly #now: () => number;
	readonly #pace = new RunPace();
	#shownAt = -Infinity;
	#phase: RunPhase | undefined;
	#isLineOpen = false;

	/** @param now milliseconds, of a clock that does not jump */
	constructor(stream: ProgressStream, now: () => number) {
		this.#stream = stream;
		this.#now = now;
	}

	/** Called at every step of the run; most of them show nothing new. */
	show(run: Run): void {
		const now = this.#now();
		const isNewPhase = run.phase !== this.#phase;
		const everyMs = this.#stream.isTTY ? redrawnEveryMs : writtenEveryMs;
		if (!isNewPhase && now - this.#shownAt < everyMs) return;
		this.#phase = run.phase;
		this.#shownAt = now;
		if (run.phase === 'ended') return;
		this.#pace.note(sentBytes(run), now);
		const text = progressText(run, this.#pace);
		if (this.#stream.isTTY) this.#draw(text);
		else this.#stream.write(`${text}\n`);
	}

	#draw(text: string): void {
		const { columns = usualColumns } = this.#stream;
		// In the last column some terminals break the line.
		const cut = text.slice(0, Math.max(columns - 1, 1));
		this.#stream.write(`\r${cut}${eraseToEnd}`);
		this.#isLineOpen = true;
	}

	/** Takes the drawn line away, so that what follows begins on a line of its own. */
	end(): void {
		if (this.#isLineOpen) this.#stream.write(`\r${eraseToEnd}`);
		this.#isLineOpen = false;
	}
}
