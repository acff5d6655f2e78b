/** Whether the browser keeps what was read. */
import type { Database } from '../cache/database.ts';

const storageKey = 'espalier.keep';

export class Keeping {
	#on = $state(read());
	readonly #database: Database;

	constructor(database: Database) {
		this.#database = database;
	}

	get on(): boolean {
		return this.#on;
	}

	/** Switching it off forgets what there is. */
	set on(on: boolean) {
		this.#on = on;
		try {
			localStorage.setItem(storageKey, String(on));
		} catch {
			// It then lasts as long as the page.
		}
		if (!on) void this.#database.clear();
	}
}

function read(): boolean {
	try {
		return localStorage.getItem(storageKey) !== 'false';
	} catch {
		return true;
	}
}
