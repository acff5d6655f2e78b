/** The writing half of the port, over HTTP to the proxy. What the answer no longer tells of counts as failed. */
import { toJsonBytes } from '../../shared/oci/bytes-in-json.ts';
import type * as z from 'zod';
import { readLines } from '../../shared/api/ndjson.ts';
import {
	copyLineSchema,
	moveLineSchema,
	pushLineSchema,
	writeLimits,
	type CopiesBody,
	type MovesBody,
	type PushesBody,
} from '../../shared/api/write-schema.ts';
import type { DigestReference, Repository } from '../../shared/oci/reference.ts';
import { problemOf, type Problem } from '../../shared/registry/problem.ts';
import type {
	BlobCopy,
	BlobCopyEvent,
	BlobUpload,
	BlobUploadEvent,
	CallOptions,
	ManifestPush,
	ManifestPushResult,
	RegistryWriter,
	TagMove,
	TagMoveResult,
} from '../../shared/registry/registries.ts';
import { untilAnswered, type Lost } from './ask-again.ts';
import { putBlob } from './blob-upload.ts';
import type { ProxyClient } from './proxy-client.ts';

const longestLine = 1024 * 1024;
/** Leaves room for what the estimate misses. */
const bodyCharacters = writeLimits.bodyBytes / 4;

const lostAnswer: Problem = {
	code: 'connection-lost',
	origin: 'proxy',
	reason: 'The proxy’s answer ended before this was in it.',
};

interface Line {
	readonly index: number;
	readonly state: string;
}

interface Shape<Request, L extends Line, Event> {
	readonly path: string;
	readonly body: (requests: readonly Request[]) => unknown;
	readonly schema: z.ZodType<L>;
	/** every repository that it reads from or writes to */
	readonly about: (request: Request) => readonly Repository[];
	readonly event: (request: Request, line: L) => Event;
	readonly lost: (request: Request, problem: Problem) => Event;
}

function place({ registry, repository }: Repository): Repository {
	return { registry, repository };
}

function target({ registry, repository, digest }: DigestReference): DigestReference {
	return { registry, repository, digest };
}

function wireCopy({ to, sizeBytes, from }: BlobCopy): CopiesBody['copies'][number] {
	return { to: target(to), sizeBytes, from: from.map(place) };
}

function wirePush(push: ManifestPush): PushesBody['pushes'][number] {
	const { isMissing } = push;
	const shared = {
		to: target(push.to),
		mediaType: push.mediaType,
		...(isMissing && { isMissing }),
	};
	return 'bytes' in push
		? { ...shared, ...toJsonBytes(push.bytes) }
		: { ...shared, from: push.from.map(place) };
}

function wireMove({
	registry,
	repository,
	tag,
	digest,
	expect,
}: TagMove): MovesBody['moves'][number] {
	return { registry, repository, tag, digest, expect };
}

/** About how long a request becomes in a body. */
function lengthOf(request: BlobCopy | ManifestPush): number {
	const perRepository = 300;
	return 'bytes' in request
		? 2 * perRepository + request.bytes.length * 2
		: (2 + request.from.length) * perRepository;
}

/** As few requests to the proxy as its limits allow. */
function* batches<R extends BlobCopy | ManifestPush>(requests: readonly R[]): Generator<R[]> {
	let batch: R[] = [];
	let characters = 0;
	for (const request of requests) {
		const length = lengthOf(request);
		const isFull = batch.length >= writeLimits.entries || characters + length > bodyCharacters;
		if (isFull && batch.length > 0) {
			yield batch;
			batch = [];
			characters = 0;
		}
		batch.push(request);
		characters += length;
	}
	if (batch.length > 0) yield batch;
}

const copyShape: Shape<BlobCopy, z.infer<typeof copyLineSchema>, BlobCopyEvent> = {
	path: '/api/copies',
	body: (copies) => ({ copies: copies.map(wireCopy) }),
	schema: copyLineSchema,
	about: ({ to, from }) => [to, ...from],
	event: (copy, { index: _, ...event }) => ({ copy, ...event }),
	lost: (copy, problem) => ({ copy, state: 'failed', problem }),
};

