/** Hands a blob to the proxy as one body. Never as a stream: browsers send those over HTTP/2 only. */
import { readLines } from '../../shared/api/ndjson.ts';
import { uploadedSchema } from '../../shared/api/write-schema.ts';
import { byDigest, formatReference } from '../../shared/oci/reference.ts';
import { ProblemError, problemOf, type Problem } from '../../shared/registry/problem.ts';
import type { BlobUpload, BlobUploadEvent } from '../../shared/registry/registries.ts';
import type { ProxyClient } from './proxy-client.ts';

const longestAnswer = 64 * 1024;

function otherSize({ to, sizeBytes }: BlobUpload, found: string): ProblemError {
	const reference = formatReference(to);
	const reason = `The content for ${reference} has ${found} bytes instead of ${sizeBytes}; nothing was written.`;
	return new ProblemError({ code: 'malformed', origin: 'content', reason, reference });
}

/** @throws ProblemError `malformed` where it has another size */
async function bodyOf(upload: BlobUpload): Promise<Blob> {
	const chunks: Uint8Array<ArrayBuffer>[] = [];
	let seen = 0;
	for await (const chunk of upload.content()) {
		seen += chunk.length;
		if (seen > upload.sizeBytes) throw otherSize(upload, `more than ${upload.sizeBytes}`);
		chunks.push(chunk as Uint8Array<ArrayBuffer>);
	}
	if (seen !== upload.sizeBytes) throw otherSize(upload, String(seen));
	return new Blob(chunks);
}

async function send(
	client: ProxyClient,
	upload: BlobUpload,
	signal: AbortSignal | undefined,
): Promise<BlobUploadEvent> {
	const query = new URLSearchParams({
		reference: formatReference(byDigest(upload.to, upload.to.digest)),
		size: String(upload.sizeBytes),
	});
	const init = { method: 'PUT', body: await bodyOf(upload), ...(signal && { signal }) };
	const answer = client.stream(`/api/blob?${query}`, init, [upload.to]);
	for await (const text of readLines(answer, longestAnswer)) {
		return { upload, state: uploadedSchema.parse(JSON.parse(text)).state };
	}
	const reason = 'The proxy did not say what became of the blob.';
	throw new ProblemError({ code: 'connection-lost', origin: 'proxy', reason });
}

/** A login that ran out in the middle; the proxy, which kept nothing of the blob, has a new one by now. */
function mayHaveRunOut({ code, origin, status }: Problem): boolean {
	return code === 'unauthorized' && origin === 'registry' && status === 401;
}

/** @throws only the signal's reason */
export async function putBlob(
	client: ProxyClient,
	upload: BlobUpload,
	signal: AbortSignal | undefined,
): Promise<BlobUploadEvent> {
	let loginRanOut = false;
	for (let inVain = 0; ; inVain += 1) {
		signal?.throwIfAborted();
		try {
			return await send(client, upload, signal);
		} catch (error) {
			signal?.throwIfAborted();
			const problem = problemOf(error);
			const mayGoWell = !loginRanOut && mayHaveRunOut(problem);
			if (mayGoWell) loginRanOut = true;
			else if (!(await client.asksAgain(problem, inVain, signal))) {
				signal?.throwIfAborted();
				return { upload, state: 'failed', problem };
			}
		}
	}
}
