/** The server URL by which credential helpers know a registry. */
import { registryOfKey } from '../../../shared/login/entry-key.ts';

const hubServer = 'https://index.docker.io/v1/';

export function helperServer(registry: string): string {
	return registryOfKey(registry) === 'docker.io' ? hubServer : registry;
}
