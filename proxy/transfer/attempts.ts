/** What to do after a blob could not be transferred. */
import { saysAbsent, type Problem, type ProblemCode } from '../../shared/registry/problem.ts';
import { backoffMs } from '../upstream/retry.ts';

const attemptsPerSource = 3;
/** A registry that wants more patience than this is told of, and left to the user. */
const longestWaitMs = 20_000;

export interface Failure {
	/** on which side it went wrong */
	readonly side: 'source' | 'target';
	readonly problem: Problem;
	/** the target had begun an upload, and it was under way */
	readonly isMidway?: boolean;
}

export interface AttemptsSoFar {
	/** with this source, the failed one included */
	readonly attempts: number;
	/** sources that were not tried yet */
	readonly sourcesLeft: number;
	/** what was met before for which the target has another way */
	readonly detours: ReadonlySet<ProblemCode>;
}

export type NextStep =
	| { readonly kind: 'again'; readonly afterMs: number }
	| { readonly kind: 'next-source' }
	| { readonly kind: 'give-up' };

/** True where the same may go well a moment later. */
export function isPassing({ code, status, retryAfterMs }: Problem): boolean {
	switch (code) {
		case 'connection-lost':
		case 'timeout':
		case 'truncated':
			return true;
		case 'registry-failure':
			return status === undefined || status >= 500;
		case 'rate-limited':
			return (retryAfterMs ?? 0) <= longestWaitMs;
		default:
			return false;
	}
}

/**
 * What the next upload does in another way: a login that was good enough to begin is a new one then, and what was
 * too large for one request goes in parts.
 */
export function detourFor({ problem: { code }, isMidway }: Failure): ProblemCode | undefined {
	const hasOther = code === 'unauthorized' || code === 'too-large';
	return isMidway === true && hasOther ? code : undefined;
}

/** What passes is tried again; where a source does not give the blob, the next one is asked. */
export function nextStep(
	failure: Failure,
	{ attempts, sourcesLeft, detours }: AttemptsSoFar,
	random: () => number,
): NextStep {
	const { side, problem } = failure;
	const detour = detourFor(failure);
	if (detour !== undefined && !detours.has(detour)) return { kind: 'again', afterMs: 0 };
	if (isPassing(problem) && attempts < attemptsPerSource) {
		const afterMs = Math.max(problem.retryAfterMs ?? 0, backoffMs(attempts, random));
		return { kind: 'again', afterMs };
	}
	if (side === 'source' && sourcesLeft > 0) return { kind: 'next-source' };
	return { kind: 'give-up' };
}

/** Of what all sources said, what to tell: that a blob is absent only where nothing else went wrong. */
export function mostTelling(problems: readonly Problem[], last: Problem): Problem {
	const all = [...problems, last];
	return all.find((problem) => !saysAbsent(problem)) ?? last;
}
