/** The reading half of the port, over HTTP to the proxy. What arrives is held against its digest once more. */
import { fromJsonBytes } from '../../shared/oci/bytes-in-json.ts';
import * as z from 'zod';
import {
	documentLineSchema,
	listingLineSchema,
	presenceLineSchema,
} from '../../shared/api/schema.ts';
import { readLines } from '../../shared/api/ndjson.ts';
import { descriptorSchema, type Descriptor } from '../../shared/oci/manifest.ts';
import {
	formatReference,
	formatRepository,
	type DigestReference,
	type Reference,
	type Repository,
} from '../../shared/oci/reference.ts';
import type { HashBytes } from '../../shared/registry/hashing.ts';
import { limits } from '../../shared/registry/limits.ts';
import {
	ProblemError,
	problemOf,
	type Problem,
	type ProblemCode,
} from '../../shared/registry/problem.ts';
import type {
	BlobRequest,
	BlobStream,
	CallOptions,
	DocumentRequest,
	DocumentResult,
	PresenceRequest,
	PresenceResult,
	ReferrersOptions,
	RegistryReader,
} from '../../shared/registry/registries.ts';
import { verifyDocument } from '../../shared/registry/verify.ts';
import { untilAnswered, type Lost } from './ask-again.ts';
import type { ProxyClient } from './proxy-client.ts';

const longestLine = limits.documentBytes * 4;

function blobProblem(reference: DigestReference, code: ProblemCode, what: string): Problem {
	const name = formatReference(reference);
	return { code, origin: 'content', reason: `The blob ${name} ${what}.`, reference: name };
}

/** @throws ProblemError where a blob of `bytes` bytes, or of `bytes` so far, cannot be the one asked for */
function refuseSize({ reference, sizeBytes }: BlobRequest, bytes: number, isWhole: boolean): void {
	if (bytes > limits.payloadBytes) {
		const what = `has ${bytes} bytes or more; more than ${limits.payloadBytes} are not read`;
		throw new ProblemError(blobProblem(reference, 'too-large', what));
	}
	if (sizeBytes === undefined || bytes === sizeBytes || (bytes < sizeBytes && !isWhole)) return;
	const found = isWhole ? `has ${bytes} bytes` : `has ${bytes} bytes or more`;
	const what = `${found}, but ${sizeBytes} according to its descriptor`;
	throw new ProblemError(blobProblem(reference, 'malformed', what));
}

/** The bytes of a blob, read no further than its size and what the page holds. */
async function wholeBlob(
	{ body, headers }: Response,
	request: BlobRequest,
	signal: AbortSignal | undefined,
): Promise<Uint8Array> {
	const chunks: Uint8Array<ArrayBuffer>[] = [];
	const reader = body?.getReader();
	try {
		const announced = headers.get('content-length');
		if (announced !== null) refuseSize(request, Number(announced), true);
		let received = 0;
		for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
			received += part.value.length;
			refuseSize(request, received, false);
			chunks.push(part.value);
		}
		refuseSize(request, received, true);
	} catch (cause) {
		signal?.throwIfAborted();
		if (cause instanceof ProblemError) throw cause;
		const problem = blobProblem(request.reference, 'truncated', 'did not arrive whole');
		throw new ProblemError({ ...problem, origin: 'proxy' }, { cause });
	} finally {
		void reader?.cancel().catch(() => undefined);
	}
	return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** That a blob ended in the middle on its way from the proxy, as what it is to the way there. */
function wayOf(problem: Problem): Problem {
	const isCutOff = problem.code === 'truncated' && problem.origin === 'proxy';
	return isCutOff ? { ...problem, code: 'connection-lost' } : problem;
}

interface Line {
	readonly index: number;
}

interface BatchShape<Request, L extends Line, Result> {
	readonly schema: z.ZodType<L>;
	readonly result: (request: Request, line: L) => Promise<Result>;
	readonly lost: (request: Request, problem: Problem) => Result;
}

const lostAnswer: Problem = {
	code: 'connection-lost',
	origin: 'proxy',
	reason: 'The proxy’s answer ended before this was in it.',
};

export class ProxyReader implements RegistryReader {
	readonly #client: ProxyClient;
	readonly #hash: HashBytes;

	constructor(client: ProxyClient, hash: HashBytes) {
		this.#client = client;
		this.#hash = hash;
	}

