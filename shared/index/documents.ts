/** The documents read so far, found again by repository and digest. */
import type { Digest } from '../oci/digest.ts';
import {
	byDigest,
	formatReference,
	hasDigest,
	type DigestReference,
	type Reference,
	type Repository,
} from '../oci/reference.ts';
import type { DocumentResult } from '../registry/registries.ts';

/** A digest decides; the tag beside it is for display only. */
function name(reference: Reference): string {
	return formatReference(hasDigest(reference) ? byDigest(reference, reference.digest) : reference);
}

/**
 * A document belongs to the repository it was read from: the same digest elsewhere
 * may be missing, and that is what coverage has to tell.
 */
export class Documents {
	readonly #manifests = new Map<string, DocumentResult>();
	readonly #configs = new Map<string, DocumentResult<DigestReference>>();

	addManifest(result: DocumentResult): void {
		const { reference } = result.request;
		this.#manifests.set(name(reference), result);
		if (result.ok) this.#manifests.set(name(byDigest(reference, result.document.digest)), result);
	}

	addConfig(result: DocumentResult<DigestReference>): void {
		const { reference } = result.request;
		this.#configs.set(name(reference), result);
	}

	/** By the reference it was asked for, tag or digest. */
	byReference(reference: Reference): DocumentResult | undefined {
		return this.#manifests.get(name(reference));
	}

	manifest(repository: Repository, digest: Digest): DocumentResult | undefined {
		return this.#manifests.get(name(byDigest(repository, digest)));
	}

	config(repository: Repository, digest: Digest): DocumentResult<DigestReference> | undefined {
		return this.#configs.get(name(byDigest(repository, digest)));
	}

	/** When the oldest of them was last seen in its registry; undefined before there is one. */
	get checkedAt(): number | undefined {
		let oldest: number | undefined;
		for (const result of [...this.#manifests.values(), ...this.#configs.values()]) {
			if (result.ok && (oldest === undefined || result.checkedAt < oldest)) {
				oldest = result.checkedAt;
			}
		}
		return oldest;
	}
}
