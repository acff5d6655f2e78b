/** A login that was never good is tried by one at a time, and not for ever: hundreds of repositories must not lock an account. */
import { ProblemError, problemOf, type Problem } from '../../shared/registry/problem.ts';

/** One may be refused for what it asks for; so many in a row are about who asks. */
const refusalsBelieved = 3;
/** How long nothing is tried then. */
const refusalMs = 5_000;
const mostLogins = 10_000;

interface Standing {
	isGood: boolean;
	refusals: number;
	until: number;
	problem: Problem | undefined;
	turn: Promise<void> | undefined;
}

export class LoginTurns {
	readonly #clock: () => number;
	readonly #standings = new Map<string, Standing>();

	/** @param clock in milliseconds */
	constructor(clock: () => number) {
		this.#clock = clock;
	}

	/**
	 * Runs what sends that login; side by side with others once one of them went well.
	 * @throws ProblemError of `work`, or that of a moment ago where the login was refused again and again
	 */
	async run<T>(login: string, work: () => Promise<T>): Promise<T> {
		const standing = this.#standingOf(login);
		while (!standing.isGood && standing.turn) await standing.turn;
		if (standing.isGood) return work();
		const { problem, refusals, until } = standing;
		if (problem && refusals >= refusalsBelieved && until > this.#clock()) {
			throw new ProblemError(problem);
		}
		let leave = (): void => undefined;
		standing.turn = new Promise((resolve) => (leave = resolve));
		try {
			const result = await work();
			standing.isGood = true;
			return result;
		} catch (error) {
			this.#note(standing, problemOf(error));
			throw error;
		} finally {
			standing.turn = undefined;
			leave();
		}
	}

	#note(standing: Standing, problem: Problem): void {
		if (problem.code !== 'unauthorized') return;
		standing.refusals += 1;
		standing.problem = problem;
		standing.until = this.#clock() + refusalMs;
	}

	#standingOf(login: string): Standing {
		const known = this.#standings.get(login);
		if (known) return known;
		const standing: Standing = {
			isGood: false,
			refusals: 0,
			until: 0,
			problem: undefined,
			turn: undefined,
		};
		this.#standings.set(login, standing);
		const [oldest] = this.#standings.keys();
		if (this.#standings.size > mostLogins && oldest !== undefined) {
			this.#standings.delete(oldest);
		}
		return standing;
	}
}
