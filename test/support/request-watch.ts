/** What this process asks of registries, as its HTTP client itself reports it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

export interface SentRequest {
	readonly method: string;
	readonly origin: string;
	readonly path: string;
	/** of the body that went out */
	bodyBytes: number;
}

interface ClientRequest {
	readonly method: string;
	readonly origin: string | URL;
	readonly path: string;
}

const created = 'undici:request:create';
const chunkSent = 'undici:request:bodyChunkSent';

function sizeOf(chunk: string | Uint8Array): number {
	return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength;
}

/** All requests that undici sends while `work` goes on, in order. */
export async function requestsDuring(
	work: () => Promise<unknown>,
): Promise<readonly SentRequest[]> {
	const sent = new Map<unknown, SentRequest>();
	const onCreate = (message: unknown): void => {
		const { request } = message as { request: ClientRequest };
		const { method, path } = request;
		sent.set(request, { method, origin: String(request.origin), path, bodyBytes: 0 });
	};
	const onChunk = (message: unknown): void => {
		const { request, chunk } = message as { request: unknown; chunk: string | Uint8Array };
		const known = sent.get(request);
		if (known) known.bodyBytes += sizeOf(chunk);
	};
	subscribe(created, onCreate);
	subscribe(chunkSent, onChunk);
	try {
		await work();
	} finally {
		unsubscribe(created, onCreate);
		unsubscribe(chunkSent, onChunk);
	}
	return [...sent.values()];
}

/** True for a request that may change something. */
export function isWriting({ method }: Pick<SentRequest, 'method'>): boolean {
	return method !== 'GET' && method !== 'HEAD';
}
