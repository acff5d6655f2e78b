/** What decides who is let in where. Views find it in their context; where there is none, nothing is asked of the user. */
import { getContext, setContext } from 'svelte';
import type { RegistryFacts } from '../../shared/api/schema.ts';
import type { Repository } from '../../shared/oci/reference.ts';
import type { KnownRegistries } from './known-registries.svelte.ts';
import type { Logins } from './logins.svelte.ts';

export interface Access {
	readonly logins: Logins;
	readonly known: KnownRegistries;
	/** Which login the proxy would use there. It asks no registry. */
	readonly describe: (repository: Repository, signal?: AbortSignal) => Promise<RegistryFacts>;
}

const key = Symbol('access');

export function provideAccess(access: Access): void {
	setContext(key, access);
}

export function accessHere(): Access | undefined {
	return getContext<Access | undefined>(key);
}
