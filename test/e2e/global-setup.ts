/** One real registry with a release of full size, in both families of media types, for all journeys. */
import { fixturesMissing } from '../support/fixtures.ts';
import { hasDockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { pushFullRelease } from '../support/full-release.ts';

export default async function globalSetup(): Promise<(() => Promise<void>) | undefined> {
	if (fixturesMissing || !hasDockerRegistry) return undefined;
	const registry = await startDockerRegistry({ inMemory: true });
	const docker = await pushFullRelease(registry.host, 'docker', '4.20.0-multi');
	const oci = await pushFullRelease(registry.host, 'oci', '4.20.0-oci');
	process.env['ESPALIER_TEST_REGISTRY'] = registry.host;
	process.env['ESPALIER_TEST_DOCKER'] = docker.reference;
	process.env['ESPALIER_TEST_OCI'] = oci.reference;
	process.env['ESPALIER_TEST_DIGEST'] = docker.digest;
	return () => registry.stop();
}
