/** What decides who is let in where. Views find it in their context; where there is none, nothing is asked of the user. */
import { getContext, setContext } from 'svelte';
import type { RegistryFacts } from '../../shared/api/schema.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import type { KnownRegistries } from './known-registries.svelte.ts';
import type { Logins } from './logins.svelte.ts';

export interface Access {
	readonly logins: Logins;
	/** Whether the server is a team's, where nobody can log in on it. */
	readonly isShared?: () => boolean;
	readonly known: KnownRegistries;
	/** Which login the proxy would use there. It asks no registry. */
	readonly describe: (repository: Repository, signal?: AbortSignal) => Promise<RegistryFacts>;
	/**
	 * What a team's server serves, as `registry` or `registry/namespace`: it writes with the logins of this tab alone.
	 * Undefined where the server is the user's own.
	 */
	readonly served?: () => readonly string[] | undefined;
}

const key = Symbol('access');

export function provideAccess(access: Access): void {
	setContext(key, access);
}

export function accessHere(): Access | undefined {
	return getContext<Access | undefined>(key);
}
