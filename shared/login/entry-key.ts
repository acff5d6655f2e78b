/** The names under which logins are kept, in auth files and by those who type them. */
import type { Repository } from '../oci/reference.ts';

const hubHosts: ReadonlySet<string> = new Set([
	'docker.io',
	'index.docker.io',
	'registry-1.docker.io',
]);

/** The registry a key is about: without scheme and API path, Docker Hub under its one name. */
export function registryOfKey(key: string): string {
	const host = (key.replace(/^https?:\/\//i, '').split('/')[0] ?? '').toLowerCase();
	return hubHosts.has(host) ? 'docker.io' : host;
}

/** True for keys of one registry: `host`, `host:port`, `https://host/v1/`; false for `host/namespace`. */
export function isRegistryKey(key: string): boolean {
	return /^(?:https?:\/\/[^/]+(?:\/.*)?|[^/]+(?:\/v[12])?\/?)$/i.test(key);
}

/**
 * The key that covers the repository best: with `namespaces` the longest `host/path` prefix,
 * then the registry as written, then any other way to write the registry.
 */
export function bestKey(
	keys: readonly string[],
	{ registry, repository }: Repository,
	namespaces: boolean,
): string | undefined {
	if (namespaces) {
		const parts = repository.split('/');
		for (let length = parts.length; length > 0; length -= 1) {
			const wanted = `${registry}/${parts.slice(0, length).join('/')}`;
			if (keys.includes(wanted)) return wanted;
		}
	}
	if (keys.includes(registry)) return registry;
	const own = registryOfKey(registry);
	return keys.find((key) => isRegistryKey(key) && registryOfKey(key) === own);
}
