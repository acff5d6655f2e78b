/** A target in memory that does what a test says, and remembers what it was asked. */
import type { OpenUpload, TagWrite, Target, UploadBody } from '../../../proxy/transfer/target.ts';
import type { Pace } from '../../../proxy/upstream/retry.ts';
import type { Digest } from '../../../shared/oci/digest.ts';
import type { Document } from '../../../shared/oci/document.ts';
import {
	byDigest,
	formatReference,
	formatRepository,
	type DigestReference,
	type Repository,
} from '../../../shared/oci/reference.ts';
import { ProblemError, type Problem, type ProblemCode } from '../../../shared/registry/problem.ts';

export function problemWith(code: ProblemCode, more: Partial<Problem> = {}): ProblemError {
	return new ProblemError({ code, origin: 'registry', reason: `It is ${code}.`, ...more });
}

/** Time that passes only where somebody waits. */
export function instantPace(): Pace & { readonly waits: number[] } {
	const waits: number[] = [];
	let now = 0;
	return {
		waits,
		clock: () => now,
		wait: (ms, signal) => {
			signal?.throwIfAborted();
			waits.push(ms);
			now += ms;
			return Promise.resolve();
		},
		random: () => 0,
	};
}

export class MemoryTarget implements Target {
	readonly blobs = new Map<string, Uint8Array>();
	readonly manifests = new Map<string, Document>();
	readonly tags = new Map<string, Digest>();
	/** `verb reference`, in order */
	readonly calls: string[] = [];
	/** false: an upload is begun instead */
	mounts: boolean | 'refused' = true;
	sending = 0;
	mostSending = 0;
	/** What comes before a blob is taken: may wait, or throw. */
	onSend: (blob: DigestReference, signal: AbortSignal | undefined) => Promise<void> = () =>
		Promise.resolve();
	/** What comes after it was taken: a lost answer is thrown here. */
	afterSend: (blob: DigestReference) => void = () => undefined;
	/** What comes before an upload begins. */
	onStart: (blob: DigestReference) => void = () => undefined;

	count(verb: string): number {
		return this.calls.filter((call) => call.startsWith(`${verb} `)).length;
	}

	async hasBlob(blob: DigestReference): Promise<boolean> {
		this.calls.push(`has ${formatReference(blob)}`);
		return this.blobs.has(formatReference(blob));
	}

	async mount(
		blob: DigestReference,
		from: Repository,
	): Promise<'mounted' | OpenUpload | undefined> {
		const name = formatReference(blob);
		this.calls.push(`mount ${name} ${from.repository}`);
		if (this.mounts === 'refused') return undefined;
		const there = this.blobs.get(formatReference(byDigest(from, blob.digest)));
		if (!there || !this.mounts) return this.#upload(blob);
		this.blobs.set(name, there);
		return 'mounted';
	}

	async startUpload(blob: DigestReference): Promise<OpenUpload> {
		this.calls.push(`start ${formatReference(blob)}`);
		this.onStart(blob);
		return this.#upload(blob);
	}

	#upload(blob: DigestReference): OpenUpload {
		const name = formatReference(blob);
		return {
			send: (body, signal) => this.#send(blob, body, signal),
			cancel: async () => void this.calls.push(`cancel ${name}`),
		};
	}

	async #send(
		blob: DigestReference,
		{ chunks, onBytes }: UploadBody,
		signal: AbortSignal | undefined,
	): Promise<void> {
		const name = formatReference(blob);
		this.calls.push(`send ${name}`);
		this.sending += 1;
		this.mostSending = Math.max(this.mostSending, this.sending);
		try {
			await this.onSend(blob, signal);
			const parts: Uint8Array[] = [];
			for await (const chunk of chunks) {
				signal?.throwIfAborted();
				parts.push(chunk);
				onBytes(chunk.length);
			}
			this.blobs.set(name, Buffer.concat(parts));
			this.afterSend(blob);
		} finally {
			this.sending -= 1;
		}
	}

	async hasManifest(manifest: DigestReference): Promise<boolean> {
		return this.manifests.has(formatReference(manifest));
	}

	async putManifest(repository: Repository, manifest: Document): Promise<void> {
		const name = formatReference(byDigest(repository, manifest.digest));
		this.calls.push(`manifest ${name}`);
		this.manifests.set(name, manifest);
	}

	async resolveTag(repository: Repository, tag: string): Promise<Digest | 'absent'> {
		return this.tags.get(`${formatRepository(repository)}:${tag}`) ?? 'absent';
	}

	async setTag(
		write: TagWrite,
		manifest: Document,
	): Promise<'set' | { readonly found: Digest | 'absent' }> {
		const name = `${formatRepository(write)}:${write.tag}`;
		this.calls.push(`tag ${name}`);
		const found = this.tags.get(name) ?? 'absent';
		if (found !== write.expect) return { found };
		this.tags.set(name, manifest.digest);
		return 'set';
	}

	async removeTag(write: TagWrite): Promise<'removed' | { readonly found: Digest | 'absent' }> {
		this.tags.delete(`${formatRepository(write)}:${write.tag}`);
		return 'removed';
	}
}
