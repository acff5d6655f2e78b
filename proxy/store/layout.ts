/** One repository on disk: an OCI image layout that other tools can read (OCI image-spec, image-layout.md). */
import { join } from 'node:path';
import { algorithmOf, isDigest, type Digest } from '../../shared/oci/digest.ts';
import type { Document } from '../../shared/oci/document.ts';
import type { Descriptor } from '../../shared/oci/manifest.ts';
import { isIndexType, manifestMediaTypes } from '../../shared/oci/media-type.ts';
import { formatReference, isTag, storeRegistry } from '../../shared/oci/reference.ts';
import { limits } from '../../shared/registry/limits.ts';
import { ProblemError } from '../../shared/registry/problem.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';
import { BlobFolder } from './blob-folder.ts';
import { contentSize, type ContentFile } from './content-file.ts';
import { makeOwnFolder, writeDurably } from './durable-write.ts';
import { hashBytes } from '../hashing.ts';
import { IndexFile } from './index-file.ts';
import {
	findTag,
	isListed,
	settled,
	tagsOf,
	withManifest,
	withTag,
	withoutManifest,
	withoutTag,
	type LayoutIndex,
} from './layout-index.ts';
import type { LockOptions } from './lock.ts';
import {
	manifestFacts,
	mostManifestBytes,
	pushedManifestFacts,
	referrerDescriptor,
	type ManifestFacts,
} from './manifest-facts.ts';
import { StoreError } from './store-error.ts';

const mostFactsKept = 20_000;

export interface LayoutOptions {
	/** the folder of the repository; no part of it may be a symbolic link */
	readonly folder: string;
	/** the name of the repository, for messages */
	readonly name: string;
	/** where temporary files go: the same file system */
	readonly scratch: string;
	readonly lock?: LockOptions | undefined;
}

/** What a tag must be at for a write to happen: nowhere, anywhere, or at one of these digests. */
export type TagExpectation = 'absent' | 'present' | readonly string[];

export interface PutManifestOptions {
	/** the digest that the bytes must have; computed with sha256 where absent */
	readonly digest?: Digest | undefined;
	/** a tag to set to it */
	readonly tag?: string | undefined;
	/** the bare Content-Type it came with; by default the document's own word is taken */
	readonly mediaType?: string | undefined;
	readonly expect?: TagExpectation | undefined;
	/** False for a manifest whose config, layers or children may be missing. Default true. */
	readonly checkReferences?: boolean | undefined;
}

export interface StoredManifest {
	readonly digest: Digest;
	readonly mediaType: string;
	/** the manifest that this one describes, where it names one */
	readonly subject: Digest | undefined;
}

export class Layout {
	readonly name: string;
	readonly #folder: string;
	readonly #scratch: string;
	readonly #index: IndexFile;
	readonly #blobs: BlobFolder;
	readonly #facts = new Map<Digest, ManifestFacts>();

