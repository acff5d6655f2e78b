/** `/v2/<name>/blobs/uploads/` (distribution-spec, "Pushing Blobs"). */
import { isDigest, type Digest } from '../../shared/oci/digest.ts';
import { arrivingBody } from './arriving-body.ts';
import { chunkRange } from './byte-range.ts';
import { requireDigest, type Exchange } from './exchange.ts';
import type { Layout } from './layout.ts';
import { StoreError } from './store-error.ts';
import { receivedRange, type AppendOptions } from './uploads.ts';

function created(repository: Layout, digest: Digest): Response {
	return new Response(null, {
		status: 201,
		headers: {
			Location: `/v2/${repository.name}/blobs/${digest}`,
			'Docker-Content-Digest': digest,
			'Content-Length': '0',
		},
	});
}

function sessionHeaders(repository: Layout, id: string, sizeBytes: number) {
	return {
		Location: `/v2/${repository.name}/blobs/uploads/${id}`,
		Range: receivedRange(sizeBytes),
		'Docker-Upload-UUID': id,
		'Content-Length': '0',
	};
}

/** Starts a session, mounts a blob, or takes a whole blob in one request. */
export async function startUpload(exchange: Exchange): Promise<Response> {
	const { url, store, repository } = exchange;
	const mount = url.searchParams.get('mount');
	const from = url.searchParams.get('from');
	if (mount !== null && from !== null && isDigest(mount)) {
		if (await store.mountBlob(repository.name, mount, from)) return created(repository, mount);
	}
	const whole = mount === null ? url.searchParams.get('digest') : null;
	if (whole !== null) {
		const digest = requireDigest(whole);
		await store.putBlob(repository.name, digest, arrivingBody(exchange));
		return created(repository, digest);
	}
	const id = await store.uploads.start(repository.name);
	return new Response(null, { status: 202, headers: sessionHeaders(repository, id, 0) });
}

/** What the headers of a chunk promise. @throws StoreError `rangeInvalid`, `sizeInvalid` */
function promised(headers: Headers): AppendOptions {
	const range = headers.get('content-range');
	if (range === null) return {};
	const chunk = chunkRange(range);
	if (!chunk) throw new StoreError('rangeInvalid', `“${range}” is not the range of a chunk.`);
	const lengthBytes = chunk.end - chunk.start;
	const announced = headers.get('content-length');
	if (announced !== null && Number(announced) !== lengthBytes) {
		throw new StoreError(
			'sizeInvalid',
			`The range ${range} has ${lengthBytes} bytes, and the body has ${announced}.`,
		);
	}
	return { startBytes: chunk.start, lengthBytes };
}

/** A chunk in the wrong place is told where to go on. */
function withLocation(error: unknown, { repository, target }: Exchange): unknown {
	if (!(error instanceof StoreError) || error.kind !== 'rangeInvalid') return error;
	const headers = { Location: `/v2/${repository.name}/blobs/uploads/${target}` };
	return new StoreError(error.kind, error.problem.reason, {
		headers: { ...error.headers, ...headers },
		cause: error,
	});
}

export async function patchUpload(exchange: Exchange): Promise<Response> {
	const { request, store, repository, target } = exchange;
	const { uploads } = store;
	try {
		const options = promised(request.headers);
		const size = await uploads.append(repository.name, target, arrivingBody(exchange), options);
		return new Response(null, { status: 202, headers: sessionHeaders(repository, target, size) });
	} catch (error) {
		throw withLocation(error, exchange);
	}
}

export async function finishUpload(exchange: Exchange): Promise<Response> {
	const { request, url, store, repository, target } = exchange;
	const digest = requireDigest(url.searchParams.get('digest') ?? '');
	try {
		await store.uploads.finish(repository.name, target, {
			...promised(request.headers),
			digest,
			chunks: request.headers.get('content-length') === '0' ? undefined : arrivingBody(exchange),
			adopt: (file) => repository.adoptBlob(digest, file),
		});
		return created(repository, digest);
	} catch (error) {
		throw withLocation(error, exchange);
	}
}

export async function getUpload({ store, repository, target }: Exchange): Promise<Response> {
	const size = await store.uploads.sizeBytes(repository.name, target);
	const { 'Content-Length': _none, ...headers } = sessionHeaders(repository, target, size);
	return new Response(null, { status: 204, headers });
}

export async function cancelUpload({ store, repository, target }: Exchange): Promise<Response> {
	await store.uploads.cancel(repository.name, target);
	return new Response(null, { status: 204 });
}
