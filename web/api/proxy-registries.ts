/** Both halves of the port, over HTTP to the proxy. */
import type { HashBytes } from '../../shared/registry/hashing.ts';
import type {
	BlobCopy,
	BlobUpload,
	CallOptions,
	ManifestPush,
	Registries,
	TagMove,
} from '../../shared/registry/registries.ts';
import type { ProxyClient } from './proxy-client.ts';
import { ProxyReader } from './proxy-reader.ts';
import { ProxyWriter } from './proxy-writer.ts';

export class ProxyRegistries extends ProxyReader implements Registries {
	readonly #writer: ProxyWriter;

	constructor(client: ProxyClient, hash: HashBytes) {
		super(client, hash);
		this.#writer = new ProxyWriter(client);
	}

	copyBlobs(copies: readonly BlobCopy[], options?: CallOptions) {
		return this.#writer.copyBlobs(copies, options);
	}

	putBlobs(uploads: readonly BlobUpload[], options?: CallOptions) {
		return this.#writer.putBlobs(uploads, options);
	}

	pushManifests(pushes: readonly ManifestPush[], options?: CallOptions) {
		return this.#writer.pushManifests(pushes, options);
	}

	moveTags(moves: readonly TagMove[], options?: CallOptions) {
		return this.#writer.moveTags(moves, options);
	}
}
