/** Who asks: with the logins that came with the request, or with none of their own. */
import type { Context } from 'hono';
import { loginsHeader, parseLogins } from '../../shared/api/logins.ts';
import type { RegistryFacts } from '../../shared/api/schema.ts';
import type { KeyedLogin } from '../../shared/login/login.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import type { RegistryReader, RegistryWriter } from '../../shared/registry/registries.ts';
import type { FindCapabilities } from '../server/capability-finder.ts';

/** What is known of the registry of this repository. Never a secret (D8). */
export type DescribeRegistry = (repository: Repository) => Promise<RegistryFacts>;

/** The registries as one caller may use them. */
export interface Caller {
	readonly reader: RegistryReader;
	readonly writer: RegistryWriter;
	readonly describeRegistry: DescribeRegistry;
	/** What it can do, asked of it without writing. */
	readonly findCapabilities?: FindCapabilities;
}

/** Nothing of the logins may be kept beyond what is done for this one request; without any, callers may be kept. */
export type CallerWith = (logins: readonly KeyedLogin[]) => Caller;

/** @throws ProblemError `request-invalid` where the logins cannot be read */
export type CallerOf = (c: Context) => Caller;

export function callerBy(callerWith: CallerWith): CallerOf {
	return (c) => {
		const header = c.req.header(loginsHeader);
		return callerWith(header === undefined ? [] : parseLogins(header));
	};
}
