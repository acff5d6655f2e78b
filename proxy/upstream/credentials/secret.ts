/** A text that no log, error or serialised object can show by accident (D8). */
export class Secret {
	readonly #text: string;

	constructor(text: string) {
		this.#text = text;
	}

	/** For the one place that sends it. */
	reveal(): string {
		return this.#text;
	}

	toJSON(): string {
		return '[secret]';
	}

	toString(): string {
		return '[secret]';
	}
}
