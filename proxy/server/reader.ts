/** A reader for this user: with the logins and the embedded registry of the host. */
import type { RegistryReader } from '../../shared/registry/registries.ts';
import { openOwnRegistries, type RegistryOptions } from './own-registries.ts';

/** A reader that holds connections until it is closed. */
export type OpenReader = RegistryReader & { close(): Promise<void> };

/** A reader for references of this one registry, and whatever their content leads to. */
export function openReader(options: RegistryOptions, registry: string): Promise<OpenReader> {
	return openOwnRegistries(options, [registry]);
}
