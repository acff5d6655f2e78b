/** What kept cells from being checked, counted: one line above the matrix instead of a riddle in each cell. */
import type { Problem, ProblemCode } from '../registry/problem.ts';
import type { Coverage } from './coverage.ts';

export interface Unread {
	/** one of its kind, for the explanation */
	readonly problem: Problem;
	/** how many components it concerns */
	readonly components: number;
}

/** By kind of problem, most components first. Cells that are only not read yet do not count. */
export function unreadReasons({ components }: Coverage): readonly Unread[] {
	const kinds = new Map<ProblemCode, Unread>();
	for (const { cells } of components) {
		const problems = cells.flatMap(({ status, pending, problem }) =>
			status === 'unchecked' && !pending && problem ? [problem] : [],
		);
		for (const problem of new Map(problems.map((each) => [each.code, each])).values()) {
			const known = kinds.get(problem.code);
			kinds.set(problem.code, { problem, components: (known?.components ?? 0) + 1 });
		}
	}
	return [...kinds.values()].toSorted((a, b) => b.components - a.components);
}
