/** `POST /api/manifests` and `POST /api/configs`: many documents, a line each as it arrives. */
import { isUtf8 } from 'node:buffer';
import { Hono } from 'hono';
import {
	configsBodySchema,
	manifestsBodySchema,
	type DocumentLine,
} from '../../shared/api/schema.ts';
import type { Reference } from '../../shared/oci/reference.ts';
import type {
	CallOptions,
	DocumentRequest,
	DocumentResult,
} from '../../shared/registry/registries.ts';
import { readStrictJson } from '../guard/strict-json.ts';
import type { NodeEnv } from '../server/node-request.ts';
import { answerEach } from './answers.ts';
import type { CallerOf } from './caller.ts';
import { streamLines } from './line-stream.ts';
import { toDigestReference, toReference } from './wire-reference.ts';

/** UTF-8 survives a JSON string byte for byte (also a BOM); anything else travels as base64. */
function toContent(bytes: Uint8Array): { text: string } | { base64: string } {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	return isUtf8(buffer) ? { text: buffer.toString('utf8') } : { base64: buffer.toString('base64') };
}

function toLine<R extends Reference>(index: number, result: DocumentResult<R>): DocumentLine {
	if (!result.ok) return { index, ok: false, problem: result.problem };
	const { digest, mediaType, bytes } = result.document;
	return { index, ok: true, digest, mediaType, checkedAt: result.checkedAt, ...toContent(bytes) };
}

type ReadDocuments<R extends Reference> = (
	requests: readonly DocumentRequest<R>[],
	options: CallOptions,
) => AsyncIterable<DocumentResult<R>>;

function documentLines<R extends Reference>(
	requests: readonly DocumentRequest<R>[],
	read: ReadDocuments<R>,
): (signal: AbortSignal) => AsyncIterable<DocumentLine> {
	return (signal) =>
		answerEach(requests, (batch) => read(batch, { signal }), {
			signal,
			toLine: (index: number, result: DocumentResult<R>) => toLine(index, result),
		});
}

export function manifestRoutes(callerOf: CallerOf) {
	return new Hono<NodeEnv>()
		.post('/manifests', async (c) => {
			const { reader } = callerOf(c);
			const body = await readStrictJson(c, manifestsBodySchema);
			if (!body.ok) return body.response;
			const requests = body.value.requests.map(({ reference, ...rest }) => ({
				reference: toReference(reference),
				...rest,
			}));
			const read: ReadDocuments<Reference> = (batch, options) =>
				reader.readManifests(batch, options);
			return streamLines(c, documentLines(requests, read));
		})
		.post('/configs', async (c) => {
			const { reader } = callerOf(c);
			const body = await readStrictJson(c, configsBodySchema);
			if (!body.ok) return body.response;
			const requests = body.value.requests.map(({ reference, ...rest }) => ({
				reference: toDigestReference(reference),
				...rest,
			}));
			return streamLines(
				c,
				documentLines(requests, (batch, options) => reader.readConfigs(batch, options)),
			);
		});
}
