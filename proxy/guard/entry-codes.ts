/**
 * What stands for the token on its way through a browser's command line and history, which other users
 * and later readers can see: a code that counts once, and not for long.
 */
import { createToken, tokensEqual } from './token.ts';

const validForMs = 60_000;
const mostOutstanding = 8;

interface IssuedCode {
	readonly code: string;
	readonly endsAtMs: number;
}

export class EntryCodes {
	readonly #now: () => number;
	#outstanding: readonly IssuedCode[] = [];

	/** @param now a clock in milliseconds that only goes forward */
	constructor(now: () => number = () => performance.now()) {
		this.#now = now;
	}

	/** A new code. Where too many are outstanding, it takes the place of the oldest. */
	issue(): string {
		const code = createToken();
		const endsAtMs = this.#now() + validForMs;
		this.#outstanding = [...this.#valid(), { code, endsAtMs }].slice(-mostOutstanding);
		return code;
	}

	/** True for a code that is outstanding, which it then is no longer. Wrong ones change nothing. */
	redeem(given: string): boolean {
		const valid = this.#valid();
		// Looks at every one of them, so that the time tells nothing.
		const left = valid.filter(({ code }) => !tokensEqual(code, given));
		this.#outstanding = left;
		return left.length < valid.length;
	}

	#valid(): readonly IssuedCode[] {
		const now = this.#now();
		return this.#outstanding.filter(({ endsAtMs }) => now < endsAtMs);
	}
}
