/** Runs many things at once and yields what comes of them in the order in which it comes. */
import { setMaxListeners } from 'node:events';
import { abortReason } from './exchange.ts';

export interface ArrivalOptions<Q, R> {
	/** Must not fail, but where `signal` was aborted. */
	readonly run: (item: Q, signal: AbortSignal) => Promise<R>;
	/** Items of one group share a window, so that a slow registry does not hold up the others. */
	readonly groupOf: (item: Q) => string;
	readonly signal?: AbortSignal | undefined;
}

/** How many of a group are begun but not yet taken: bounds what waits in memory for a slow consumer. */
const windowPerGroup = 128;

interface Group<Q> {
	readonly items: Q[];
	begun: number;
}

class Arrivals<Q, R> {
	readonly #options: ArrivalOptions<Q, R>;
	readonly #controller = new AbortController();
	#landed: { readonly result: R; readonly group: Group<Q> }[] = [];
	#failure: unknown;
	#failed = false;
	#wake: () => void = () => undefined;

	constructor(options: ArrivalOptions<Q, R>) {
		this.#options = options;
		setMaxListeners(0, this.#controller.signal);
	}

	async *over(items: readonly Q[]): AsyncGenerator<R, void, undefined> {
		const { signal } = this.#options;
		if (signal?.aborted) throw abortReason(signal);
		const stop = (): void => this.#fail(abortReason(signal));
		signal?.addEventListener('abort', stop);
		try {
			for (const group of this.#groups(items)) {
				while (group.begun < Math.min(windowPerGroup, group.items.length)) this.#begin(group);
			}
			for (let taken = 0; taken < items.length;) {
				for (const { result, group } of await this.#next()) {
					taken += 1;
					this.#begin(group);
					yield result;
				}
			}
		} finally {
			signal?.removeEventListener('abort', stop);
			this.#controller.abort();
		}
	}

	#groups(items: readonly Q[]): Iterable<Group<Q>> {
		const groups = new Map<string, Group<Q>>();
		for (const item of items) {
			const name = this.#options.groupOf(item);
			const group = groups.get(name);
			if (group) group.items.push(item);
			else groups.set(name, { items: [item], begun: 0 });
		}
		return groups.values();
	}

	#begin(group: Group<Q>): void {
		const item = group.items[group.begun];
		if (item === undefined) return;
		group.begun += 1;
		this.#options.run(item, this.#controller.signal).then(
			(result) => {
				this.#landed.push({ result, group });
				this.#wake();
			},
			(error: unknown) => this.#fail(error),
		);
	}

	#fail(error: unknown): void {
		if (!this.#failed) {
			this.#failed = true;
			this.#failure = error;
		}
		this.#controller.abort(error);
		this.#wake();
	}

	async #next(): Promise<readonly { readonly result: R; readonly group: Group<Q> }[]> {
		if (this.#landed.length === 0 && !this.#failed) {
			await new Promise<void>((resolve) => (this.#wake = resolve));
		}
		if (this.#failed) throw this.#failure;
		const landed = this.#landed;
		this.#landed = [];
		return landed;
	}
}

/** Leaving the loop, or aborting `signal`, aborts what is under way. @throws the signal's reason */
export function arrivals<Q, R>(
	items: readonly Q[],
	options: ArrivalOptions<Q, R>,
): AsyncGenerator<R, void, undefined> {
	return new Arrivals(options).over(items);
}
