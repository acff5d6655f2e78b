/** The places for bodies on their way to one registry: large ones by its width, small ones by a width of their own. */
import { abortReason } from '../upstream/exchange.ts';
import { Places } from '../upstream/places.ts';
import { BodyWidth } from './body-width.ts';
import { isSmall, Queue } from './order.ts';

/** Small bodies are bound by round trips. */
const smallAtOnce = 32;

/**
 * So that nobody waits for ever while others bring larger ones, each so many-th goes to who waited longest. Those of
 * one run come from the largest on, so among them it makes no difference.
 */
const placesPerOldest = 4;

/** A body's place, to be left exactly once. */
export interface BodyPlace {
	/** told of every chunk that went out */
	took(bytes: number): void;
	/** `struggling`: the registry showed that it wants fewer at once. */
	leave(how: 'done' | 'struggling' | 'failed'): void;
}

interface Waiting {
	readonly sizeBytes: number;
	readonly admit: (lane: Lane) => void;
}

type Lane = 'smallest' | 'largest';

export class BodyPlaces {
	readonly #small = new Places(smallAtOnce);
	readonly #width: BodyWidth;
	readonly #queue = new Queue<Waiting>();
	readonly #clock: () => number;
	#taken = 0;
	#smallestLaneTaken = false;
	#largestAdmitted = 0;

	/** @param clock in milliseconds */
	constructor(clock: () => number, width = new BodyWidth()) {
		this.#clock = clock;
		this.#width = width;
	}

	/** @throws the signal's reason */
	async enter(sizeBytes: number, signal: AbortSignal): Promise<BodyPlace> {
		if (!isSmall({ sizeBytes })) return this.#placeIn(await this.#wait(sizeBytes, signal));
		await this.#small.enter();
		if (signal.aborted) {
			this.#small.leave();
			throw abortReason(signal);
		}
		return { took: () => undefined, leave: () => this.#small.leave() };
	}

	#wait(sizeBytes: number, signal: AbortSignal): Promise<Lane> {
		return new Promise((resolve, reject) => {
			if (signal.aborted) {
				reject(abortReason(signal));
				return;
			}
			const giveUp = (): void => {
				this.#queue.remove(waiting);
				reject(abortReason(signal));
			};
			const admit = (lane: Lane): void => {
				signal.removeEventListener('abort', giveUp);
				resolve(lane);
			};
			const waiting = { sizeBytes, admit };
			signal.addEventListener('abort', giveUp);
			this.#queue.add(waiting);
			this.#admitMore();
		});
	}

	#admitMore(): void {
		while (this.#taken < this.#width.limit) {
			const lane: Lane = this.#smallestLaneTaken ? 'largest' : 'smallest';
			const isTurnOfOldest = lane === 'largest' && this.#largestAdmitted % placesPerOldest === 0;
			const next = this.#queue.take(isTurnOfOldest ? 'oldest' : lane);
			if (!next) return;
			this.#taken += 1;
			if (lane === 'smallest') this.#smallestLaneTaken = true;
			else this.#largestAdmitted += 1;
			next.admit(lane);
		}
	}

	#placeIn(lane: Lane): BodyPlace {
		const { generation } = this.#width;
		return {
			took: (bytes) => this.#width.took(bytes, this.#clock()),
			leave: (how) => {
				this.#taken -= 1;
				if (lane === 'smallest') this.#smallestLaneTaken = false;
				if (how === 'done') this.#width.succeeded(this.#clock());
				if (how === 'struggling') this.#width.struggled(generation);
				this.#admitMore();
			},
		};
	}
}
