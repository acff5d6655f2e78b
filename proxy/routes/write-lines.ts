/** A line for each thing that becomes of a request to write, and a last one for each, whatever becomes of the batch. */
import { problemOf, type Problem } from '../../shared/registry/problem.ts';

interface WriteEvent {
	readonly state: string;
}

interface FailedLine {
	readonly index: number;
	readonly state: 'failed';
	readonly problem: Problem;
}

const noAnswer: Problem = {
	code: 'internal',
	origin: 'proxy',
	reason: 'Espalier did not say what became of this.',
};

const onTheWay: readonly string[] = ['copying', 'sending'];

/** After an abort nobody listens any more, so nothing is added. */
export async function* writeLines<Request extends object, Event extends WriteEvent, Line>(
	requests: readonly Request[],
	write: (requests: readonly Request[]) => AsyncIterable<Event>,
	shape: {
		readonly signal: AbortSignal;
		readonly requestOf: (event: Event) => Request;
		readonly toLine: (index: number, event: Event) => Line;
	},
): AsyncGenerator<Line | FailedLine> {
	const open = new Map(requests.map((request, index) => [request, index]));
	let left: Problem = noAnswer;
	try {
		for await (const event of write(requests)) {
			const request = shape.requestOf(event);
			const index = open.get(request);
			if (index === undefined) continue;
			if (!onTheWay.includes(event.state)) open.delete(request);
			yield shape.toLine(index, event);
		}
	} catch (error) {
		left = problemOf(error);
	}
	if (shape.signal.aborted) return;
	for (const index of open.values()) yield { index, state: 'failed', problem: left };
}
