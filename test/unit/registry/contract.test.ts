import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import { hasDockerRegistry } from '../../support/docker-registry.ts';
import {
	behindMirror,
	cached,
	dockerRegistry,
	fake,
	overHttp,
	storeOnDisk,
	throughProxy,
} from './bindings.ts';
import { describeRegistryReader } from './contract.ts';

// Node 20 has no navigator; newer ones have no Web Locks either.
beforeAll(() => void vi.stubGlobal('navigator', {}));
afterAll(() => void vi.unstubAllGlobals());

describeRegistryReader('the fake', fake);
describeRegistryReader('the embedded store, direct', storeOnDisk);
describeRegistryReader('the embedded store, over /v2/', overHttp);
describeRegistryReader('the page, over the proxy to the fake', async () =>
	throughProxy(await fake()),
);
describeRegistryReader('the page, over the proxy to the embedded store', async () =>
	throughProxy(await storeOnDisk()),
);
describeRegistryReader('the page’s cache over the fake', async () => cached(await fake()));
describeRegistryReader('the fake behind an empty mirror', async () => behindMirror(await fake()));

if (hasDockerRegistry) {
	describeRegistryReader('docker-registry, direct', dockerRegistry);
} else {
	describe('docker-registry, direct', () => {
		it.skip('is not checked here: the program docker-registry is not installed', () => undefined);
	});
}