	async *#batch<Request extends DocumentRequest, L extends Line, Result>(
		path: string,
		requests: readonly Request[],
		{ signal }: CallOptions,
		shape: BatchShape<Request, L, Result>,
	): AsyncGenerator<Result> {
		for (const group of this.#client.grouped(requests, ({ reference }) => [reference])) {
			yield* untilAnswered(group, {
				once: (left) => this.#batchOnce(path, left, signal, shape),
				asksAgain: (problem, inVain) => this.#client.asksAgain(problem, inVain, signal),
				lost: shape.lost,
				signal,
			});
		}
	}

	/**
	 * One request, one line for each part of it. Parts without a line when the answer ends were lost on the way.
	 * @returns those
	 */
	async *#batchOnce<Request extends DocumentRequest, L extends Line, Result>(
		path: string,
		requests: readonly Request[],
		signal: AbortSignal | undefined,
		shape: BatchShape<Request, L, Result>,
	): AsyncGenerator<Result, Lost<Request>> {
		const waiting = new Map(requests.map((request, index) => [index, request]));
		let problem = lostAnswer;
		try {
			const body = JSON.stringify({ requests });
			const init = { method: 'POST', body, ...(signal && { signal }) };
			const about = requests.map(({ reference }) => reference);
			const chunks = this.#client.stream(path, init, about);
			for await (const text of readLines(chunks, longestLine)) {
				const line = shape.schema.parse(JSON.parse(text));
				const request = waiting.get(line.index);
				if (!request) continue;
				waiting.delete(line.index);
				yield await shape.result(request, line);
			}
		} catch (error) {
			signal?.throwIfAborted();
			problem = problemOf(error);
		}
		return { requests: [...waiting.values()], problem };
	}

	#documents<R extends Reference>(
		path: string,
		requests: readonly DocumentRequest<R>[],
		options: CallOptions,
	): AsyncIterable<DocumentResult<R>> {
		return this.#batch<DocumentRequest<R>, z.infer<typeof documentLineSchema>, DocumentResult<R>>(
			path,
			requests,
			options,
			{
				schema: documentLineSchema,
				lost: (request, problem) => ({ ok: false, request, problem }),
				result: async (request, line) => {
					if (!line.ok) return { ok: false, request, problem: line.problem };
					try {
						const received = {
							bytes: fromJsonBytes(line) ?? new Uint8Array(),
							mediaType: line.mediaType,
							statedDigest: line.digest,
						};
						const document = await verifyDocument(request.reference, received, this.#hash);
						return { ok: true, request, document, checkedAt: line.checkedAt };
					} catch (error) {
						return { ok: false, request, problem: problemOf(error) };
					}
				},
			},
		);
	}

	readManifests(
		requests: readonly DocumentRequest[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult> {
		return this.#documents('/api/manifests', requests, options);
	}

	readConfigs(
		requests: readonly DocumentRequest<DigestReference>[],
		options: CallOptions = {},
	): AsyncIterable<DocumentResult<DigestReference>> {
		return this.#documents('/api/configs', requests, options);
	}

	exists(
		requests: readonly PresenceRequest[],
		options: CallOptions = {},
	): AsyncIterable<PresenceResult> {
		return this.#batch<PresenceRequest, z.infer<typeof presenceLineSchema>, PresenceResult>(
			'/api/exists',
			requests,
			options,
			{
				schema: presenceLineSchema,
				lost: (request, problem) => ({ ok: false, request, problem }),
				result: (request, line) =>
					Promise.resolve(
						line.ok
							? { ok: true, request, present: line.present, checkedAt: line.checkedAt }
							: { ok: false, request, problem: line.problem },
					),
			},
		);
	}

	async readBlob(
		{ reference, namedBy, sizeBytes }: BlobRequest,
		{ signal }: CallOptions = {},
	): Promise<BlobStream> {
		const query = new URLSearchParams({
			reference: formatReference(reference),
			...(namedBy && { namedBy }),
			...(sizeBytes !== undefined && { size: String(sizeBytes) }),
		});
		const bytes = await this.#blob(query, { reference, sizeBytes }, signal);
		const document = await verifyDocument(reference, { bytes, mediaType: '' }, this.#hash);
		return { sizeBytes: bytes.length, chunks: once(document.bytes) };
	}

	async #blob(
		query: URLSearchParams,
		request: BlobRequest,
		signal: AbortSignal | undefined,
	): Promise<Uint8Array> {
		for (let inVain = 0; ; inVain += 1) {
			try {
				const path = `/api/blob?${query.toString()}`;
				const response = await this.#client.request(path, signal ? { signal } : {}, [
					request.reference,
				]);
				return await wholeBlob(response, request, signal);
			} catch (error) {
				if (await this.#client.asksAgain(wayOf(problemOf(error)), inVain, signal)) continue;
				signal?.throwIfAborted();
				throw error;
			}
		}
	}

	async *#listing(path: string, about: Repository, { signal }: CallOptions): AsyncGenerator {
		const chunks = this.#client.stream(path, signal ? { signal } : {}, [about]);
		for await (const text of readLines(chunks, longestLine)) {
			const line = listingLineSchema.parse(JSON.parse(text));
			if (!line.ok) throw new ProblemError(line.problem);
			yield line.item;
		}
	}

	async *tags(repository: Repository, options: CallOptions = {}): AsyncGenerator<string> {
		const query = new URLSearchParams({ repository: formatRepository(repository) });
		for await (const item of this.#listing(`/api/tags?${query}`, repository, options)) {
			yield z.string().parse(item);
		}
	}

	async *referrers(
		subject: DigestReference,
		{ namedBy, ...options }: ReferrersOptions = {},
	): AsyncGenerator<Descriptor> {
		const query = new URLSearchParams({
			reference: formatReference(subject),
			...(namedBy && { namedBy }),
		});
		for await (const item of this.#listing(`/api/referrers?${query}`, subject, options)) {
			yield descriptorSchema.parse(item);
		}
	}

	async *repositories(registry: string, options: CallOptions = {}): AsyncGenerator<string> {
		const query = new URLSearchParams({ registry });
		const about = { registry, repository: '' };
		for await (const item of this.#listing(`/api/repositories?${query}`, about, options)) {
			yield z.string().parse(item);
		}
	}
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
	yield await Promise.resolve(bytes);
}
