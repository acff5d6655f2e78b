/** Collects everything that makes a plan impossible, so that it is said at once. */
import { ProblemError, problemOf } from '../registry/problem.ts';

export class Refusals {
	readonly #reasons: string[] = [];

	/** @param reason a whole sentence that names what it is about */
	add(reason: string): void {
		this.#reasons.push(reason);
	}

	/** Takes up what a part was refused for; defects of the program go on as they are. */
	addError(what: string, error: unknown): void {
		if (!(error instanceof ProblemError)) throw error;
		this.add(`${what}: ${problemOf(error).reason}`);
	}

	/** @throws ProblemError `plan-impossible` with all sentences */
	throwIfAny(): void {
		if (this.#reasons.length === 0) return;
		const reason = this.#reasons.join(' ');
		throw new ProblemError({ code: 'plan-impossible', origin: 'content', reason });
	}
}