const pushShape: Shape<ManifestPush, z.infer<typeof pushLineSchema>, ManifestPushResult> = {
	path: '/api/manifests/push',
	body: (pushes) => ({ pushes: pushes.map(wirePush) }),
	schema: pushLineSchema,
	about: (push) => ('from' in push ? [push.to, ...push.from] : [push.to]),
	event: (push, { index: _, ...result }) => ({ push, ...result }),
	lost: (push, problem) => ({ push, state: 'failed', problem }),
};

const moveShape: Shape<TagMove, z.infer<typeof moveLineSchema>, TagMoveResult> = {
	path: '/api/tags/move',
	body: (moves) => ({ moves: moves.map(wireMove) }),
	schema: moveLineSchema,
	about: (move) => [move],
	event: (move, { index: _, ...result }) => ({ move, ...result }),
	lost: (move, problem) => ({ move, state: 'failed', problem }),
};

export class ProxyWriter implements RegistryWriter {
	readonly #client: ProxyClient;

	constructor(client: ProxyClient) {
		this.#client = client;
	}

	async *copyBlobs(
		copies: readonly BlobCopy[],
		options: CallOptions = {},
	): AsyncGenerator<BlobCopyEvent> {
		options.signal?.throwIfAborted();
		for (const group of this.#client.grouped(copies, copyShape.about)) {
			for (const batch of batches(group)) yield* this.#write(batch, copyShape, options);
		}
	}

	/** One after the other: a browser has few connections. */
	async *putBlobs(
		uploads: readonly BlobUpload[],
		{ signal }: CallOptions = {},
	): AsyncGenerator<BlobUploadEvent> {
		signal?.throwIfAborted();
		for (const upload of uploads) yield await putBlob(this.#client, upload, signal);
	}

	async *pushManifests(
		pushes: readonly ManifestPush[],
		options: CallOptions = {},
	): AsyncGenerator<ManifestPushResult> {
		options.signal?.throwIfAborted();
		for (const group of this.#client.grouped(pushes, pushShape.about)) {
			for (const batch of batches(group)) yield* this.#write(batch, pushShape, options);
		}
	}

	/** In one request, because all of them are looked at before any is moved. */
	async *moveTags(
		moves: readonly TagMove[],
		options: CallOptions = {},
	): AsyncGenerator<TagMoveResult> {
		options.signal?.throwIfAborted();
		if (moves.length > 0) yield* this.#write(moves, moveShape, options);
	}

	#write<Request, L extends Line, Event>(
		requests: readonly Request[],
		shape: Shape<Request, L, Event>,
		{ signal }: CallOptions,
	): AsyncGenerator<Event> {
		return untilAnswered(requests, {
			once: (left) => this.#writeOnce(left, shape, signal),
			asksAgain: (problem, inVain) => this.#client.asksAgain(problem, inVain, signal),
			lost: shape.lost,
			signal,
		});
	}

	/** @returns what is left without a final answer, and why */
	async *#writeOnce<Request, L extends Line, Event>(
		requests: readonly Request[],
		{ path, body, schema, about, event }: Shape<Request, L, Event>,
		signal: AbortSignal | undefined,
	): AsyncGenerator<Event, Lost<Request>> {
		const waiting = new Map(requests.map((request, index) => [index, request]));
		let problem = lostAnswer;
		try {
			const init = {
				method: 'POST',
				body: JSON.stringify(body(requests)),
				...(signal && { signal }),
			};
			const chunks = this.#client.stream(path, init, requests.flatMap(about));
			for await (const text of readLines(chunks, longestLine)) {
				const line = schema.parse(JSON.parse(text));
				const request = waiting.get(line.index);
				if (request === undefined) continue;
				if (line.state !== 'copying') waiting.delete(line.index);
				yield event(request, line);
				signal?.throwIfAborted();
			}
		} catch (error) {
			signal?.throwIfAborted();
			problem = problemOf(error);
		}
		return { requests: [...waiting.values()], problem };
	}
}
