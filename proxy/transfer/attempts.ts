/** What to do after a blob could not be transferred. */
import { saysAbsent, type Problem } from '../../shared/registry/problem.ts';
import { backoffMs } from '../upstream/retry.ts';

const attemptsPerSource = 3;
/** A registry that wants more patience than this is told of, and left to the user. */
const longestWaitMs = 20_000;

export interface Failure {
	/** on which side it went wrong */
	readonly side: 'source' | 'target';
	readonly problem: Problem;
}

export interface AttemptsSoFar {
	/** with this source, the failed one included */
	readonly attempts: number;
	/** sources that were not tried yet */
	readonly sourcesLeft: number;
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

/** What passes is tried again; where a source does not give the blob, the next one is asked. */
export function nextStep(
	{ side, problem }: Failure,
	{ attempts, sourcesLeft }: AttemptsSoFar,
	random: () => number,
): NextStep {
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
