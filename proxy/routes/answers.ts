/** One answer for each request of a batch, whatever becomes of the batch. */
import { problemOf, type Problem } from '../../shared/registry/problem.ts';

interface FailedAnswer {
	readonly index: number;
	readonly ok: false;
	readonly problem: Problem;
}

const noAnswer: Problem = {
	code: 'internal',
	origin: 'proxy',
	reason: 'Espalier gave no answer to this request.',
};

/**
 * Results as they arrive, each as a line with its request's place; then a failure for every request that was
 * left without a result. After an abort nobody listens any more, so nothing is added.
 */
export async function* answerEach<Q extends object, R extends { readonly request: Q }, L>(
	requests: readonly Q[],
	read: (requests: readonly Q[]) => AsyncIterable<R>,
	{ signal, toLine }: { signal: AbortSignal; toLine: (index: number, result: R) => L },
): AsyncGenerator<L | FailedAnswer> {
	const open = new Map(requests.map((request, index) => [request, index]));
	let left: Problem = noAnswer;
	try {
		for await (const result of read(requests)) {
			const index = open.get(result.request);
			if (index === undefined) continue;
			open.delete(result.request);
			yield toLine(index, result);
		}
	} catch (error) {
		left = problemOf(error);
	}
	if (signal.aborted) return;
	for (const index of open.values()) yield { index, ok: false, problem: left };
}
