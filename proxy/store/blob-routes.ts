/** `/v2/<name>/blobs/<digest>` (distribution-spec, "Pulling blobs"). */
import { contentStream } from './content-file.ts';
import { requestedRange } from './byte-range.ts';
import { requireDigest, type Exchange } from './exchange.ts';
import { StoreError } from './store-error.ts';

/** Streams a blob or one range of it. Whoever takes it holds it against its digest. */
export async function getBlob({ request, repository, target }: Exchange): Promise<Response> {
	const digest = requireDigest(target);
	const file = await repository.openBlob(digest);
	const { sizeBytes } = file;
	const entityTag = `"${digest}"`;
	const common = {
		'Content-Type': 'application/octet-stream',
		'Docker-Content-Digest': digest,
		'Accept-Ranges': 'bytes',
		ETag: entityTag,
	};
	const isSame = (request.headers.get('if-range') ?? entityTag) === entityTag;
	const range = isSame ? requestedRange(request.headers.get('range'), sizeBytes) : undefined;
	if (range === 'unsatisfiable') {
		await file.handle.close();
		throw new StoreError('rangeInvalid', `The blob has only ${sizeBytes} bytes.`, {
			headers: { 'Content-Range': `bytes */${sizeBytes}` },
		});
	}
	const { start, end } = range ?? { start: 0, end: sizeBytes };
	const headers = {
		...common,
		'Content-Length': `${end - start}`,
		...(range && { 'Content-Range': `bytes ${start}-${end - 1}/${sizeBytes}` }),
	};
	const status = range ? 206 : 200;
	if (request.method === 'HEAD' || start === end) {
		await file.handle.close();
		return new Response(null, { status, headers });
	}
	return new Response(contentStream(file, start, end), { status, headers });
}

export async function deleteBlob({ repository, target }: Exchange): Promise<Response> {
	await repository.deleteBlob(requireDigest(target));
	return new Response(null, { status: 202, headers: { 'Content-Length': '0' } });
}
