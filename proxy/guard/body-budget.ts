/** How many bytes of JSON bodies may be in memory at once, whoever sent them. */

const MiB = 1024 * 1024;
/** Two of the largest bodies, or some fifty of those that the page sends when it publishes much. */
const mostHeldBytes = 128 * MiB;

/** So much of each body is not counted: whoever asks for little is let in however many large bodies are held. */
export const uncountedBytes = 64 * 1024;

export class BodyBudget {
	readonly #mostBytes: number;
	#heldBytes = 0;

	constructor(mostBytes: number = mostHeldBytes) {
		this.#mostBytes = mostBytes;
	}

	get heldBytes(): number {
		return this.#heldBytes;
	}

	/** @returns false where there is no room for so many more */
	take(bytes: number): boolean {
		if (this.#heldBytes + bytes > this.#mostBytes) return false;
		this.#heldBytes += bytes;
		return true;
	}

	giveBack(bytes: number): void {
		this.#heldBytes -= bytes;
	}
}

/** Of this process. */
export const processBudget = new BodyBudget();

/** What one body has taken of a budget; given back once. */
export class BodyShare {
	readonly #budget: BodyBudget;
	#seenBytes = 0;
	#takenBytes = 0;

	constructor(budget: BodyBudget) {
		this.#budget = budget;
	}

	/** @returns false where there is no room for these bytes of it */
	grow(bytes: number): boolean {
		this.#seenBytes += bytes;
		const counted = Math.max(0, this.#seenBytes - uncountedBytes) - this.#takenBytes;
		if (!this.#budget.take(counted)) return false;
		this.#takenBytes += counted;
		return true;
	}

	giveBack(): void {
		this.#budget.giveBack(this.#takenBytes);
		this.#takenBytes = 0;
	}
}
