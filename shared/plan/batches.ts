/** Many requests in batches, two at a time, so that a run can be held back between them. */
import { Confluence } from '../registry/confluence.ts';

/** Enough for every lane of a registry to be busy; bytes close a batch only when that many are in it. */
const fewest = 16;
const most = 512;
const mostBytes = 256 * 1024 * 1024;
const atOnce = 2;

/** Manifests have no size of their own here: they are small. */
type Sized = object & { readonly sizeBytes?: number };

/** What new batches have to pass. */
export interface Gate {
	/** Nothing more is to begin; what is under way goes on to its end. */
	readonly isShut: boolean;
	readonly isHeld: boolean;
	/** Waits for as long as it is held. */
	passed(): Promise<void>;
}

function* inBatches<Q extends Sized>(requests: readonly Q[]): Generator<readonly Q[]> {
	let batch: Q[] = [];
	let bytes = 0;
	for (const request of requests) {
		batch.push(request);
		bytes += request.sizeBytes ?? 0;
		if (batch.length < most && (batch.length < fewest || bytes < mostBytes)) continue;
		yield batch;
		batch = [];
		bytes = 0;
	}
	if (batch.length > 0) yield batch;
}

/** Begins a batch whenever fewer than two run and the gate lets it, and yields what comes of any of them. */
export async function* batches<Q extends Sized, E>(
	requests: readonly Q[],
	begin: (batch: readonly Q[]) => AsyncIterable<E>,
	gate: Gate,
): AsyncGenerator<E> {
	const waiting = [...inBatches(requests)];
	const running = new Confluence<E>();
	try {
		while (running.running > 0 || waiting.length > 0) {
			if (running.running === 0) await gate.passed();
			if (gate.isShut) waiting.length = 0;
			while (waiting.length > 0 && running.running < atOnce && !gate.isHeld) {
				running.add(begin(waiting.shift() ?? []));
			}
			const event = await running.next();
			if (event !== undefined) yield event;
		}
	} finally {
		running.stop();
	}
}
