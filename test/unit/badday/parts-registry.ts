/** A registry that takes blobs in parts and knows how far each upload is, and does with a request what a test says. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sha256 } from '../../support/push.ts';
import { startScripted, type ScriptedServer } from '../upstream/scripted-server.ts';

/** One request about an upload. */
export interface Asked {
	readonly method: string;
	/** of its kind, from 1 on */
	readonly time: number;
	/** the length of its body */
	readonly bytes: number;
	readonly authorization: string | undefined;
}

/** What a registry does instead of its work. */
export type Quirk =
	| { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
	/** takes so many bytes of the body, and then the connection ends */
	| { readonly keeps: number }
	/** does its work, and then the connection ends */
	| 'loses-answer'
	| undefined;

export interface PartsRegistry {
	readonly server: ScriptedServer;
	/** `PATCH 0-9`, in order */
	readonly log: string[];
	/** by digest */
	readonly blobs: ReadonlyMap<string, Buffer>;
}

export interface PartsRegistryOptions {
	readonly quirk?: (asked: Asked) => Quirk;
	readonly leastPartBytes?: number;
}

async function bodyOf(request: IncomingMessage, bytes = Infinity): Promise<Buffer> {
	const parts: Buffer[] = [];
	let seen = 0;
	for await (const part of request) {
		parts.push(part as Buffer);
		seen += (part as Buffer).length;
		if (seen >= bytes) break;
	}
	return Buffer.concat(parts).subarray(0, bytes);
}

class Uploads {
	readonly #options: PartsRegistryOptions;
	readonly log: string[] = [];
	readonly blobs = new Map<string, Buffer>();
	readonly #open = new Map<string, Buffer>();
	readonly #times = new Map<string, number>();
	#moves = 0;

	constructor(options: PartsRegistryOptions) {
		this.#options = options;
	}

	async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const { method = '', url = '', headers } = request;
		const range = headers['content-range'];
		this.log.push(`${method}${range === undefined ? '' : ` ${range}`}`);
		const time = (this.#times.get(method) ?? 0) + 1;
		this.#times.set(method, time);
		const bytes = Number(headers['content-length'] ?? 0);
		const { authorization } = headers;
		const quirk = this.#options.quirk?.({ method, time, bytes, authorization });
		const id = /\/uploads\/(\d+)/.exec(url)?.[1] ?? '';
		if (quirk === 'loses-answer') {
			await this.#work(request, id);
			request.socket.destroy();
		} else if (quirk && 'keeps' in quirk) {
			const kept = await bodyOf(request, quirk.keeps);
			this.#open.set(id, Buffer.concat([this.#open.get(id) ?? Buffer.alloc(0), kept]));
			request.socket.destroy();
		} else if (quirk) {
			// What is too large is not read to its end.
			if (quirk.status !== 413) await bodyOf(request);
			else response.once('finish', () => request.socket.destroySoon());
			response.writeHead(quirk.status, quirk.headers ?? {}).end(quirk.body);
		} else {
			const { status, more } = await this.#work(request, id);
			response.writeHead(status, more).end();
		}
	}

	async #work(
		request: IncomingMessage,
		id: string,
	): Promise<{ status: number; more: Record<string, string> }> {
		const { method = '', url = '', headers } = request;
		const known = this.#open.get(id);
		if (method === 'HEAD') {
			const digest = url.split('/').at(-1) ?? '';
			return { status: this.blobs.has(digest) ? 200 : 404, more: {} };
		}
		if (method === 'POST') {
			const next = String(this.#open.size + 1);
			this.#open.set(next, Buffer.alloc(0));
			return { status: 202, more: this.#where(next) };
		}
		if (!known) return { status: 404, more: {} };
		if (method === 'DELETE') {
			this.#open.delete(id);
			return { status: 204, more: {} };
		}
		if (method === 'GET') return { status: 204, more: this.#where(id) };
		const from = /^(\d+)-/.exec(headers['content-range'] ?? '')?.[1];
		if (from !== undefined && Number(from) !== known.length) {
			return { status: 416, more: this.#where(id) };
		}
		const whole = Buffer.concat([known, await bodyOf(request)]);
		this.#open.set(id, whole);
		if (method === 'PATCH') return { status: 202, more: this.#where(id) };
		const digest = new URL(url, 'http://x').searchParams.get('digest') ?? '';
		if (sha256(whole) !== digest) return { status: 400, more: {} };
		this.blobs.set(digest, whole);
		return { status: 201, more: {} };
	}

	/** Somewhere else every time. */
	#where(id: string): Record<string, string> {
		const { leastPartBytes } = this.#options;
		const length = this.#open.get(id)?.length ?? 0;
		return {
			location: `/v2/a/b/blobs/uploads/${id}?move=${(this.#moves += 1)}`,
			range: `0-${Math.max(0, length - 1)}`,
			...(leastPartBytes !== undefined && { 'oci-chunk-min-length': String(leastPartBytes) }),
		};
	}
}

export async function startPartsRegistry(options: PartsRegistryOptions): Promise<PartsRegistry> {
	const uploads = new Uploads(options);
	const server = await startScripted((request, response) => {
		uploads.answer(request, response).catch(() => response.destroy());
	});
	return { server, log: uploads.log, blobs: uploads.blobs };
}