	constructor({ folder, name, scratch, lock }: LayoutOptions) {
		this.name = name;
		this.#folder = folder;
		this.#scratch = scratch;
		this.#blobs = new BlobFolder(join(folder, 'blobs'), scratch);
		this.#index = new IndexFile(folder, {
			scratch,
			lock,
			settle: (index, removing) => this.#settle(index, removing),
			remove: async (digest) => {
				this.#facts.delete(digest);
				await this.#blobs.remove(digest);
			},
		});
	}

	async exists(): Promise<boolean> {
		return (await contentSize(join(this.#folder, 'index.json'))) !== undefined;
	}

	/** All tags in lexical order. @throws StoreError `nameUnknown`, `layoutDamaged` */
	async tags(): Promise<string[]> {
		return tagsOf(await this.#known());
	}

	/** The digest a tag points to. @throws StoreError `nameUnknown`, `manifestUnknown` */
	async resolve(tag: string): Promise<Digest> {
		const entry = findTag(await this.#known(), tag);
		if (!entry || !isDigest(entry.digest)) throw this.#unknown(tag);
		return entry.digest;
	}

	/**
	 * A manifest by digest, held against it. Also children of indexes, which `index.json` does not list.
	 * @throws StoreError `nameUnknown`, `manifestUnknown` (also for a blob that is no manifest);
	 * ProblemError `digest-mismatch`
	 */
	async readManifest(digest: Digest): Promise<Document> {
		const document = await this.#document(digest);
		if (document && manifestFacts(document)) return document;
		await this.#known();
		throw this.#unknown(digest);
	}

	/** What a manifest says, or undefined where there is none. @throws ProblemError `digest-mismatch` */
	async manifestFacts(digest: Digest): Promise<ManifestFacts | undefined> {
		const known = this.#facts.get(digest);
		if (known && (await this.blobSize(digest)) === known.size) return known;
		const document = await this.#document(digest);
		const facts = document && manifestFacts(document);
		if (facts) this.#keepFacts(facts);
		else this.#facts.delete(digest);
		return facts;
	}

	/** The size of a blob in bytes, or undefined where it is not there. */
	blobSize(digest: Digest): Promise<number | undefined> {
		return this.#blobs.size(digest);
	}

	/** The caller closes the handle. @throws StoreError `nameUnknown`, `blobUnknown` */
	async openBlob(digest: Digest): Promise<ContentFile> {
		const file = await this.#blobs.open(digest);
		if (file) return file;
		await this.#known();
		throw this.#unknown(digest, 'blobUnknown');
	}

	/** The manifests that name `subject`, whether or not it is there. */
	async referrers(subject: Digest): Promise<Descriptor[]> {
		const index = await this.#index.read();
		const listed = new Set((index?.manifests ?? []).map(({ digest }) => digest).filter(isDigest));
		const found: Descriptor[] = [];
		for (const digest of listed) {
			const facts = await this.#listedFacts(digest);
			if (facts?.subject === subject) found.push(referrerDescriptor(facts));
		}
		return found;
	}

	/**
	 * Keeps a manifest, and sets a tag to it where one is named. Visible only when all of it is on disk.
	 * @throws StoreError `manifestTooLarge`, `digestMismatch`, `manifestInvalid`, `manifestBlobUnknown`,
	 * `tagInvalid`, `precondition`, `locked`, `layoutDamaged`
	 */
	async putManifest(bytes: Uint8Array, options: PutManifestOptions = {}): Promise<StoredManifest> {
		const { tag, expect } = options;
		if (tag !== undefined && !isTag(tag)) {
			throw new StoreError('tagInvalid', `“${tag}” is not a tag.`, { details: [tag] });
		}
		const facts = this.#checkedFacts(bytes, options);
		if (options.checkReferences !== false) await this.#checkReferences(facts);
		await this.#makeLayout();
		await this.#blobs.write(facts.digest, bytes);
		await this.#index.edit(async (index) => {
			if (tag !== undefined && expect !== undefined) this.#checkTag(index, tag, expect);
			// A deletion may have come between the write above and this edit.
			await this.#blobs.write(facts.digest, bytes);
			this.#keepFacts(facts);
			const { mediaType, digest, size } = facts;
			const listed = { mediaType, digest, size };
			return tag === undefined ? withManifest(index, listed) : withTag(index, tag, listed);
		});
		return { digest: facts.digest, mediaType: facts.mediaType, subject: facts.subject };
	}

	/**
	 * Removes a tag and leaves its manifest.
	 * @throws StoreError `nameUnknown`, `manifestUnknown`; `precondition` where it is not as expected
	 */
	async deleteTag(tag: string, expect?: TagExpectation): Promise<void> {
		await this.#known();
		await this.#index.edit((index) => {
			if (expect !== undefined) this.#checkTag(index, tag, expect);
			if (!findTag(index, tag)) throw this.#unknown(tag);
			return withoutTag(index, tag);
		});
	}

	/**
	 * Removes a manifest and all its tags. Children of an index stay, and are listed again
	 * where no other index needs them. @throws StoreError `nameUnknown`, `manifestUnknown`
	 */
	async deleteManifest(digest: Digest): Promise<void> {
		await this.#known();
		await this.#index.edit(async (index) => {
			const facts = await this.#factsIfSound(digest);
			if (!facts && !isListed(index, digest)) throw this.#unknown(digest);
			let without = withoutManifest(index, digest);
			for (const child of facts?.children ?? []) {
				const kept = isDigest(child.digest) && (await this.#factsIfSound(child.digest));
				if (!kept) continue;
				const { mediaType, digest: childDigest, size } = kept;
				without = withManifest(without, { mediaType, digest: childDigest, size });
			}
			return without;
		}, digest);
	}

	/**
	 * Removes a blob, whoever refers to it.
	 * @throws StoreError `nameUnknown`, `blobUnknown`, `unsupported` for a manifest in use
	 */
	async deleteBlob(digest: Digest): Promise<void> {
		await this.#known();
		await this.#index.edit(async (index) => {
			if ((await this.blobSize(digest)) === undefined) throw this.#unknown(digest, 'blobUnknown');
			if (isListed(index, digest) || (await this.#covered(index)).has(digest)) {
				throw new StoreError('unsupported', `${digest} is a manifest in use: delete it as one.`);
			}
			return index;
		}, digest);
	}

	/** Takes a file whose bytes have this digest and are on disk; the file is moved. */
	async adoptBlob(digest: Digest, file: string): Promise<void> {
		await this.#makeLayout();
		await this.#blobs.adopt(digest, file);
	}

	/** Takes a blob from another repository of the same store without reading it, where the disk allows. */
	async mountBlob(digest: Digest, source: Layout): Promise<void> {
		await this.#makeLayout();
		await this.#blobs.link(digest, source.#blobs);
	}

	async #known(): Promise<LayoutIndex> {
		const index = await this.#index.read();
		if (index) return index;
		throw new StoreError('nameUnknown', `The store has no repository ${this.name}.`, {
			reference: `${storeRegistry}/${this.name}`,
			details: [{ name: this.name }],
		});
	}

	#unknown(what: string, kind: 'manifestUnknown' | 'blobUnknown' = 'manifestUnknown'): StoreError {
		const reference = `${storeRegistry}/${this.name}${isDigest(what) ? '@' : ':'}${what}`;
		const noun = kind === 'manifestUnknown' ? 'manifest' : 'blob';
		return new StoreError(kind, `The store has no ${noun} ${reference}.`, {
			reference,
			details: [what],
		});
	}

	async #document(digest: Digest): Promise<Document | undefined> {
		const bytes = await this.#blobs.read(digest, limits.documentBytes);
		if (bytes === undefined || bytes === 'too-large') return undefined;
		const reference = { registry: storeRegistry, repository: this.name, digest };
		return await verifyDocument(reference, { bytes, mediaType: '' }, hashBytes);
	}

	async #factsIfSound(digest: Digest): Promise<ManifestFacts | undefined> {
		try {
			return await this.manifestFacts(digest);
		} catch (error) {
			if (error instanceof ProblemError) return undefined;
			throw error;
		}
	}

	/** Of a manifest that `index.json` lists, so that there is no need to look whether it is there. */
	async #listedFacts(digest: Digest): Promise<ManifestFacts | undefined> {
		return this.#facts.get(digest) ?? (await this.#factsIfSound(digest));
	}

	#keepFacts(facts: ManifestFacts): void {
		this.#facts.set(facts.digest, facts);
		const [oldest] = this.#facts.keys();
		if (this.#facts.size > mostFactsKept && oldest) this.#facts.delete(oldest);
	}

	#checkedFacts(bytes: Uint8Array, { digest, mediaType = '' }: PutManifestOptions): ManifestFacts {
		if (bytes.length > mostManifestBytes) {
			throw new StoreError(
				'manifestTooLarge',
				`A manifest may have ${mostManifestBytes} bytes; this one has ${bytes.length}.`,
			);
		}
		const actual = hashBytes(digest ? algorithmOf(digest) : 'sha256', bytes);
		if (digest !== undefined && digest !== actual) {
			throw new StoreError(
				'digestMismatch',
				`The manifest has the digest ${actual}, not ${digest}.`,
				{
					details: [digest],
				},
			);
		}
		return pushedManifestFacts(actual, bytes, mediaType);
	}

	async #checkReferences(facts: ManifestFacts): Promise<void> {
		const missing: string[] = [];
		for (const digest of new Set(facts.blobs)) {
			if (!isDigest(digest) || (await this.blobSize(digest)) === undefined) missing.push(digest);
		}
		for (const child of facts.children) {
			if (!(await this.#hasChild(child))) missing.push(child.digest);
		}
		if (missing.length === 0) return;
		const what = facts.children.length > 0 ? 'children' : 'blobs';
		throw new StoreError(
			'manifestBlobUnknown',
			`${formatReference({ registry: storeRegistry, repository: this.name, digest: facts.digest })} refers to ${what} that this repository does not have.`,
			{ details: [...new Set(missing)] },
		);
	}

	/** A child of a type that is no manifest's may be any blob (BuildKit caches are kept so). */
	async #hasChild(child: ManifestFacts['children'][number]): Promise<boolean> {
		if (!isDigest(child.digest)) return false;
		if (!manifestMediaTypes.includes(child.mediaType)) {
			return (await this.blobSize(child.digest)) !== undefined;
		}
		return (await this.#factsIfSound(child.digest)) !== undefined;
	}

	#checkTag(index: LayoutIndex, tag: string, expect: TagExpectation): void {
		const found = findTag(index, tag)?.digest;
		const asExpected =
			expect === 'absent'
				? found === undefined
				: found !== undefined && (expect === 'present' || expect.includes(found));
		if (asExpected) return;
		throw new StoreError(
			'precondition',
			`${storeRegistry}/${this.name}:${tag} is ${found ? `at ${found}` : 'not there'}, which is not what was expected.`,
			{ details: [{ found: found ?? 'absent' }] },
		);
	}

	async #makeLayout(): Promise<void> {
		if (await this.exists()) return;
		await makeOwnFolder(this.#folder);
		const version = new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}\n');
		await writeDurably(join(this.#folder, 'oci-layout'), version, this.#scratch);
		await this.#index.edit((index) => index);
	}

	/** Everything that listed indexes reach; `removing` counts as gone already. */
	async #covered(index: LayoutIndex, removing?: Digest): Promise<ReadonlySet<string>> {
		const covered = new Set<string>();
		const listed = new Set(index.manifests.map(({ digest }) => digest));
		const open: { digest: string; mediaType: string }[] = [...index.manifests];
		for (let next = open.pop(); next; next = open.pop()) {
			const { digest, mediaType } = next;
			if (!isIndexType(mediaType) || !isDigest(digest) || digest === removing) continue;
			// Ten thousand tags would mean as many files looked for, each time that one tag is set.
			const facts = await (listed.has(digest)
				? this.#listedFacts(digest)
				: this.#factsIfSound(digest));
			for (const child of facts?.children ?? []) {
				if (!covered.has(child.digest)) open.push(child);
				covered.add(child.digest);
			}
		}
		return covered;
	}

	/** Keeps the roots: what has a tag, what describes another manifest, what no listed index reaches. */
	async #settle(index: LayoutIndex, removing: Digest | undefined): Promise<LayoutIndex> {
		const covered = await this.#covered(index, removing);
		const roots = new Set<string>();
		for (const { digest } of index.manifests) {
			if (!covered.has(digest) || !isDigest(digest)) continue;
			const facts = await this.#listedFacts(digest);
			if (facts?.subject !== undefined) roots.add(digest);
		}
		return settled(index, ({ digest }) => covered.has(digest) && !roots.has(digest));
	}
}
