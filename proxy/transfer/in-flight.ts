/** Work that several callers want at the same time, done once: it goes on as long as one of them stays. */
import { abortReason } from '../upstream/exchange.ts';

/** A caller's part in some work. */
export interface Seat<Outcome> {
	/** Fails only where the work was given up because everybody had left. */
	readonly outcome: Promise<Outcome>;
	/** Nobody waits here any more; the work ends when nobody waits anywhere. */
	leave(): void;
}

export interface WorkOptions {
	readonly signal: AbortSignal;
	/** told how many bytes have gone out so far */
	readonly onBytes: (bytes: number) => void;
}

export interface InFlightOptions<Request, Outcome> {
	/** Equal keys are the same work. */
	readonly keyOf: (request: Request) => string;
	/** Must not fail, but where `signal` was aborted. */
	readonly run: (request: Request, options: WorkOptions) => Promise<Outcome>;
	/** False where what became of one request says nothing of another with the same key. */
	readonly answers: (done: Request, outcome: Outcome, other: Request) => boolean;
}

interface Flight<Request, Outcome> {
	readonly request: Request;
	readonly outcome: Promise<Outcome>;
	readonly listeners: Set<(bytes: number) => void>;
	readonly controller: AbortController;
}

export class InFlight<Request, Outcome> {
	readonly #options: InFlightOptions<Request, Outcome>;
	readonly #flights = new Map<string, Flight<Request, Outcome>>();

	constructor(options: InFlightOptions<Request, Outcome>) {
		this.#options = options;
	}

	/** Begins this work, or joins it where it has begun. */
	join(request: Request, onBytes: (bytes: number) => void = () => undefined): Seat<Outcome> {
		const key = this.#options.keyOf(request);
		// Not the caller's own function: it may join the same work twice.
		const listener = (bytes: number): void => onBytes(bytes);
		let boarded: Flight<Request, Outcome> | undefined;
		let hasLeft = false;
		const board = (): Flight<Request, Outcome> => {
			if (hasLeft) throw abortReason(undefined);
			boarded = this.#flights.get(key) ?? this.#start(key, request);
			boarded.listeners.add(listener);
			return boarded;
		};
		return {
			outcome: this.#follow(request, board),
			leave: () => {
				hasLeft = true;
				if (boarded) this.#leave(key, boarded, listener);
			},
		};
	}

	async #follow(request: Request, board: () => Flight<Request, Outcome>): Promise<Outcome> {
		for (;;) {
			const flight = board();
			const outcome = await flight.outcome;
			const isOwn = flight.request === request;
			if (isOwn || this.#options.answers(flight.request, outcome, request)) return outcome;
		}
	}

	#start(key: string, request: Request): Flight<Request, Outcome> {
		const controller = new AbortController();
		const listeners = new Set<(bytes: number) => void>();
		const onBytes = (bytes: number): void => {
			for (const listener of listeners) listener(bytes);
		};
		const { signal } = controller;
		const outcome = this.#options.run(request, { signal, onBytes }).finally(() => {
			if (this.#flights.get(key) === flight) this.#flights.delete(key);
		});
		const flight = { request, outcome, listeners, controller };
		this.#flights.set(key, flight);
		return flight;
	}

	#leave(key: string, flight: Flight<Request, Outcome>, listener: (bytes: number) => void): void {
		if (!flight.listeners.delete(listener) || flight.listeners.size > 0) return;
		// Who comes now must not board what is being given up.
		if (this.#flights.get(key) === flight) this.#flights.delete(key);
		flight.outcome.catch(() => undefined);
		flight.controller.abort();
	}
}
