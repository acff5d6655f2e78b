/** What is known of one registry while requests go there. */
import { isWrite, type RegistryRequest } from '../../shared/registry/distribution.ts';
import type { Problem } from '../../shared/registry/problem.ts';
import type { RegistryAuth } from './auth.ts';
import type { Reach } from './egress.ts';
import type { RegistryEndpoint } from './endpoint.ts';
import type { Road } from './roads.ts';

/**
 * The first request of a kind: the others wait for it, as it finds out how to log in. Writes wait until one was
 * let in, lest a wrong password goes out with hundreds of them.
 */
interface Scouting {
	scout: Promise<void> | undefined;
	done: boolean;
}

/** What is shared by all requests of one client to one registry with one reach. */
export interface Line extends Road {
	readonly endpoint: RegistryEndpoint;
	readonly reach: Reach;
	readonly auth: RegistryAuth;
	readonly reading: Scouting;
	readonly writing: Scouting;
	/** Nothing answered there a moment ago. */
	unreachable: { readonly problem: Problem; readonly until: number } | undefined;
}

export function scoutingOf({ reading, writing }: Line, request: RegistryRequest): Scouting {
	return isWrite(request) ? writing : reading;
}
