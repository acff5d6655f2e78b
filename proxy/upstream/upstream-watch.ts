/** What is told of requests to registries while they are made, for those who count. */
import type { ProblemCode } from '../../shared/registry/problem.ts';

export interface UpstreamWatch {
	/** A request goes out, also one that is tried again. */
	readonly onRequest: () => void;
	/** It will be made once more, after a failure that may pass. */
	readonly onRetry: () => void;
	/** It came to nothing, or the registry refused it. */
	readonly onFailure: (code: ProblemCode) => void;
}
