/** Puts blobs and manifests into a registry without TLS, many at a time. */
import { createHash } from 'node:crypto';
import { Pool } from 'undici';
import { isDigest, type Digest } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/media-type.ts';

export function sha256(bytes: Uint8Array): Digest {
	const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
	if (!isDigest(digest)) throw new Error('no digest');
	return digest;
}

export function jsonBytes(value: unknown): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(value));
}

export interface Pushed {
	readonly digest: Digest;
	readonly size: number;
	readonly mediaType: string;
}

export interface PusherOptions {
	/** how many requests at a time */
	readonly connections?: number;
	/** the value of an Authorization header */
	readonly authorization?: string;
}

/** Runs `work` over all items, `width` at a time. */
export async function inParallel<T, R>(
	items: readonly T[],
	width: number,
	work: (item: T) => Promise<R>,
): Promise<R[]> {
	const results: R[] = [];
	let next = 0;
	const worker = async (): Promise<void> => {
		for (let index = next++; index < items.length; index = next++) {
			results[index] = await work(items[index]!);
		}
	};
	await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
	return results;
}

export class Pusher {
	readonly #pool: Pool;
	readonly #headers: Record<string, string>;

	constructor(host: string, { connections = 32, authorization }: PusherOptions = {}) {
		this.#pool = new Pool(`http://${host}`, { connections });
		this.#headers = authorization === undefined ? {} : { authorization };
	}

	async pushBlob(
		repository: string,
		bytes: Uint8Array,
		mediaType: string = mediaTypes.octetStream,
	): Promise<Pushed> {
		const digest = sha256(bytes);
		const started = await this.#send('POST', `/v2/${repository}/blobs/uploads/`, 202);
		const upload = new URL(String(started.location), 'http://registry.invalid');
		upload.searchParams.set('digest', digest);
		await this.#send('PUT', upload.pathname + upload.search, 201, {
			bytes,
			mediaType: mediaTypes.octetStream,
		});
		return { digest, size: bytes.length, mediaType };
	}

	/** @param reference a tag or a digest; by digest where it is left out */
	async pushManifest(
		repository: string,
		bytes: Uint8Array,
		mediaType: string,
		reference: string = sha256(bytes),
	): Promise<Pushed> {
		await this.#send('PUT', `/v2/${repository}/manifests/${reference}`, 201, { bytes, mediaType });
		return { digest: sha256(bytes), size: bytes.length, mediaType };
	}

	close(): Promise<void> {
		return this.#pool.close();
	}

	async #send(
		method: 'POST' | 'PUT',
		path: string,
		expected: number,
		content?: { bytes: Uint8Array; mediaType: string },
	): Promise<{ location: unknown }> {
		const { statusCode, headers, body } = await this.#pool.request({
			method,
			path,
			headers: { ...this.#headers, ...(content && { 'content-type': content.mediaType }) },
			body: content ? content.bytes : null,
		});
		const text = await body.text();
		if (statusCode !== expected) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
		return { location: headers['location'] };
	}
}
